"""The table of leases as a value, and as the document leases.json.

    {"version": 1, "leases": [{"order": ..., "token": ..., "build": ... or null, "project": ...,
      "environment": ..., "client": ..., "followers": [...], "at": seconds}]}

Every client may write it, so it is believed nothing but what it can be checked
for; what a lease claims of its build is asked of CodeBuild.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.remote.environments import ENVIRONMENTS

MAX_BYTES = 1 << 20
MAX_LEASES = 1000
MAX_FOLLOWERS = 100

_VERSION = 1
_ORDER = re.compile(r"[0-9a-f]{64}")
_TOKEN = re.compile(r"[A-Za-z0-9-]{1,64}")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,254}")
_UUID = re.compile(r"[0-9a-f-]{1,64}")
_CLIENT = re.compile(r"[ -~]{1,128}")


@dataclass(frozen=True, slots=True)
class Lease:
    """An order that a build was started for, or is about to be.

    order:       its digest's 64 hex digits.
    token:       the idempotency token of StartBuild; names the lease.
    build:       the build's id; None until StartBuild has answered.
    project:     the project that the build belongs to.
    environment: the name of its Environment.
    client:      who started it.
    followers:   who else follows it.
    at:          when it was written, by S3's clock: seconds since the epoch.
    """

    order: str
    token: str
    build: str | None
    project: str
    environment: str
    client: str
    followers: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class Table:
    """All leases, the oldest first.

    etag: of the object it was read from; None if there was none.
    now:  S3's clock when it was read: seconds since the epoch.

    Its methods return the table as it should become, and change nothing where
    that is done already: an edit that is repeated after a lost answer does no harm.
    """

    leases: tuple[Lease, ...]
    etag: str | None
    now: float

    def find(self, token: str) -> Lease | None:
        return next((lease for lease in self.leases if lease.token == token), None)

    def adding(self, lease: Lease) -> Table:
        """Returns it with `lease`, written now; raises ExternalError if there is no room."""
        if self.find(lease.token):
            return self
        if len(self.leases) >= MAX_LEASES:
            raise ExternalError(
                f"{MAX_LEASES} orders are under way in this store already",
                hint="wait for some to end, and run the same command again",
            )
        return replace(self, leases=(*self.leases, replace(lease, at=self.now)))

    def removing(self, token: str) -> Table:
        return replace(self, leases=tuple(lease for lease in self.leases if lease.token != token))

    def started(self, token: str, build: str) -> Table:
        """Returns it with the id that StartBuild answered for the lease."""
        return self._edited(token, lambda lease: replace(lease, build=build))

    def following(self, token: str, client: str) -> Table:
        """Returns it with `client` among the followers; one too many follows without being noted."""

        def follow(lease: Lease) -> Lease:
            known = client == lease.client or client in lease.followers
            if known or len(lease.followers) >= MAX_FOLLOWERS:
                return lease
            return replace(lease, followers=(*lease.followers, client))

        return self._edited(token, follow)

    def leaving(self, token: str, client: str) -> Table:
        """Returns it with `client` following no more."""

        def leave(lease: Lease) -> Lease:
            return replace(lease, followers=tuple(each for each in lease.followers if each != client))

        return self._edited(token, leave)

    def _edited(self, token: str, edit: Callable[[Lease], Lease]) -> Table:
        edited = (edit(lease) if lease.token == token else lease for lease in self.leases)
        return replace(self, leases=tuple(edited))


def encode(table: Table) -> bytes:
    """Returns the document."""
    document = {"version": _VERSION, "leases": [asdict(lease) for lease in table.leases]}
    return json.dumps(document, separators=(",", ":")).encode()


def decode(data: bytes, etag: str, now: float, place: str) -> Table:
    """Returns the table of a document; raises UserError for one that this release did not write.

    place: the object's address, as `aws s3 rm` takes it.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise _refusal(place, "it is not JSON") from None
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise _refusal(place, f"its version is not {_VERSION}")
    entries = document.get("leases")
    if not isinstance(entries, list) or len(entries) > MAX_LEASES:
        raise _refusal(place, "it has no list of leases, or a longer one than can be")
    leases = tuple(_lease(entry, place) for entry in entries)
    if len({lease.token for lease in leases}) < len(leases):
        raise _refusal(place, "two leases have one token")
    return Table(leases, etag, now)


def _lease(entry: Any, place: str) -> Lease:
    if not isinstance(entry, dict) or entry.keys() != set(Lease.__dataclass_fields__):
        raise _refusal(place, "an entry has other fields than a lease")
    wrong = [name for name, fits in _FITS.items() if not fits(entry[name])]
    if not wrong and not _is_build_of(entry["build"], entry["project"]):
        wrong = ["build"]
    if wrong:
        raise _refusal(place, f"the {wrong[0]} of an entry cannot be one")
    return Lease(**{**entry, "followers": tuple(entry["followers"]), "at": float(entry["at"])})


def _text(pattern: re.Pattern[str]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_time(value: object) -> bool:
    # NaN is not less than anything.
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e11


def _are_clients(value: object) -> bool:
    return isinstance(value, list) and len(value) <= MAX_FOLLOWERS and all(map(_text(_CLIENT), value))


def _is_build_of(build: str | None, project: str) -> bool:
    if build is None:
        return True
    name, colon, uuid = build.partition(":")
    return name == project and colon == ":" and _UUID.fullmatch(uuid) is not None


_FITS: dict[str, Callable[[object], bool]] = {
    "order": _text(_ORDER),
    "token": _text(_TOKEN),
    "build": lambda value: value is None or isinstance(value, str),
    "project": _text(_PROJECT),
    "environment": lambda value: isinstance(value, str) and value in ENVIRONMENTS,
    "client": _text(_CLIENT),
    "followers": _are_clients,
    "at": _is_time,
}


def _refusal(place: str, why: str) -> UserError:
    return UserError(
        f"the table of leases {place} was not written by this release of lambdabuild: {why}",
        hint="use the release that the others use, "
        f"or remove the table when no build is under way: `aws s3 rm {place}`",
    )
