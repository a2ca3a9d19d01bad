"""One build on CodeBuild as a session sees it: where results are, what runs there, what it took."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lambdabuild.action import Action
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Digest
from lambdabuild.keys import KeyTable
from lambdabuild.plan import Plan
from lambdabuild.pushing.plan import PushPlan
from lambdabuild.pushing.result import PushResult
from lambdabuild.remote.accounting import Account, estimate, read_prices
from lambdabuild.remote.builder import RemoteBuilder, RemoteEvent, RemoteOutcome
from lambdabuild.remote.ordering import Orders, runs_remotely
from lambdabuild.remote.services import CodeBuild
from lambdabuild.store import Stores
from lambdabuild.store.local import LocalStore

DOCUMENTS, ALL = "documents", "all"
DOWNLOADS: Final = (DOCUMENTS, ALL)


@dataclass(frozen=True, slots=True)
class RemoteWishes:
    """How to build on CodeBuild.

    detach:   do not wait for the builds.
    download: "documents", what describes images, or "all" that is built.
    push:     where images go once they are made, or None for nowhere.
    absent:   gives those that have to be pushed even if nothing is built.
    on_event: is told what happens there.
    on_push:  is told what became of each image.
    """

    detach: bool = False
    download: str = DOCUMENTS
    push: PushPlan | None = None
    absent: Callable[[KeyTable], Collection[ConfiguredLabel]] = field(default=lambda keys: ())
    on_event: Callable[[RemoteEvent], None] = field(default=lambda event: None)
    on_push: Callable[[PushResult], None] = field(default=lambda result: None)


class RemoteWork:
    """What one build has done on CodeBuild.

    local:  where the results of what runs here are kept.
    absent: images that have to be pushed even if nothing is built.
    prices: a file with other prices than the listed ones, or None.
    """

    def __init__(
        self,
        codebuild: CodeBuild,
        orders: Orders,
        wishes: RemoteWishes,
        local: Stores,
        *,
        absent: Collection[ConfiguredLabel],
        keep_going: bool,
        prices: Path | None,
    ) -> None:
        self._codebuild, self._orders, self._wishes = codebuild, orders, wishes
        self._local, self._absent, self._keep_going = local, absent, keep_going
        shared = codebuild.shared
        self._remote = Stores(shared.cache, shared.store)
        self._prices = read_prices(prices)
        self._before = shared.meter.usage()
        self.outcomes: list[RemoteOutcome] = []

    def stores_of(self, action: Action) -> Stores:
        """Returns where an action's results are kept: what workers make, in the shared store alone."""
        return self._remote if runs_remotely(action) else self._local

    @staticmethod
    def here(action: Action) -> bool:
        """Tells whether an action runs on this machine all the same."""
        return not runs_remotely(action)

    def run_after(self, check: Callable[[], None]) -> Callable[[Plan], RemoteOutcome]:
        """Returns `run`, before which `check` is called if anything is going to be sent."""

        def run(plan: Plan) -> RemoteOutcome:
            if self._to_push(plan) or any(runs_remotely(step.action) for step in plan.dirty.values()):
                check()
            return self.run(plan)

        return run

    def run(self, plan: Plan) -> RemoteOutcome:
        """Has done what is dirty and may leave this machine; raises what the outside refuses."""
        builder = RemoteBuilder(
            plan,
            self._orders,
            self._codebuild,
            push=self._to_push(plan),
            keep_going=self._keep_going,
            on_event=self._wishes.on_event,
        )
        outcome = builder.run(detach=self._wishes.detach)
        self._record_seconds(plan, outcome)
        self.outcomes.append(outcome)
        for result in outcome.pushes:
            self._wishes.on_push(result)
        return outcome

    def _to_push(self, plan: Plan) -> set[ConfiguredLabel]:
        items = self._wishes.push.items if self._wishes.push else {}
        pushed = {push.id for outcome in self.outcomes for push in outcome.pushes}
        dirty = {i for i, item in items.items() if item.asked and self._orders.manifest_key(i) in plan.dirty}
        return (dirty | set(self._absent)) - pushed

    def _record_seconds(self, plan: Plan, outcome: RemoteOutcome) -> None:
        actions = {key: plan.steps[key].action for key in outcome.ran if key in outcome.results}
        self._codebuild.estimates.record(
            {(a.tool, str(a.id.label)): outcome.results[key].seconds for key, a in actions.items()}
        )

    def far(self, store: LocalStore, *, full: bool) -> Callable[[Iterable[Digest]], Collection[Digest]]:
        """Returns what tells which blobs are not on this machine, and need not come."""
        if full or self._wishes.download == ALL:
            return lambda digests: ()
        return store.missing

    def account(self) -> Account:
        """Returns what was asked of AWS since this object was made."""
        builds = tuple(state for outcome in self.outcomes for state in outcome.builds)
        usage = self._codebuild.shared.meter.usage() - self._before
        return Account(
            sum(outcome.uploaded for outcome in self.outcomes),
            sum(outcome.saved for outcome in self.outcomes),
            usage,
            builds,
            estimate(usage, builds, self._prices),
        )
