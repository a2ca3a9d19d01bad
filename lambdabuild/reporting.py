"""An Outcome -> what became of each target, with its outputs put in place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lambdabuild.action import ActionId, ActionOutput
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import LambdaBuildError
from lambdabuild.execution import Outcome
from lambdabuild.keys import KeyTable, tag_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.outputs import BuiltImage, generated, write_files, write_images
from lambdabuild.plan import Plan
from lambdabuild.report import BUILT, CACHED, FAILED, SKIPPED, STARTED, TargetReport
from lambdabuild.store import BlobFiles


@dataclass(frozen=True, slots=True)
class Reporter:
    """Writes outputs below `root`, and says what became of targets.

    directories: where the outputs of each target go, relative to `root`.
    left_out:    actions that would fetch layers of external bases, and were not asked to.
    under_way:   steps that builds go on with which nobody waits for.
    far:         gives those of some blobs that are not on this machine, and need not come.
    fetch:       brings blobs that may be elsewhere here, with few requests; None if all are here.
    """

    root: Path
    keys: KeyTable
    plan: Plan
    outcome: Outcome
    store: BlobFiles
    directories: Mapping[ConfiguredLabel, str]
    left_out: Mapping[ActionId, OciDigest]
    under_way: frozenset[Key] = frozenset()
    far: Callable[[Iterable[Digest]], Collection[Digest]] = field(default=lambda digests: ())
    fetch: Callable[[Iterable[Digest]], None] | None = None

    def reports(self, targets: Sequence[ConfiguredTarget]) -> tuple[TargetReport, ...]:
        """Returns what became of `targets`, once their outputs are in place."""
        if self.fetch:
            self.fetch(self._read(targets))
        return self._with_layouts([self._report(target) for target in targets])

    def _read(self, targets: Sequence[ConfiguredTarget]) -> set[Digest]:
        """Returns the blobs that are read for the reports of `targets`."""
        results = self.outcome.results
        outputs: dict[ActionOutput, None] = {}
        for target in targets:
            if target.id not in self.keys.failures:
                outputs |= dict.fromkeys(wanted(target, self.left_out))
        done = [o for o in outputs if self.keys.deep_key(o.action) in results]
        layers = {layer.blob for target in targets if target.image for layer in target.image.layers}
        far = set(self.far([self._digest(output) for output in done if output in layers]))
        return {self._digest(output) for output in done} - far

    def _report(self, target: ConfiguredTarget) -> TargetReport:
        """Returns what became of `target`; files are in place then, layouts not yet."""
        error: LambdaBuildError | None = self.keys.failures.get(target.id)
        if error:
            return TargetReport(target.id, target.kind, FAILED, error=error)
        hash_ = self.keys.hashes[target.id]
        asked = {self.keys.deep_key(output.action) for output in wanted(target, self.left_out)}
        if not asked <= self.outcome.results.keys():
            error, waits = self._cause(asked)
            status = FAILED if error else STARTED if waits else SKIPPED
            return TargetReport(target.id, target.kind, status, hash_, error=error)
        ran = {self.keys.deep_key(action.id) for action in target.actions} & self.outcome.ran
        seconds = sum(self.outcome.results[key].seconds for key in ran)
        built = self._built(target)
        made = {
            path: self.outcome.results[self.keys.deep_key(o.action)].outputs[o.name]
            for path, o in generated(target.outputs).items()
        }
        output = None
        if built or made:
            output = self.directories[target.id]
            if not built:
                write_files(self.root / output, made, self.store)
        status = BUILT if ran else CACHED
        return TargetReport(target.id, target.kind, status, hash_, seconds, output=output, built=built)

    def _built(self, target: ConfiguredTarget) -> BuiltImage | None:
        image = target.image
        if image is None:
            return None
        layers = [
            (self._digest(layer.blob), self._digest(layer.descriptor))
            for layer in image.layers
            if layer.blob.action not in self.left_out
        ]
        return BuiltImage(self.store, self._digest(image.manifest), self._digest(image.config), layers)

    def _digest(self, output: ActionOutput) -> Digest:
        return self.outcome.results[self.keys.deep_key(output.action)].outputs[output.name].digest

    def _with_layouts(self, reports: Sequence[TargetReport]) -> tuple[TargetReport, ...]:
        """Writes an OCI layout for each image, one for all platforms of a target.

        Returns the reports, with the layers that the layouts lack.
        """
        images: dict[str, list[tuple[str, BuiltImage]]] = {}
        for report in reports:
            if report.built and report.output and report.hash:
                images.setdefault(report.output, []).append((tag_of(report.hash), report.built))
        absent: dict[str, tuple[OciDigest, ...]] = {}
        left_out = frozenset(self.left_out.values())
        far = self.far(
            [blob for each in images.values() for _, built in each for blob in built.layers.values()]
        )
        for output, entries in images.items():
            absent[output] = write_images(self.root / output, entries, self.store, left_out, far)
        return tuple(
            replace(report, absent_layers=report.built.lacking(absent[report.output]))
            if report.built and report.output in absent
            else report
            for report in reports
        )

    def _cause(self, asked: set[Key]) -> tuple[LambdaBuildError | None, bool]:
        """Returns the failure that kept `asked` from their results, and whether builds go on with them."""
        todo, seen = list(asked), set(asked)
        while todo:
            key = todo.pop()
            if key in self.outcome.failures:
                return self.outcome.failures[key], False
            below = self.plan.steps[key].below - seen
            seen |= below
            todo.extend(below)
        return None, not seen.isdisjoint(self.under_way)


def wanted(target: ConfiguredTarget, left_out: Collection[ActionId] = ()) -> list[ActionOutput]:
    """Returns the outputs that building `target` has to bring into the store, each once.

    left_out: actions that make layers which need not be there.
    """
    found = list(generated(target.outputs).values())
    if target.image:
        found += [target.image.manifest, target.image.config]
        for layer in target.image.layers:
            if layer.blob.action not in left_out:
                found += layer
    return list(dict.fromkeys(found))
