"""One build of a session: plan, run here or on CodeBuild, say what became of it.

Where results are looked for depends on the action. One that may leave this machine
belongs to the shared store, if there is one; on CodeBuild to nothing but it, since
workers know no other. The rest belongs to this machine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

from lambdabuild.action import Action, ActionId, Executor
from lambdabuild.configured import ConfiguredGraph, ConfiguredTarget
from lambdabuild.digest import Key
from lambdabuild.execution import Builder, Event, Outcome
from lambdabuild.inputs import InputFiles
from lambdabuild.keys import KeyTable
from lambdabuild.oci.digest import OciDigest, parse_oci_digest
from lambdabuild.plan import Plan, parse_result, results_of
from lambdabuild.reporting import wanted
from lambdabuild.store import LostBlobError, Stores
from lambdabuild.tools import tool_version
from lambdabuild.tools.pull import PullTool
from lambdabuild.tracing import span

if TYPE_CHECKING:
    from lambdabuild.explain.current import StepReasons
    from lambdabuild.remote.builder import RemoteOutcome

MAX_PLANS: Final = 8
"""How often a build is planned when what was known turns out to be gone. Damage shows when it is read,
one pack after the other."""

RunRemotely = Callable[[Plan], "RemoteOutcome"]

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Built:
    """What became of a build's steps."""

    plan: Plan
    outcome: Outcome
    left_out: Mapping[ActionId, OciDigest]
    remote: RemoteOutcome | None = None
    under_way: frozenset[Key] = frozenset()


@dataclass(frozen=True, slots=True)
class Build:
    """What one build needs of its session.

    stores_of: where results of an action are looked for and kept.
    here:      whether an action runs here.
    remotely:  has the others done; None if there are none.
    reasons:   finds out what has changed, where that is asked.
    """

    graph: ConfiguredGraph
    keys: KeyTable
    inputs: InputFiles
    executor: Executor
    stores_of: Callable[[Action], Stores]
    here: Callable[[Action], bool] = field(default=lambda action: True)
    remotely: RunRemotely | None = None
    reasons: StepReasons | None = None

    def run(
        self,
        targets: Sequence[ConfiguredTarget],
        *,
        jobs: int,
        keep_going: bool,
        full: bool,
        on_event: Callable[[Event], None],
    ) -> Built:
        """Runs what is dirty of `targets`.

        full: fetch layers of external bases that are not held here.
        """
        left_out = {} if full else self._absent_layers(targets)
        plan, remote = self._planned(targets, left_out)
        if remote and remote.failures and not keep_going:
            outcome = Outcome(results_of(plan.steps), frozenset(), {})
        else:
            with span("execution", "run actions"):
                outcome = self._builder(plan, on_event).run(jobs=jobs, keep_going=keep_going)
        if remote is None:
            return Built(plan, outcome, left_out)
        outcome = replace(
            outcome, ran=outcome.ran | remote.ran, failures={**outcome.failures, **remote.failures}
        )
        under_way = frozenset(plan.dirty if remote.under_way else ())
        return Built(plan, outcome, left_out, remote, under_way)

    def _planned(
        self, targets: Sequence[ConfiguredTarget], left_out: Collection[ActionId]
    ) -> tuple[Plan, RemoteOutcome | None]:
        """Returns the plan after what runs remotely has run, as often as it takes."""
        for _ in range(MAX_PLANS):
            explain = self.reasons.reason if self.reasons else None
            plan = Plan(self.graph.action, self.keys.deep_key, self.stores_of, explain)
            with span("planning", "plan") as work:
                plan.want(output for target in targets for output in wanted(target, left_out))
                work.note(steps=len(plan.steps), dirty=len(plan.dirty))
            if self.reasons:
                self.reasons.planned(plan.steps)
            if self.remotely is None:
                return plan, None
            with span("codebuild", "build elsewhere"):
                remote = self.remotely(plan)
            if not remote.stale:
                break
        for key, result in remote.results.items():
            plan.steps[key].result, plan.steps[key].reason = result, ""
        return plan, remote

    def _builder(self, plan: Plan, on_event: Callable[[Event], None]) -> Builder:
        return Builder(
            plan,
            executor=self.executor,
            stores_of=self.stores_of,
            key_of=self.keys.deep_key,
            deep_document=self.keys.deep_document,
            node_of=self.inputs.node,
            tool_version=tool_version,
            here=self.here,
            on_event=on_event,
        )

    def _absent_layers(self, targets: Sequence[ConfiguredTarget]) -> dict[ActionId, OciDigest]:
        """Returns the actions that would fetch layers of `targets` that are not held here -> digest."""
        images = (target.image for target in targets if target.image)
        ids = dict.fromkeys(layer.blob.action for image in images for layer in image.layers)
        pulls = [action for action in map(self.graph.action, ids) if action.tool == PullTool.name]
        if not pulls:
            return {}
        stores = self.stores_of(pulls[0])
        found = stores.cache.lookup({self.keys.deep_key(action.id) for action in pulls})
        held = _held(found, stores)
        return {
            action.id: parse_oci_digest(str(action.params["digest"]))
            for action in pulls
            if self.keys.deep_key(action.id) not in held
        }


def again_if_lost(attempt: Callable[[], _T]) -> _T:
    """Returns what `attempt` does; it is repeated where a blob is lost, which counts as missing then."""
    for _ in range(MAX_PLANS - 1):
        try:
            return attempt()
        except LostBlobError:
            continue
    return attempt()


def _held(found: Mapping[Key, bytes], stores: Stores) -> set[Key]:
    """Returns the keys whose layers are in the store."""
    results = {key: parse_result(data, PullTool.outputs).outputs.values() for key, data in found.items()}
    missing = stores.store.missing({node.digest for nodes in results.values() for node in nodes})
    return {key for key, nodes in results.items() if not any(node.digest in missing for node in nodes)}
