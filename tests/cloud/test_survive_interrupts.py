"""Ctrl-C stops the builds that nobody else needs; a second one leaves them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.aws import Cloud, access_key
from tests.cloud.clients import Client, start
from tests.cloud.faults import Rule, around
from tests.cloud.remote import Team
from tests.cloud.surviving import builds_of, check, eventually, leases, new_team, recover

INTERRUPTED = 130


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    """A team whose builds wait in the queue, until they are let go."""
    cloud.codebuild.hold_in_queue()
    return new_team(cloud, tmp_path / "team")


def following(team: Team, client: str = "alice") -> tuple[Client, str]:
    """Returns a client that waits for a build in the queue, and the build."""
    started = start(team, client=client)
    asked = team.cloud.codebuild_gate
    eventually(
        lambda: (
            asked.asked(operation="BatchGetBuilds", client=access_key(client))
            and all(lease.build for lease in leases(team).leases)
        ),
        "the client follows a build",
    )
    (lease,) = leases(team).leases
    assert lease.build
    return started, lease.build


def test_an_interrupted_client_stops_the_build_that_nobody_else_follows(team: Team) -> None:
    client, build = following(team)
    client.interrupt()
    assert client.ended().code == INTERRUPTED
    assert team.cloud.codebuild.wait(build)["buildStatus"] == "STOPPED"
    assert leases(team).leases == ()
    team.cloud.codebuild.release()
    recover(team, team.local_digests())
    assert len(builds_of(team)) == 2


def test_an_interrupted_client_leaves_a_build_that_somebody_follows(team: Team) -> None:
    client, build = following(team)
    other = start(team, client="bob")
    eventually(lambda: any(lease.followers for lease in leases(team).leases), "bob follows")
    client.interrupt()
    assert client.ended().code == INTERRUPTED
    team.cloud.codebuild.release()
    check(team, other.ended(), team.local_digests())
    assert builds_of(team) == [build]


def test_a_follower_that_is_interrupted_stops_nothing(team: Team) -> None:
    client, build = following(team)
    other, _ = following(team, "bob")
    eventually(lambda: any(lease.followers for lease in leases(team).leases), "bob follows")
    other.interrupt()
    assert other.ended().code == INTERRUPTED
    assert [lease.followers for lease in leases(team).leases] == [()]
    team.cloud.codebuild.release()
    check(team, client.ended(), team.local_digests())
    assert builds_of(team) == [build]


def test_a_client_interrupted_twice_leaves_its_build(team: Team) -> None:
    client, build = following(team)
    # The first makes it look whether somebody follows.
    team.cloud.s3.add(
        Rule(around(before=client.interrupt), method="GET", path="leases.json", client=access_key("alice"))
    )
    client.interrupt()
    assert client.ended().code == INTERRUPTED
    team.cloud.codebuild.release()
    recover(team, team.local_digests())
    assert builds_of(team) == [build]
