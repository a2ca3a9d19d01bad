"""Dirty steps -> builds of CodeBuild -> results. The counterpart of `execution.Builder`.

One loop: read the leases, adopt the results that are there, follow the builds that
already do what is wanted, start what nobody does, wait until a build is over. The
table is read before results are looked up, and changed only as it was read; a
lease leaves it only after the results of its build were published. So nothing is
started twice. A build's status says when to look, never what was done.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lambdabuild.action import Action, ActionResult
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.errors import LambdaBuildError
from lambdabuild.order import Order
from lambdabuild.plan import Plan, Step
from lambdabuild.pushing.result import PushResult
from lambdabuild.remote.build_rows import BuildRows
from lambdabuild.remote.claims import Claims, Live
from lambdabuild.remote.environments import PLAIN, Environment
from lambdabuild.remote.following import BuildEvent, Poller
from lambdabuild.remote.leases import Lease, Table
from lambdabuild.remote.ordering import Orders, Shipment, runs_remotely
from lambdabuild.remote.proposals import free_steps, propose
from lambdabuild.remote.reckoning import Reckoning
from lambdabuild.remote.scheduling import startable
from lambdabuild.remote.services import CodeBuild
from lambdabuild.remote.states import VANISHED, BuildState
from lambdabuild.remote.uploads import Uploading, Uploads
from lambdabuild.tracing import current

RemoteEvent: TypeAlias = BuildEvent | Uploading


@dataclass(frozen=True, slots=True)
class RemoteOutcome:
    """What became of the steps that ran remotely, by deep key.

    stale:     results or blobs that were known turned out to be gone: plan again.
    pushes:    what became of images.
    builds:    those that were followed to their end.
    under_way: the builds that go on without this client.
    uploaded:  bytes of blobs and orders sent, compressed.
    saved:     bytes of inputs that were there already.
    """

    results: Mapping[Key, ActionResult]
    ran: frozenset[Key]
    failures: Mapping[Key, LambdaBuildError]
    stale: bool
    pushes: tuple[PushResult, ...]
    builds: tuple[BuildState, ...]
    under_way: tuple[str, ...]
    uploaded: int
    saved: int


@dataclass(frozen=True, slots=True)
class _Followed:
    """A build under way. mine: whether this client started it."""

    name: str
    order: Order
    token: str
    mine: bool


class RemoteBuilder:
    """Has the dirty steps of a plan done that may run remotely.

    push: the images to push, once their parts are there.
    """

    def __init__(
        self,
        plan: Plan,
        orders: Orders,
        codebuild: CodeBuild,
        *,
        push: Collection[ConfiguredLabel] = (),
        keep_going: bool = False,
        on_event: Callable[[RemoteEvent], None] = lambda event: None,
    ) -> None:
        self._orders, self._codebuild, self._keep_going = orders, codebuild, keep_going
        self._todo: dict[Key, Step] = {
            key: step for key, step in plan.dirty.items() if runs_remotely(step.action)
        }
        self._reckoning = Reckoning(codebuild.shared, self._todo, push)
        self._claims = Claims(codebuild)
        self._uploads = Uploads(codebuild.shared, on_event)
        recorder = current()
        self._rows = BuildRows(recorder) if recorder else None
        told = self._rows.noting(on_event) if self._rows else on_event
        self._poller = Poller(codebuild.builds, codebuild.tail_of, codebuild.sleep, told)
        self._followed: dict[str, _Followed] = {}
        self._vanished: set[str] = set()  # the leases of builds that CodeBuild knows no more
        self._unknown = False  # whether somebody's build is wanted whose id nobody knows yet
        self._ended: list[BuildState] = []

    def run(self, *, detach: bool = False) -> RemoteOutcome:
        """Returns what became of everything. Failed actions are in it; what the outside refuses is raised.

        detach: return as soon as all is started that can be.

        Interrupted, it stops the builds that it started and nobody else follows;
        interrupted again, it leaves them.
        """
        try:
            while self._advance(detach):
                pass
        except KeyboardInterrupt:
            self._claims.let_go(self._tokens(), stop=True)
            raise
        finally:
            if self._rows:
                self._rows.close()
        reckoning = self._reckoning
        return RemoteOutcome(
            reckoning.results,
            frozenset(reckoning.ran),
            reckoning.failures,
            reckoning.stale,
            tuple(reckoning.pushes),
            tuple(self._ended),
            tuple(self._followed),
            self._uploads.uploaded + self._uploads.orders,
            self._uploads.saved,
        )

    def _advance(self, detach: bool) -> bool:
        """Starts what can be started, and waits until something ends; returns whether to go on."""
        self._claim()
        if detach or not (self._followed or self._unknown):
            return False
        while not (ended := self._poller.round()):
            self._poller.rest()
            if not self._followed:
                return True  # look again for the build of somebody's lease
        for state in ended:
            followed = self._followed.pop(state.id)
            self._ended.append(state)
            if state.status == VANISHED:
                self._vanished.add(followed.token)
            lines = self._poller.last_lines
            self._reckoning.settle(state, followed.name, followed.order, mine=followed.mine, lines=lines)
        return True

    def _tokens(self) -> dict[str, str]:
        return {build: followed.token for build, followed in self._followed.items()}

    # --- starting and following -------------------------------------------------

    def _claim(self) -> None:
        """Follows what is under way for the open steps, and starts what is not."""
        mine: list[Lease] = []

        def edit(table: Table) -> Table:
            mine.clear()
            for token in self._vanished:
                table = table.removing(token)
            table, live = self._claims.examine(table)
            self._reckoning.adopt()  # only now: what left the table is published
            busy = self._follow(live)
            for token in self._tokens().values():
                table = table.following(token, self._codebuild.client)
            for lease in self._leases(busy, table.now, {each.lease.order for each in live}):
                mine.append(lease)
                table = table.adding(lease)
            return table

        self._codebuild.leases.change(edit)
        for lease in mine:
            self._start(lease)

    def _follow(self, live: Collection[Live]) -> set[Key]:
        """Follows the live builds that do what is open; returns the steps that are taken care of."""
        busy: set[Key] = set()
        self._unknown = False
        for each in live:
            order = self._claims.order(each.lease.order)
            wanted = order and self._reckoning.wants(order)
            if order is None or not wanted:
                continue
            busy |= {action.key for action in order.actions}
            if each.build is None:
                self._unknown = True
            else:
                self._note(each.build, each.lease, order, mine=each.lease.client == self._codebuild.client)
        return busy

    def _note(self, build: str, lease: Lease, order: Order, *, mine: bool) -> None:
        if build not in self._followed:
            self._followed[build] = _Followed(lease.order, order, lease.token, mine)
            self._poller.follow(build)

    def _leases(self, busy: Collection[Key], now: float, live: Collection[str]) -> list[Lease]:
        """Returns leases for what can be started; its orders are in the store by then.

        live: the orders that are under way.
        """
        room = self._codebuild.concurrency - sum(followed.mine for followed in self._followed.values())
        failed = self._reckoning.failures and not self._keep_going
        if room <= 0 or failed or self._reckoning.stale:
            return []
        free = free_steps(self._todo, busy, self._reckoning.failures)
        batches = propose(free, key_of=self._orders.key_of, seconds=self._seconds, concurrency=room)
        leases: list[Lease] = []
        for number in startable(batches, over=(), running=(), concurrency=room):
            batch = batches[number]
            made = {*batch.keys}
            images = [id_ for id_ in self._reckoning.unpushed if self._orders.manifest_key(id_) in made]
            shipment = self._orders.ship([free[key].action for key in batch.keys], images)
            leases.append(self._lease(shipment, batch.environment, now, short=batch.short))
        ready = self._ready_to_push()
        if ready and len(leases) < room:
            leases.append(self._lease(self._orders.ship((), ready), PLAIN, now, short=False))
        return [lease for lease in leases if lease.order not in live]

    def _seconds(self, action: Action) -> float:
        return self._codebuild.estimates.seconds(action.tool, str(action.id.label))

    def _ready_to_push(self) -> list[ConfiguredLabel]:
        """Returns the images that are made, but not pushed, and that no build under way pushes."""
        under_way = {image.id for each in self._followed.values() for image in each.order.images}
        unmade = self._todo.keys() | self._reckoning.failures.keys()
        images = self._reckoning.unpushed - under_way
        return [id_ for id_ in images if self._orders.manifest_key(id_) not in unmade]

    def _lease(self, shipment: Shipment, environment: Environment, now: float, *, short: bool) -> Lease:
        name = self._uploads.send(shipment)
        self._claims.know(name, shipment.order)
        project = self._codebuild.builds.project_for(environment, short)
        token = secrets.token_hex(16)
        return Lease(name, token, None, project, environment.name, self._codebuild.client, (), now)

    def _start(self, lease: Lease) -> None:
        leases, order = self._codebuild.leases, self._claims.order(lease.order)
        assert order is not None
        try:
            state = self._claims.start(lease)
        except LambdaBuildError:
            leases.change(lambda table: table.removing(lease.token))
            raise
        self._note(state.id, lease, order, mine=True)
        leases.change(lambda table: table.started(lease.token, state.id))
