"""Somebody with the rights of a client writes orders and leases of their own; nobody gets a result from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambdabuild.digest import Digest, digest_of
from lambdabuild.order import Order
from lambdabuild.remote.lease_table import Lease, Table, encode
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.store import S3Store
from lambdabuild.tree import FileNode, SymlinkNode, directory_of
from tests.cloud import clients
from tests.cloud.aws import ACCOUNT, Cloud
from tests.cloud.remote import Team, bucket_of
from tests.cloud.spoiling import segments
from tests.cloud.surviving import builds_of, check, leases, new_team

FILE = directory_of({"app.py": FileNode(digest_of(b"x"))}).message
TREES = {
    "is no name within a directory": FILE.replace(b"app.py", b"../app"),
    "symlink": directory_of({"app.py": SymlinkNode("/etc/passwd")}).message,
    "too many entries, bytes": directory_of({"app.py": FileNode(Digest("0" * 64, 1 << 50))}).message,
}


class Mallory:
    """Somebody who may do what a client may."""

    def __init__(self, team: Team, directory: Path) -> None:
        cloud = team.cloud
        cloud.restrict(team.place, "mallory")
        self._team = team
        place = team.place
        self.bucket = Bucket(lambda: cloud.client("s3", "mallory"), place.bucket, place.prefix, ACCOUNT)
        self.store = S3Store(self.bucket, directory / "mallory")

    def place(self, order: Order) -> str:
        """Returns the name of an order, which is in the bucket then."""
        assert self.bucket.create(f"orders/{order.digest.hash}", order.encode())
        return order.digest.hash

    def start(self, order: str) -> str:
        """Starts a build for an order; returns its id."""
        answer = self._team.cloud.client("codebuild", "mallory").start_build(
            projectName=self._team.place.project,
            environmentVariablesOverride=[{"name": "LAMBDABUILD_ORDER", "value": order}],
        )
        return str(answer["build"]["id"])

    def outcome(self, order: str, build: str) -> dict[str, Any]:
        """Returns what the worker said in the end."""
        assert self._team.cloud.codebuild.wait(build)["buildStatus"] == "FAILED"
        found = self.bucket.read(f"outcomes/{order}/{build.partition(':')[2]}", limit=1 << 20)
        assert found
        said: dict[str, Any] = json.loads(found.data)
        return said


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    team = new_team(cloud, tmp_path / "team")
    cloud.restrict_worker(team.place)
    return team


@pytest.fixture
def mallory(team: Team, tmp_path: Path) -> Mallory:
    return Mallory(team, tmp_path)


@pytest.fixture
def order(team: Team) -> Order:
    """The order that a victim would place, as somebody else in another store had it."""
    other = new_team(team.cloud, team.root.parent.with_name("other"))
    assert clients.build(other).code == 0
    bucket = bucket_of(other.place)
    (name,) = bucket.list("orders/").objects
    found = bucket.read(f"orders/{name}", limit=1 << 20)
    assert found
    return Order.decode(found.data, name)


def with_sources(order: Order, sources: Digest | None) -> Order:
    """Returns the order with other sources, and all keys as they were."""
    return replace(
        order,
        actions=tuple(replace(each, sources=sources) if each.sources else each for each in order.actions),
    )


def test_an_order_that_does_not_follow_is_refused_and_nothing_published(
    team: Team, mallory: Mallory, order: Order
) -> None:
    evil = directory_of({"evil.py": FileNode(digest_of(b"evil"))})
    mallory.store.put(b"evil")
    trees = {"its key does not follow": evil.message, **TREES}
    orders = {words: with_sources(order, mallory.store.put(tree)) for words, tree in trees.items()}
    names = {words: mallory.place(each) for words, each in orders.items()}
    builds = {words: mallory.start(name) for words, name in names.items()}
    for words, build in builds.items():
        said = mallory.outcome(names[words], build)
        assert words in said["refused"]["message"]
        assert (said["ran"], said["failures"], said["pushes"]) == ([], [], [])
    assert segments(team) == 0
    check(team, clients.build(team), team.local_digests())


def test_a_lease_for_a_hostile_order_keeps_nobody_from_building(
    team: Team, mallory: Mallory, order: Order
) -> None:
    name = mallory.place(with_sources(order, None))
    lease = Lease(name, "token", None, team.place.project, "plain", "mallory", (), 0.0)
    table = leases(team)
    now = mallory.bucket.list("orders/").now
    table = Table((), None, now).adding(lease)
    assert mallory.bucket.replace("leases.json", encode(table), None)
    check(team, clients.build(team), team.local_digests())
    # The victim started hers as well, for it looked like one that a client died over.
    first, second = builds_of(team)
    assert mallory.outcome(name, first)["refused"]
    assert team.cloud.codebuild.build(second)["buildStatus"] == "SUCCEEDED"
    assert leases(team).leases == ()
