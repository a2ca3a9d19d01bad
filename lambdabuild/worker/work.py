"""One order from beginning to end: fetched, checked, planned, run, pushed, published.

What is complete is published whatever happens after it, also when the build is
stopped: only then comes the outcome.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lambdabuild.action import Action, ActionOutput, ActionResult, Tool
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import ExternalError, LambdaBuildError
from lambdabuild.execution import Builder, Event, Failed, Finished
from lambdabuild.executors.local import LocalExecutor
from lambdabuild.order import MadeFile, Order
from lambdabuild.plan import Plan, parse_result
from lambdabuild.store import Stores
from lambdabuild.store.layered import LayeredStore
from lambdabuild.store.local import LocalStore
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.cache import S3ActionCache
from lambdabuild.store.s3.store import S3Store
from lambdabuild.worker.boundary import Boundary
from lambdabuild.worker.events import Log
from lambdabuild.worker.fetching import fetch_trees
from lambdabuild.worker.images import files_of, push, pushed_keys
from lambdabuild.worker.order_graph import OrderGraph, dependents, graph_of, node_of
from lambdabuild.worker.outcome import WorkOutcome
from lambdabuild.worker.publishing import Publisher
from lambdabuild.worker.recording import RecordingCache

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client

SMALL: Final = 1 << 20
"""Bytes up to which outputs of known results are fetched before they are asked for."""


@dataclass(frozen=True, slots=True)
class Remote:
    """The remote store: its objects, and the two stores made of them."""

    bucket: Bucket
    store: S3Store
    cache: S3ActionCache


@dataclass(frozen=True, slots=True)
class Means:
    """What an order is worked on with.

    tools:   by name.
    client:  gives what speaks to registries.
    scratch: an empty directory.
    jobs:    actions that run at once.
    hold:    called when nothing may interrupt any more.
    """

    tools: Mapping[str, Tool]
    client: Callable[[], Client]
    scratch: Path
    jobs: int
    hold: Callable[[], None] = lambda: None


class Work:
    """The work on one order. `outcome` is filled while it goes on."""

    def __init__(self, order: Order, remote: Remote, means: Means, log: Log) -> None:
        self.outcome = WorkOutcome()
        self._order, self._remote, self._means, self._log = order, remote, means, log
        self._local = LocalStore(means.scratch / "store")
        self._store = LayeredStore(self._local, remote.store)
        self._publisher = Publisher(self._local, remote.store, remote.cache)
        self._results: dict[Key, ActionResult] = {}

    def run(self) -> None:
        """Does all that the order says; raises UserError where it is refused, ExternalError for the outside.

        What was made is published, also after an exception.
        """
        tools = self._means.tools
        versions = {name: tool.version for name, tool in tools.items()}
        trees = fetch_trees(self._order, self._remote.store, self.outcome.lost)
        graph = graph_of(self._order, trees, versions)
        known = self._known()
        cache = RecordingCache(
            self._remote.cache,
            known=known,
            deep={action.key for action in self._order.actions},
            withheld={image.manifest.key for image in self._order.images},
            ready=self._publisher.add,
        )
        plan = self._plan(graph, cache)
        builder = self._builder(graph, plan, cache, tools)
        self._results.update((key, parse_result(data, ())) for key, data in known.items())
        self._publisher.start()
        try:
            self._results.update(builder.run(jobs=self._means.jobs, keep_going=True).results)
            self._push(cache)
        finally:
            self._means.hold()
            self._publish_rest()
            self._note_lost(graph, plan)

    def _known(self) -> dict[Key, bytes]:
        """Returns the results that the order takes from the cache, and notes what is not there."""
        found = dict(self._remote.cache.lookup(self._order.known))
        self.outcome.unknown |= self._order.known.keys() - found.keys()
        results = {key: parse_result(data, self._order.known[key]) for key, data in found.items()}
        taken = [file for file in files_taken(self._order) if file.key in results]
        outputs = {file: results[file.key].outputs[file.output].digest for file in taken}
        missing = self._store.missing(outputs.values())
        self.outcome.lost |= missing
        gone = {file.key for file, digest in outputs.items() if digest in missing}
        return {key: data for key, data in found.items() if key not in gone}

    def _plan(self, graph: OrderGraph, cache: RecordingCache) -> Plan:
        """Returns the plan for all actions that can run, and notes why others cannot."""
        known = cache.lookup(self._order.known)
        gone = self._order.known.keys() - known.keys()
        for action in self._order.actions:
            broken = graph.keyless & {action.key} or gone & {made.key for made in action.made}
            if broken:
                self._fail(action.key, graph, _cannot_begin(action.key in graph.keyless))
        unusable = dependents(self._order, lambda key: key in graph.keyless or key in gone)
        usable = [graph.actions[each.id] for each in self._order.actions if each.key not in unusable]
        stores = Stores(cache, self._store)
        plan = Plan(graph.actions.__getitem__, graph.keys.__getitem__, lambda action: stores)
        plan.want(ActionOutput(action.id, name) for action in usable for name in action.outputs)
        self._prefetch(plan, graph)
        return plan

    def _prefetch(self, plan: Plan, graph: OrderGraph) -> None:
        """Brings what dirty steps are going to read here, with few requests."""
        wanted: set[Digest] = set()
        for step in plan.dirty.values():
            wanted |= _inputs(step.action, plan, graph)
        there = {digest for digest in wanted if digest.size < SMALL}
        there -= self._store.missing(there)
        try:
            self._store.fetch(there)
        except ExternalError as error:
            self._log.tell("note", text=error.message)  # whoever needs it asks again, and fails alone

    def _builder(
        self, graph: OrderGraph, plan: Plan, cache: RecordingCache, tools: Mapping[str, Tool]
    ) -> Builder:
        stores = Stores(cache, self._store)
        local = LocalExecutor(tools, self._local, self._store.pieces, self._local.scratch)

        def version(tool: str) -> int:
            return tools[tool].version if tool in tools else 0

        return Builder(
            plan,
            executor=Boundary(local, self._store.missing),
            stores_of=lambda action: stores,
            key_of=graph.keys.__getitem__,
            deep_document=lambda action: graph.deep_document(action, version(action.tool)),
            node_of=node_of,
            tool_version=version,
            on_event=lambda event: self._on_event(event, graph),
        )

    def _on_event(self, event: Event, graph: OrderGraph) -> None:
        """Notes at once what an interrupted build could not tell later."""
        if isinstance(event, Finished):
            key = graph.keys[event.action.id]
            self._results[key] = event.result
            if event.ran:
                self.outcome.ran.add(key)
        elif isinstance(event, Failed):
            self.outcome.failures[graph.keys[event.action.id]] = (event.action.id, event.error)
        self._log.on_event(event)

    def _push(self, cache: RecordingCache) -> None:
        """Pushes the images, and lets the results of those that arrived be published."""
        if self._order.images:
            self._log.tell("pushing", text=f"{len(self._order.images)} images")
            client = self._means.client()
            self.outcome.pushes = push(self._order, self._results, self._store, client)
        for result in self.outcome.pushes:
            label = str(result.id.label)
            if result.error:
                self._log.failed(result.error, label=label)
            else:
                self._log.tell("pushed", label=label, text=str(result.reference), seconds=result.seconds)
        for key in pushed_keys(self._order, self.outcome.pushes):
            cache.release(key)

    def _publish_rest(self) -> None:
        try:
            self._publisher.finish()
        except LambdaBuildError as error:
            self.outcome.trouble = error
            self._log.failed(error)

    def _note_lost(self, graph: OrderGraph, plan: Plan) -> None:
        """Notes which inputs of what failed are not in the store after all."""
        wanted: set[Digest] = set()
        for id_, _ in self.outcome.failures.values():
            wanted |= _inputs(graph.actions[id_], plan, graph)
        self.outcome.lost |= self._remote.store.missing(wanted - _made_here(self._local, wanted))

    def _fail(self, key: Key, graph: OrderGraph, error: LambdaBuildError) -> None:
        id_ = graph.ids[key]
        self.outcome.failures[key] = (id_, error)
        self._log.failed(error, label=str(id_.label))


def files_taken(order: Order) -> set[MadeFile]:
    """Returns the outputs that actions and images of an order take."""
    found = {MadeFile(made.key, made.output) for action in order.actions for made in action.made}
    return found.union(*map(files_of, order.images))


def _inputs(action: Action, plan: Plan, graph: OrderGraph) -> set[Digest]:
    """Returns the inputs of `action` that have to be in the store before anything runs."""
    found: set[Digest] = set()
    for source in action.inputs.values():
        if not isinstance(source, ActionOutput):
            found.add(node_of(source).digest)
            continue
        step = plan.steps.get(graph.keys[source.action])
        if step and step.result:
            found.add(step.result.outputs[source.name].digest)
    return found


def _made_here(store: LocalStore, digests: Collection[Digest]) -> set[Digest]:
    return {*digests} - store.missing(digests)


def _cannot_begin(without_sources: bool) -> ExternalError:
    what = "the list of its sources" if without_sources else "a result that it stands on"
    return ExternalError(
        f"{what} is missing in the remote store, or damaged there",
        hint="run the same command again; it will be uploaded or made again",
    )
