"""Leases: which orders are under way, so that no two clients start the same work.

A lease is written before StartBuild, gets the build's id afterwards, and leaves
the table when the build is over. A client can die between any two of these, so
what an entry means is decided by its age on S3's clock and by what CodeBuild
says, never by a local clock, and never by who wrote it. `verdict` decides and
does nothing; who reads the table acts on it.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

from lambdabuild.errors import ExternalError
from lambdabuild.remote.lease_table import MAX_BYTES, Lease, Table, decode, encode
from lambdabuild.remote.states import BuildState
from lambdabuild.store.s3.bucket import Listing, Stored

__all__ = ["KEY", "Lease", "Leases", "Table", "Verdict", "may_stop", "verdict"]

KEY = "leases.json"
ATTEMPTS = 40

RESTART_SECONDS = 270.0
"""A token is good for the five minutes after StartBuild, which follows the lease.
Half a minute of them is for the request that repeats it."""

GIVEN_UP_SECONDS = 900.0
"""After so long without a build, its client is dead, and not only slow."""


class Verdict(enum.Enum):
    """What to do with a lease."""

    LIVE = "follow its build"
    RESTART = "repeat StartBuild with its token"
    LOOK_UP = "search the project's builds for its order; again in a while if that was done"
    DEAD = "remove it"


def verdict(lease: Lease, now: float, state: BuildState | None, sought: bool) -> Verdict:
    """Returns what to do with a lease.

    now:    S3's clock: seconds since the epoch.
    state:  of its build, by its id or as the look-up found it; None if there is none.
    sought: whether the project's builds were searched for its order just now.
    """
    # A lease that names a build of another order is no reason to wait for that build.
    if state is not None and state.order in (None, lease.order):
        return Verdict.DEAD if state.complete else Verdict.LIVE
    # One from the future was not written by S3's clock, and is as old as it is young.
    age = abs(now - lease.at)
    if lease.build is None and age < RESTART_SECONDS:
        return Verdict.RESTART
    if age < GIVEN_UP_SECONDS or not sought:
        return Verdict.LOOK_UP
    return Verdict.DEAD


def may_stop(lease: Lease, client: str) -> bool:
    """Returns whether `client` may stop the build: it started it, and nobody else follows it."""
    return lease.client == client and not set(lease.followers) - {client}


class Objects(Protocol):
    """What leases need of a store.s3 Bucket. Its `str` is its address."""

    def read(self, key: str, range_: tuple[int, int] | None = None, *, limit: int) -> Stored | None: ...

    def replace(self, key: str, data: bytes, etag: str | None) -> bool: ...

    def list(self, prefix: str) -> Listing: ...


class Leases:
    """The table in the bucket."""

    def __init__(self, bucket: Objects, pause: Callable[[int], None]) -> None:
        """pause: waits before attempt 1, 2, ... to repeat a change, some random time each."""
        self._bucket = bucket
        self._pause = pause

    def read(self) -> Table:
        """Returns the table; raises UserError for one that cannot be ours."""
        found = self._bucket.read(KEY, limit=MAX_BYTES)
        if found is None:
            return Table((), None, self._bucket.list(KEY).now)
        return decode(found.data, found.etag, found.now, f"{self._bucket}/{KEY}")

    def change(self, edit: Callable[[Table], Table | None]) -> Table:
        """Writes what `edit` makes of the table. None, or the same leases: nothing is written.

        Returns the table as it then is. `edit` is called again for each table
        that others wrote in between, and has to be idempotent. Raises
        ExternalError if they do not stop.
        """
        for attempt in range(ATTEMPTS):
            if attempt:
                self._pause(attempt)
            table = self.read()
            wanted = edit(table)
            if wanted is None or wanted.leases == table.leases:
                return table
            if self._bucket.replace(KEY, encode(wanted), table.etag):
                return wanted
        raise ExternalError(
            f"too many clients change {self._bucket}/{KEY} at once", hint="run the same command again"
        )
