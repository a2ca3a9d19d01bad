"""One invocation: ties the phases together for a workspace.

Knows neither terminal nor environment: what it needs of them is handed in.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lambdabuild.action import Action
from lambdabuild.building import Build, Built, again_if_lost
from lambdabuild.configured import ConfiguredGraph, ConfiguredTarget
from lambdabuild.digest import Key
from lambdabuild.evaluation import Evaluation, Question, Say, evaluate, platforms_of_images, read_pins
from lambdabuild.execution import Event
from lambdabuild.executors.local import LocalExecutor
from lambdabuild.explain.history import LocalHistory
from lambdabuild.inputs import InputFiles
from lambdabuild.kept_digests import KeptDigests
from lambdabuild.keys import KeyTable, sources
from lambdabuild.output_paths import LISTING, output_directories
from lambdabuild.outputs import VerifiedOnce, prepare
from lambdabuild.plan import Plan
from lambdabuild.publishing import Recorder
from lambdabuild.remembering import Ground
from lambdabuild.report import BUILT, CACHED, BuildReport, TargetReport
from lambdabuild.reporting import Reporter, wanted
from lambdabuild.settings import OUT_DIR
from lambdabuild.sources import WorkingTree
from lambdabuild.store import Stores
from lambdabuild.store.local import LocalActionCache, LocalStore
from lambdabuild.tools import all_tools, tool_version
from lambdabuild.tools.pull import PullTool
from lambdabuild.tracing import span
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.engines.choice import ChosenEngine
    from lambdabuild.explain.current import StepReason, StepReasons
    from lambdabuild.explain.shared_history import LayeredHistory
    from lambdabuild.external.registries import PinnedLayers, Registries
    from lambdabuild.guard.findings import GuardReport
    from lambdabuild.oci.registry.client import Client
    from lambdabuild.python.index import Index
    from lambdabuild.remote.services import SharedStore
    from lambdabuild.remote.working import RemoteWishes, RemoteWork
    from lambdabuild.store.layered import LayeredStore


def _made(cache: Path, report: BuildReport) -> list[str]:
    """Returns a file of each output, and the directories in which the store's files come and go."""
    kinds = [f"{cache}/{kind}" for kind in ("cas", "ac") if (cache / kind).is_dir()]
    stores = [f"{kind}/{name}" for kind in kinds for name in os.listdir(kind) if len(name) == 2]
    images = {each.output: each.built is not None for each in report.targets if each.output}
    outputs = [f"{output}/{'index.json' if image else LISTING}" for output, image in images.items()]
    return [*stores, *outputs, f"{OUT_DIR}/.gitignore"]


def _held(keys: KeyTable, built: Built, targets: Iterable[ConfiguredTarget]) -> Iterator[str]:
    """Yields the names of the store's files that results of `targets` are in."""
    for target in targets:
        for output in wanted(target, built.left_out):
            key = keys.deep_key(output.action)
            if result := built.outcome.results.get(key):
                blob = result.outputs[output.name].digest.hash
                yield from (f"ac/{key[:2]}/{key[2:]}", f"cas/{blob[:2]}/{blob[2:]}")


MOST_SHARED: Final = 8
"""Targets of one build whose states others are told of."""


class Session:
    """A workspace, with the stores of this machine.

    cache_dir: where the local content store and action cache live.
    index:     gives the package index; asked only when it is needed.
    client:    gives what speaks to registries, likewise.
    environ:   the variables that engines of Dockerfiles and secrets are found by.
    on_reasons: gets why each step of a build has to run; without, nobody finds out what has changed.
    hashed:    the hashes of the last question.
    held:      the store's files that the results of the last build are in.
    """

    def __init__(
        self,
        workspace: Workspace,
        cache_dir: Path,
        *,
        index: Callable[[], Index],
        client: Callable[[], Client],
        say: Say = lambda text, at: None,
        environ: Mapping[str, str] | None = None,
        on_reasons: Callable[[Sequence[StepReason]], None] | None = None,
    ) -> None:
        self.workspace = workspace
        self.cache_dir = cache_dir
        self._index = index
        self._client = client
        self._say = say
        self._environ = environ or {}
        self._on_reasons = on_reasons
        self._tree = WorkingTree(workspace.root, workspace.ignore, KeptDigests.of(cache_dir, workspace.root))
        self.hashed: KeyTable | None = None
        self.held: frozenset[str] = frozenset()

    @property
    def leads(self) -> Mapping[str, str]:
        """Where links led: path -> path, of the sources that were hashed."""
        return self._tree.led

    @cached_property
    def store(self) -> LocalStore:
        store = LocalStore(self.cache_dir)
        store.sweep()
        return store

    @cached_property
    def cache(self) -> LocalActionCache:
        return LocalActionCache(self.cache_dir)

    @cached_property
    def shared(self) -> SharedStore | None:
        """The remote store, or None if there is none; raises UserError for settings that cannot be right."""
        if not (self.workspace.text("store.remote") or self.workspace.text("codebuild.bucket")):
            return None
        from lambdabuild.remote.services import place_of, shared_store  # for those who share

        return shared_store(self.workspace, place_of(self.workspace), self.cache_dir)

    @cached_property
    def files(self) -> LocalStore | LayeredStore:
        """The content store with the remote one behind it, if there is one."""
        return self._layered or self.store

    @cached_property
    def _layered(self) -> LayeredStore | None:
        if self.shared is None:
            return None
        from lambdabuild.store.layered import LayeredStore

        return LayeredStore(self.store, self.shared.store)

    @cached_property
    def history(self) -> LocalHistory | LayeredHistory:
        """What targets were when they were built here, or by others that share their results."""
        workspace = self.workspace
        shares = workspace.text("store.remote") or workspace.text("executor.default") == "codebuild"
        return (self._wide_history if shares else None) or self._local_history

    @cached_property
    def _local_history(self) -> LocalHistory:
        return LocalHistory(self.cache_dir, self.workspace.name)

    @cached_property
    def _wide_history(self) -> LayeredHistory | None:
        if self.shared is None:
            return None
        from lambdabuild.explain.shared_history import LayeredHistory, SharedHistory  # for those who share

        remote = SharedHistory(self.shared.bucket, self.workspace.name)
        return LayeredHistory(self._local_history, remote, self._say)

    @cached_property
    def inputs(self) -> InputFiles:
        return InputFiles(self._tree, lambda: self.files)

    @cached_property
    def index(self) -> Index:
        return self._index()

    @cached_property
    def client(self) -> Client:
        return self._client()

    @cached_property
    def registries(self) -> Registries:
        """Where external images are; raises UserError for [registry] mirrors that are none."""
        from lambdabuild.external.registries import Registries  # for those who have external images

        return Registries(lambda: self.client, self.workspace.list("registry.mirrors"))

    @cached_property
    def external_layers(self) -> PinnedLayers:
        """The layers of external images, from their registries."""
        from lambdabuild.external.registries import PinnedLayers

        return PinnedLayers(lambda: read_pins(self._tree), self.registries)

    @cached_property
    def engine(self) -> ChosenEngine:
        """What builds Dockerfiles here; chosen when it is first asked for."""
        from lambdabuild.engines.choice import ChosenEngine  # for those who have Dockerfiles

        wish = self.workspace.text("executor.engine")
        return ChosenEngine(wish, self._environ, lambda text: self._say(text, None))

    def _secret(self, name: str) -> bytes:
        from lambdabuild.secret_values import read  # for those who have secrets

        return read(self.workspace.secrets[name], self._environ)

    def platforms_of_images(self) -> Mapping[str, tuple[str, ...]]:
        """Returns, for each external image, the platforms that it may be asked for; raises UserError."""
        return platforms_of_images(self.workspace, self._say)

    def evaluate(self, question: Question) -> Evaluation:
        return evaluate(self.workspace, question, self._say)

    def keys(self, evaluation: Evaluation, *, keep_going: bool = False) -> KeyTable:
        """Returns hashes and keys; raises the first failure unless `keep_going`."""
        graph, part = evaluation.graph, evaluation.part
        with span("hashing", "hash sources, work out keys") as work:
            news = sources(graph.targets[id_] for id_ in (part.news if part else graph.targets))
            with self.inputs.hashing(news):
                keys = KeyTable(graph, self.inputs.node, tool_version, part)
            work.note(targets=len(keys.hashes))
        if keys.failures and not keep_going:
            raise next(iter(keys.failures.values()))
        self.hashed = keys
        return keys

    def guarded(
        self, graph: ConfiguredGraph, targets: Iterable[ConfiguredTarget], *, shared: bool = False
    ) -> GuardReport:
        """Returns what the guard finds in the sources of `targets`; raises UserError.

        shared: leave out what is made for this machine alone, and would stay here.
        """
        from lambdabuild.guard.findings import GuardReport, guard_of  # for those who send something

        guard = guard_of(self.workspace, self.cache_dir)
        if guard is None:
            return GuardReport()

        def leaves(action: Action) -> bool:
            return action.shareable or not shared

        return guard.look(graph, targets, self.inputs.node, self.inputs.contents, leaves)

    def _check_leaving(
        self, graph: ConfiguredGraph, targets: Iterable[ConfiguredTarget], *, shared: bool = True
    ) -> None:
        """Raises UserError if something would leave this machine that should not."""
        from lambdabuild.guard.findings import refusal, unused_text

        report = self.guarded(graph, targets, shared=shared)
        if error := refusal(report):
            raise error
        for label, entry in report.unused:
            self._say(unused_text(label, entry), entry.at)

    def ground(self, evaluation: Evaluation, report: BuildReport | None = None) -> Ground | None:
        """Returns what the hashes of `evaluation`, and a build of it, stand on; None if not all of it shows.

        Files of this machine outside the workspace do not, nor does what others share.
        """
        shares = self.workspace.text("store.remote") or self.workspace.text("codebuild.bucket")
        if evaluation.failures or shares or self.inputs.uses_host:
            return None
        if evaluation.seen is None and evaluation.part is None:
            return None
        read = evaluation.looked_at | self._tree.looked_at
        return Ground(read, frozenset(_made(self.cache_dir, report) if report else ()))

    def build(
        self,
        evaluation: Evaluation,
        *,
        jobs: int,
        keep_going: bool = False,
        keep_failed: bool = False,
        full: bool = False,
        leaves: bool = False,
        on_event: Callable[[Event], None] = lambda event: None,
        remote: RemoteWishes | None = None,
    ) -> BuildReport:
        """Builds the roots of `evaluation`, and puts outputs in place.

        Raises UserError before anything has run or been written, unless told
        to keep going; failed actions are in the report.

        keep_failed: leave the directories of failed actions where they are.
        full:        fetch the layers of external bases. Without, those that are held
                     here are used, and the others left out of image layouts.
        remote:      build on CodeBuild what may leave this machine.
        """
        keys = self.keys(evaluation, keep_going=keep_going)
        targets = [evaluation.graph.targets[root] for root in evaluation.roots]
        usable = [target for target in targets if target.id not in keys.failures]
        directories = output_directories(usable)
        if leaves:
            images = [target for target in usable if target.image]
            self._check_leaving(evaluation.graph, images, shared=False)
        check = partial(self._check_leaving, evaluation.graph, usable)
        work = self._work(evaluation, keys, remote, keep_going=keep_going) if remote else None
        reasons = self._reasons(evaluation.graph, keys)
        build = Build(
            evaluation.graph,
            keys,
            self.inputs,
            self._executor(keep_failed=keep_failed),
            self._stores_of,
            reasons=reasons,
        )
        if work:
            build = replace(build, stores_of=work.stores_of, here=work.here, remotely=work.run_after(check))

        def attempt() -> tuple[Built, tuple[TargetReport, ...]]:
            built = build.run(usable, jobs=jobs, keep_going=keep_going, full=full, on_event=on_event)
            self._share(check)
            prepare(self.workspace.root)
            reporter = Reporter(
                self.workspace.root,
                keys,
                built.plan,
                built.outcome,
                VerifiedOnce(self.files),
                directories,
                built.left_out,
                fetch=self._layered.fetch if self._layered else None,
            )
            if work:
                far = work.far(self.store, full=full)
                reporter = replace(reporter, under_way=built.under_way, far=far)
            with span("outputs", "put outputs in place", targets=len(targets)):
                return built, reporter.reports(targets)

        built, found = again_if_lost(attempt)
        self.held = frozenset(_held(keys, built, usable))
        reports = tuple(replace(report, notes=evaluation.notes.get(report.id, ())) for report in found)
        known = [report.id for report in reports if report.status in (BUILT, CACHED)]
        self.history.record(evaluation.graph, keys, known)
        if work or self.workspace.number("store.upload"):
            self._share_history(evaluation.graph, keys, built)
        if work or built.outcome.ran:
            self._collect()
        account = work.account().to_json() if work else None
        return BuildReport(reports, evaluation.failures, account, reasons.steps if reasons else None)

    def plan(self, graph: ConfiguredGraph, keys: KeyTable, targets: Iterable[ConfiguredTarget]) -> Plan:
        """Returns what has to run for `targets`; layers of external images are not asked for."""
        plan = Plan(graph.action, keys.deep_key, self._stores_of)
        wishes = (output for target in targets for output in wanted(target))
        plan.want(output for output in wishes if graph.action(output.action).tool != PullTool.name)
        return plan

    def document(self, key: Key) -> bytes | None:
        """Returns the document that `key` is the hash of, from this machine or the remote store."""
        found = self.cache.document(key)
        if found is None and self.shared is not None and self.workspace.text("store.remote"):
            return self.shared.cache.document(key)
        return found

    def _collect(self) -> None:
        """Removes now and then what the local store has too much; only builds that add to it come here."""
        from lambdabuild.store.collecting import GB, collect, is_due

        if is_due(self.cache_dir):
            collect(self.cache_dir, self.workspace.number("store.max_gb") * GB)

    def _reasons(self, graph: ConfiguredGraph, keys: KeyTable) -> StepReasons | None:
        if self._on_reasons is None:
            return None
        from lambdabuild.explain.current import Current, StepReasons  # for those who ask

        return StepReasons(Current(graph, keys), self.history, self.document, self._on_reasons)

    def _executor(self, *, keep_failed: bool) -> LocalExecutor:
        tools = all_tools(
            lambda: self.index,
            self.cache_dir / "environments",
            lambda digest, size: self.external_layers.read(digest, size),
            engine=lambda: self.engine(),
            secrets=self._secret,
        )
        scratch = self.store.scratch
        return LocalExecutor(tools, self.store, self.inputs.contents, scratch, keep_failed=keep_failed)

    @cached_property
    def _recorder(self) -> Recorder | None:
        """The action cache with the remote one behind it, where [store] remote says so."""
        if self.shared is None or not self.workspace.text("store.remote"):
            return None
        from lambdabuild.store.layered import LayeredCache

        return Recorder(LayeredCache(self.cache, self.shared.cache))

    def _stores_of(self, action: Action) -> Stores:
        """Returns where the results of an action are kept that runs here."""
        if self._recorder and action.shareable:
            return Stores(self._recorder, self.files)
        return Stores(self.cache, self.store)

    def _share(self, check: Callable[[], None]) -> None:
        """Publishes what was built here, where [store] upload says so, and `check` raises nothing."""
        if self.shared and self._recorder and self.workspace.number("store.upload"):
            if self._recorder.recorded:
                check()
            self._recorder.publish(self.files, self.shared.store, self.shared.cache)

    def _share_history(self, graph: ConfiguredGraph, keys: KeyTable, built: Built) -> None:
        """Keeps for others what the targets are now of which something came to be in this build.

        Each costs two requests, so a build of many tells nothing: it would wait for them.
        """
        if self._wide_history is None:
            return
        made = built.outcome.ran | (built.plan.dirty.keys() & built.outcome.results.keys())
        news = [
            target.id
            for target in graph.targets.values()
            if any(keys.deep_key(each.id) in made for each in target.actions if target.id in keys.hashes)
            and all(each.shareable for each in target.actions)
        ]
        if len(news) <= MOST_SHARED:
            self._wide_history.share(graph, keys, news)

    def _work(
        self, evaluation: Evaluation, keys: KeyTable, wishes: RemoteWishes, *, keep_going: bool
    ) -> RemoteWork:
        """Returns what has a build done on CodeBuild; raises UserError where settings for it lack."""
        from lambdabuild.remote.connecting import connect  # for those who build elsewhere

        return connect(
            self.workspace,
            self.shared,
            self.cache_dir,
            evaluation.graph,
            keys,
            self.inputs,
            wishes,
            Stores(self.cache, self.files),
            pins=lambda: read_pins(self._tree),
            mirrored=self.registries.mirrored,
            keep_going=keep_going,
        )
