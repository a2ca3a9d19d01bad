"""What the tests of survival share: workspaces of their own in one bucket, and what became of their work."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lambdabuild.remote.lease_table import Table, decode
from lambdabuild.setup.upload import StoreDocument, write_store
from lambdabuild.store.s3.bucket import Bucket
from tests.cloud.aws import WORKER, Cloud, Place, access_key
from tests.cloud.clients import Client, build
from tests.cloud.faults import FOR_EVER, Rule
from tests.cloud.remote import Ran, Team, bucket_of, digests
from tests.oci.registry.proxy import Fault, Forward
from tests.oci.registry.server import Reply, Request

BUILDSPEC = (
    f"version: 0.2\nphases:\n  build:\n    commands:\n      - {sys.executable} -m lambdabuild.worker\n"
)
"""The worker, from this checkout: packed, its builds would take twice as long."""

ACTIONS = 6
"""Of tests.cloud.remote.IMAGES."""


def new_team(cloud: Cloud, directory: Path, place: Place | None = None, **project: Any) -> Team:
    """Returns a team that nobody else has to do with; it shares the bucket of `place` at most.

    project: changes of CreateProject.
    """
    here = cloud.place()
    if place is not None:
        here = Place(place.bucket, f"lambdabuild-{directory.name}", here.project)
    write_store(bucket_of(here), StoreDocument(60, 30, "", "test"))
    cloud.create_project(here, BUILDSPEC, **project)
    directory.mkdir()
    return Team(cloud, here, directory / "w", directory / "caches")


def check(team: Team, ran: Ran, expected: dict[str, str]) -> None:
    """Asserts that a client's build gave what an undisturbed one gives."""
    assert ran.code == 0, ran.err
    assert digests(ran) == expected, (ran.out, expected)


def recover(team: Team, expected: dict[str, str], client: str = "carol", cache: str = "") -> Ran:
    """Builds once more, as anybody would; asserts that it ends as if nothing had happened."""
    ran = build(team, client, cache)
    check(team, ran, expected)
    return ran


def builds_of(team: Team) -> list[str]:
    """Returns the ids of the builds of the team's project, the oldest first."""
    prefix = f"{team.place.project}:"
    return [each for each in team.cloud.codebuild.builds() if each.startswith(prefix)]


def actions_run(team: Team) -> list[str]:
    """Returns the keys of the actions that ran, each as often as it did, as the workers tell it."""
    bucket = bucket_of(team.place)
    documents = [_read(bucket, f"outcomes/{name}") for name in bucket.list("outcomes/").objects]
    return [key for document in documents for key in json.loads(document)["ran"]]


def publications(team: Team) -> int:
    """Returns how many times the team's workers have published results."""
    there = f"/{team.place.bucket}/{team.place.prefix}/results/"
    asked = team.cloud.s3.asked("PUT", part=there, client=access_key(WORKER))
    return len(asked)


def leases(team: Team) -> Table:
    """Returns the table of leases."""
    found = bucket_of(team.place).read("leases.json", limit=1 << 20)
    return decode(found.data, found.etag, found.now, "leases.json") if found else Table((), None, 0.0)


def eventually(holds: Callable[[], object], what: str, seconds: float = 60.0) -> None:
    """Waits until `holds` does; fails if it never does."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.02)


class Kill:
    """Ends a client with SIGKILL around one of its requests, counted over all services.

    nth:   which request, from 1. What is asked again and again is counted twice, then no more.
    after: whether the request is passed on before the client dies, or never arrives.

    It begins with `arm`; `struck` tells whether the client came that far.
    """

    _REPEATED = frozenset({"BatchGetBuilds", "GetLogEvents"})

    def __init__(self, nth: int, *, after: bool) -> None:
        self.nth, self.after = nth, after
        self.seen: list[str] = []
        self.struck = False
        self._client: Client | None = None
        self._lock = threading.Lock()
        self._armed = threading.Event()

    def watch(self, cloud: Cloud, client: str) -> None:
        """Lies in wait for a client that is to come."""
        for proxy in cloud.proxies.values():
            proxy.add(Rule(self._fault(), client=access_key(client), times=FOR_EVER))

    def arm(self, client: Client) -> None:
        """Says who dies."""
        self._client = client
        self._armed.set()

    def _fault(self) -> Fault:
        def fault(request: Request, forward: Forward) -> Reply:
            request.body()  # before its sender dies
            if not self._is_it(request):
                return forward(request)
            answer = forward(request) if self.after else Reply(cut=-1)
            assert self._armed.wait(60)
            assert self._client
            self._client.kill()
            return answer

        return fault

    def _is_it(self, request: Request) -> bool:
        name = (
            request.headers.get("x-amz-target", "").rpartition(".")[2] or f"{request.method} {request.target}"
        )
        with self._lock:
            if name in self._REPEATED and self.seen.count(name) == 2:
                return False
            self.seen.append(name)
            if len(self.seen) != self.nth:
                return False
            self.struck = True
            return True


def _read(bucket: Bucket, key: str) -> bytes:
    found = bucket.read(key, limit=1 << 24)
    assert found
    return found.data
