"""One invocation: ties the phases together for a workspace.

Knows neither terminal nor environment: what it needs of them is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lambdabuild.action import ActionId, ActionOutput
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import LambdaBuildError
from lambdabuild.evaluation import Evaluation, Question, Say, evaluate, platforms_of_images, read_pins
from lambdabuild.execution import Builder, Event, Outcome
from lambdabuild.executors.local import LocalExecutor
from lambdabuild.external.registries import PinnedLayers, Registries
from lambdabuild.inputs import InputFiles
from lambdabuild.keys import KeyTable, tag_of
from lambdabuild.oci.digest import OciDigest, parse_oci_digest
from lambdabuild.output_paths import output_directories
from lambdabuild.outputs import BuiltImage, generated, prepare, write_files, write_images
from lambdabuild.plan import Plan, parse_result
from lambdabuild.report import BUILT, CACHED, FAILED, SKIPPED, BuildReport, TargetReport
from lambdabuild.sources import WorkingTree
from lambdabuild.store import Stores
from lambdabuild.store.local import LocalActionCache, LocalStore
from lambdabuild.tools import all_tools, tool_version
from lambdabuild.tools.pull import PullTool
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client
    from lambdabuild.python.index import Index


class Session:
    """A workspace, with the stores of this machine.

    cache_dir: where the local content store and action cache live.
    index:     gives the package index; asked only when it is needed.
    client:    gives what speaks to registries, likewise.
    """

    def __init__(
        self,
        workspace: Workspace,
        cache_dir: Path,
        *,
        index: Callable[[], Index],
        client: Callable[[], Client],
        say: Say = lambda text, at: None,
    ) -> None:
        self.workspace = workspace
        self.cache_dir = cache_dir
        self._index = index
        self._client = client
        self._say = say
        self._directories: Mapping[ConfiguredLabel, str] = {}
        self._left_out: Mapping[ActionId, OciDigest] = {}
        self._tree = WorkingTree(workspace.root, workspace.ignore)

    @cached_property
    def store(self) -> LocalStore:
        store = LocalStore(self.cache_dir)
        store.sweep()
        return store

    @cached_property
    def cache(self) -> LocalActionCache:
        return LocalActionCache(self.cache_dir)

    @cached_property
    def inputs(self) -> InputFiles:
        return InputFiles(self._tree, lambda: self.store)

    @cached_property
    def index(self) -> Index:
        return self._index()

    @cached_property
    def client(self) -> Client:
        return self._client()

    @cached_property
    def registries(self) -> Registries:
        """Where external images are; raises UserError for [registry] mirrors that are none."""
        return Registries(lambda: self.client, self.workspace.list("registry.mirrors"))

    @cached_property
    def external_layers(self) -> PinnedLayers:
        """The layers of external images, from their registries."""
        return PinnedLayers(lambda: read_pins(self._tree), self.registries)

    def platforms_of_images(self) -> Mapping[str, tuple[str, ...]]:
        """Returns, for each external image, the platforms that it may be asked for; raises UserError."""
        return platforms_of_images(self.workspace, self._say)

    def evaluate(self, question: Question) -> Evaluation:
        return evaluate(self.workspace, question, self._say)

    def keys(self, evaluation: Evaluation, *, keep_going: bool = False) -> KeyTable:
        """Returns hashes and keys; raises the first failure unless `keep_going`."""
        keys = KeyTable(evaluation.graph, self.inputs.node, tool_version)
        if keys.failures and not keep_going:
            raise next(iter(keys.failures.values()))
        return keys

    def build(
        self,
        evaluation: Evaluation,
        *,
        jobs: int,
        keep_going: bool = False,
        keep_failed: bool = False,
        full: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> BuildReport:
        """Builds the roots of `evaluation`, and puts outputs in place.

        Raises UserError before anything has run or been written, unless told
        to keep going; failed actions are in the report.

        keep_failed: leave the directories of failed actions where they are.
        full:        fetch the layers of external bases. Without, those that are held
                     here are used, and the others left out of image layouts.
        """
        keys = self.keys(evaluation, keep_going=keep_going)
        targets = [evaluation.graph.targets[root] for root in evaluation.roots]
        usable = [target for target in targets if target.id not in keys.failures]
        self._directories = output_directories(usable)
        stores = Stores(self.cache, self.store)
        plan = Plan(evaluation.graph.action, keys.deep_key, lambda action: stores)
        self._left_out = {} if full else self._absent_layers(usable, evaluation.graph, keys)
        plan.want(output for target in usable for output in wanted(target, self._left_out))
        tools = all_tools(
            lambda: self.index,
            self.cache_dir / "environments",
            lambda digest, size: self.external_layers.read(digest, size),
        )
        builder = Builder(
            plan,
            executor=LocalExecutor(
                tools, self.store, self.inputs.contents, self.store.scratch, keep_failed=keep_failed
            ),
            stores_of=lambda action: stores,
            key_of=keys.deep_key,
            deep_document=keys.deep_document,
            node_of=self.inputs.node,
            tool_version=tool_version,
            on_event=on_event,
        )
        outcome = builder.run(jobs=jobs, keep_going=keep_going)
        prepare(self.workspace.root)
        reports = [
            replace(self._report(target, keys, plan, outcome), notes=evaluation.notes.get(target.id, ()))
            for target in targets
        ]
        return BuildReport(self._with_layouts(reports), evaluation.failures)

    def _absent_layers(
        self, targets: Sequence[ConfiguredTarget], graph: ConfiguredGraph, keys: KeyTable
    ) -> dict[ActionId, OciDigest]:
        """Returns the actions that would fetch layers of `targets` that are not held here -> digest."""
        images = (target.image for target in targets if target.image)
        ids = dict.fromkeys(layer.blob.action for image in images for layer in image.layers)
        pulls = [action for action in map(graph.action, ids) if action.tool == PullTool.name]
        found = self.cache.lookup({keys.deep_key(action.id) for action in pulls}) if pulls else {}
        results = {key: parse_result(data, PullTool.outputs) for key, data in found.items()}
        blobs = {node.digest for result in results.values() for node in result.outputs.values()}
        missing = self.store.missing(blobs) if blobs else set()

        def held(key: Key) -> bool:
            return key in results and not any(n.digest in missing for n in results[key].outputs.values())

        return {
            action.id: parse_oci_digest(str(action.params["digest"]))
            for action in pulls
            if not held(keys.deep_key(action.id))
        }

    def _report(self, target: ConfiguredTarget, keys: KeyTable, plan: Plan, outcome: Outcome) -> TargetReport:
        """Returns what became of `target`, before its outputs are put in place."""
        error: LambdaBuildError | None = keys.failures.get(target.id)
        if error:
            return TargetReport(target.id, target.kind, FAILED, error=error)
        hash_ = keys.hashes[target.id]
        asked = {keys.deep_key(output.action) for output in wanted(target, self._left_out)}
        if not asked <= outcome.results.keys():
            error = _cause(asked, plan, outcome)
            return TargetReport(target.id, target.kind, FAILED if error else SKIPPED, hash_, error=error)
        ran = {keys.deep_key(action.id) for action in target.actions} & outcome.ran
        seconds = sum(outcome.results[key].seconds for key in ran)

        def digest(output: ActionOutput) -> Digest:
            return outcome.results[keys.deep_key(output.action)].outputs[output.name].digest

        built = None
        if target.image:
            layers = [
                (digest(layer.blob), digest(layer.descriptor))
                for layer in target.image.layers
                if layer.blob.action not in self._left_out
            ]
            built = BuiltImage(self.store, digest(target.image.manifest), digest(target.image.config), layers)
        made = {
            path: outcome.results[keys.deep_key(o.action)].outputs[o.name]
            for path, o in generated(target.outputs).items()
        }
        output = None
        if built or made:
            output = self._directories[target.id]
            if not built:
                write_files(self.workspace.root / output, made, self.store)
        status = BUILT if ran else CACHED
        return TargetReport(target.id, target.kind, status, hash_, seconds, output=output, built=built)

    def _with_layouts(self, reports: Sequence[TargetReport]) -> tuple[TargetReport, ...]:
        """Writes an OCI layout for each image, one for all platforms of a target.

        Returns the reports, with the layers that the layouts lack.
        """
        images: dict[str, list[tuple[str, BuiltImage]]] = {}
        for report in reports:
            if report.built and report.output and report.hash:
                images.setdefault(report.output, []).append((tag_of(report.hash), report.built))
        absent: dict[str, tuple[OciDigest, ...]] = {}
        for output, entries in images.items():
            left_out = frozenset(self._left_out.values())
            absent[output] = write_images(self.workspace.root / output, entries, self.store, left_out)
        return tuple(
            replace(report, absent_layers=report.built.lacking(absent[report.output]))
            if report.built and report.output in absent
            else report
            for report in reports
        )


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


def _cause(asked: set[Key], plan: Plan, outcome: Outcome) -> LambdaBuildError | None:
    """Returns the failure that kept `asked` from their results, or None if they were not begun."""
    todo, seen = list(asked), set(asked)
    while todo:
        key = todo.pop()
        if key in outcome.failures:
            return outcome.failures[key]
        below = plan.steps[key].below - seen
        seen |= below
        todo.extend(below)
    return None
