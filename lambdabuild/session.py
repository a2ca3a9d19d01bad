"""One invocation: ties the phases together for a workspace.

Knows neither terminal nor environment: what it needs of them is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lambdabuild.action import ActionOutput
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import LambdaBuildError
from lambdabuild.evaluation import Evaluation, Question, Say, evaluate
from lambdabuild.execution import Builder, Event, Outcome
from lambdabuild.executors.local import LocalExecutor
from lambdabuild.inputs import InputFiles
from lambdabuild.keys import KeyTable, tag_of
from lambdabuild.output_paths import output_directories
from lambdabuild.outputs import BuiltImage, generated, prepare, write_files, write_images
from lambdabuild.plan import Plan
from lambdabuild.report import BUILT, CACHED, FAILED, SKIPPED, BuildReport, TargetReport
from lambdabuild.sources import WorkingTree
from lambdabuild.store.local import LocalActionCache, LocalStore
from lambdabuild.tools import all_tools, tool_version
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.python.index import Index


class Session:
    """A workspace, with the stores of this machine.

    cache_dir: where the local content store and action cache live.
    index:     gives the package index; asked only when it is needed.
    """

    def __init__(
        self,
        workspace: Workspace,
        cache_dir: Path,
        *,
        index: Callable[[], Index],
        say: Say = lambda text, at: None,
    ) -> None:
        self.workspace = workspace
        self.cache_dir = cache_dir
        self._index = index
        self._say = say
        self._directories: Mapping[ConfiguredLabel, str] = {}
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
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> BuildReport:
        """Builds the roots of `evaluation`, and puts outputs in place.

        Raises UserError before anything has run or been written, unless told
        to keep going; failed actions are in the report.

        keep_failed: leave the directories of failed actions where they are.
        """
        keys = self.keys(evaluation, keep_going=keep_going)
        targets = [evaluation.graph.targets[root] for root in evaluation.roots]
        usable = [target for target in targets if target.id not in keys.failures]
        self._directories = output_directories(usable)
        plan = Plan(evaluation.graph.action, keys.deep_key, self.cache, self.store)
        plan.want(output for target in usable for output in wanted(target))
        tools = all_tools(lambda: self.index, self.cache_dir / "environments")
        builder = Builder(
            plan,
            executor=LocalExecutor(
                tools, self.store, self.inputs.contents, self.store.scratch, keep_failed=keep_failed
            ),
            cache=self.cache,
            store=self.store,
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
        self._write_layouts(reports)
        return BuildReport(tuple(reports), evaluation.failures)

    def _report(self, target: ConfiguredTarget, keys: KeyTable, plan: Plan, outcome: Outcome) -> TargetReport:
        """Returns what became of `target`, before its outputs are put in place."""
        error: LambdaBuildError | None = keys.failures.get(target.id)
        if error:
            return TargetReport(target.id, target.kind, FAILED, error=error)
        hash_ = keys.hashes[target.id]
        asked = {keys.deep_key(output.action) for output in wanted(target)}
        if not asked <= outcome.results.keys():
            error = _cause(asked, plan, outcome)
            return TargetReport(target.id, target.kind, FAILED if error else SKIPPED, hash_, error=error)
        ran = {keys.deep_key(action.id) for action in target.actions} & outcome.ran
        seconds = sum(outcome.results[key].seconds for key in ran)

        def digest(output: ActionOutput) -> Digest:
            return outcome.results[keys.deep_key(output.action)].outputs[output.name].digest

        built = None
        if target.image:
            layers = [(digest(layer.blob), digest(layer.descriptor)) for layer in target.image.layers]
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

    def _write_layouts(self, reports: Sequence[TargetReport]) -> None:
        """Writes an OCI layout for each image; one for all platforms of a target."""
        images: dict[str, list[tuple[str, BuiltImage]]] = {}
        for report in reports:
            if report.built and report.output and report.hash:
                images.setdefault(report.output, []).append((tag_of(report.hash), report.built))
        for output, entries in images.items():
            write_images(self.workspace.root / output, entries, self.store)


def wanted(target: ConfiguredTarget) -> list[ActionOutput]:
    """Returns the outputs that building `target` has to bring into the store, each once."""
    found = list(generated(target.outputs).values())
    if target.image:
        found += [target.image.manifest, target.image.config]
        for layer in target.image.layers:
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
