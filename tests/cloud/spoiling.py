"""Harm that tests do behind everybody's back: objects in S3 damaged or gone, workers killed at a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambdabuild.store.s3.packs import LARGE
from tests.cloud import moto_server
from tests.cloud.aws import WORKER, access_key
from tests.cloud.faults import Rule
from tests.cloud.remote import Team, bucket_of
from tests.cloud.surviving import builds_of
from tests.oci.registry.proxy import Fault, Forward
from tests.oci.registry.server import Reply, Request

DAMAGED, DELETED = "damaged", "deleted"
PACKS, BLOBS, ALL = "packs", "large blobs", "all"


@dataclass(frozen=True)
class Spoiled:
    """What becomes of the objects whose names begin with `name`.

    sizes: of cas/, whether PACKS or BLOBS.
    """

    name: str
    how: str
    sizes: str = ALL

    def __str__(self) -> str:
        return f"{self.name} {self.sizes} {self.how}"

    def inflict(self, team: Team) -> int:
        """Does it, at once and without a request; returns how many objects it befell."""
        stored = moto_server.stored_keys(team.place.bucket)
        whole = f"{team.place.prefix}/{self.name}"
        names = [name for name in list(stored) if name.startswith(whole) and self._meant(stored[name].value)]
        for name in names:
            if self.how == DELETED:
                del stored[name]
            else:
                data = bytearray(stored[name].value)
                data[len(data) // 2] ^= 1
                moto_server.put_object(team.place.bucket, name, bytes(data))
        return len(names)

    def _meant(self, data: bytes) -> bool:
        return self.sizes == ALL or (len(data) >= LARGE) == (self.sizes == BLOBS)


def copy_store(source: Team, target: Team) -> None:
    """Gives a team all objects of another one of the same bucket."""
    stored = moto_server.stored_keys(source.place.bucket)
    for name in list(stored):
        if name.startswith(f"{source.place.prefix}/"):
            rest = name.removeprefix(source.place.prefix)
            moto_server.put_object(target.place.bucket, f"{target.place.prefix}{rest}", stored[name].value)


def segments(team: Team) -> int:
    """Returns how many segments of results there are."""
    return len(bucket_of(team.place).list("results/").objects)


def in_place(team: Team, name: str) -> str:
    """Returns the regex of requests for objects of a team whose names begin with `name`."""
    return f"^/{team.place.bucket}/{team.place.prefix}/{name}"


def kill_worker(team: Team, method: str, name: str, *, after: bool) -> None:
    """Has the worker killed at its next request with `method` for an object that is called `name…`.

    after: whether the request is passed on, or never arrives.
    """

    def fault(request: Request, forward: Forward) -> Reply:
        request.body()  # before its sender dies
        answer = forward(request) if after else Reply(cut=-1)
        team.cloud.codebuild.kill_worker(builds_of(team)[-1])
        return answer

    at_worker(team, method, name, fault)


def at_worker(team: Team, method: str, name: str, fault: Fault) -> None:
    """Lets something befall the worker's next request with `method` for an object that is called `name…`."""
    team.cloud.s3.add(
        Rule(fault, method=method, path=in_place(team, name), client=access_key(WORKER)),
    )


def before(callback: Callable[[], object]) -> Fault:
    """Calls back, then passes the request on."""

    def fault(request: Request, forward: Forward) -> Reply:
        callback()
        return forward(request)

    return fault
