"""The table of leases, as one client acts on it: what is dead leaves, what is live is known by its build.

Everything here may be done twice, by any client, at any moment: builds are started
with the token of their lease, and what CodeBuild says decides what an entry means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lambdabuild.errors import UserError
from lambdabuild.order import Order
from lambdabuild.remote.environments import ENVIRONMENTS
from lambdabuild.remote.leases import Lease, Table, Verdict, may_stop, verdict
from lambdabuild.remote.services import CodeBuild
from lambdabuild.remote.states import BuildState

MAX_ORDER_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Live:
    """A lease that is not dead.

    build: the one to follow, be it that CodeBuild does not know it yet, or no more; None while nobody
           knows which it is.
    """

    lease: Lease
    build: str | None


class Claims:
    """What is under way in a store, and what this client has to do with it."""

    def __init__(self, codebuild: CodeBuild) -> None:
        self._codebuild = codebuild
        self._orders: dict[str, Order | None] = {}

    def examine(self, table: Table) -> tuple[Table, tuple[Live, ...]]:
        """Returns the table without its dead entries, and with the builds of the others, and these."""
        ids = [lease.build for lease in table.leases if lease.build]
        states = self._codebuild.builds.states(ids) if ids else {}
        live: list[Live] = []
        for lease in table.leases:
            found = self._judge(lease, table.now, states)
            if found is None:
                table = table.removing(lease.token)
                continue
            live.append(found)
            if found.build and not lease.build:
                table = table.started(lease.token, found.build)
        return table, tuple(live)

    def _judge(self, lease: Lease, now: float, states: Mapping[str, BuildState]) -> Live | None:
        """Returns what lives on, or None for what is dead."""
        state = states.get(lease.build) if lease.build else None
        what = verdict(lease, now, state, sought=False)
        if what is Verdict.LOOK_UP:
            state = self._codebuild.builds.find(lease.order)
            what = verdict(lease, now, state, sought=True)
        if what is Verdict.RESTART:
            state = self.start(lease)
        if what is Verdict.DEAD:
            return None
        absent = None if lease.build in states else lease.build
        return Live(lease, state.id if state else absent)

    def start(self, lease: Lease) -> BuildState:
        """Starts the build of a lease, or returns the one that its token has started already."""
        builds, environment = self._codebuild.builds, ENVIRONMENTS[lease.environment]
        short = builds.project_for(environment, short=False) != lease.project
        return builds.start(lease.order, lease.token, environment, short)

    def know(self, name: str, order: Order) -> None:
        """Remembers an order that this client made."""
        self._orders[name] = order

    def order(self, name: str) -> Order | None:
        """Returns the order called `name` (64 hex digits), or None if there is none that can be read."""
        if name not in self._orders:
            stored = self._codebuild.shared.bucket.read(f"orders/{name}", limit=MAX_ORDER_BYTES)
            try:
                self._orders[name] = Order.decode(stored.data, name) if stored else None
            except UserError:  # nobody's work depends on an order that no worker would carry out
                self._orders[name] = None
        return self._orders[name]

    def let_go(self, builds: Mapping[str, str], *, stop: bool) -> tuple[str, ...]:
        """Leaves builds, by id -> token, and stops those that nobody else needs; returns their ids."""
        me, stopped = self._codebuild.client, []
        table = self._codebuild.leases.read()
        for build, token in builds.items():
            lease = table.find(token)
            if stop and lease and may_stop(lease, me):
                self._codebuild.builds.stop(build)
                stopped.append(build)

        def edit(table: Table) -> Table:
            for build, token in builds.items():
                table = table.removing(token) if build in stopped else table.leaving(token, me)
            return table

        self._codebuild.leases.change(edit)
        return tuple(stopped)
