"""Several clients, one piece of work: whoever comes while a build is under way follows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.aws import Cloud
from tests.cloud.clients import start
from tests.cloud.remote import Team
from tests.cloud.surviving import (
    ACTIONS,
    actions_run,
    builds_of,
    check,
    eventually,
    leases,
    new_team,
    publications,
    recover,
)


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    return new_team(cloud, tmp_path / "team")


@pytest.mark.parametrize("count", [2, 8])
def test_clients_at_once_share_one_build_that_publishes_once(team: Team, count: int) -> None:
    team.cloud.codebuild.hold_in_queue()  # else the last might find all done
    clients = [start(team, client=f"c{number}") for number in range(count)]
    eventually(lambda: [len(each.followers) for each in leases(team).leases] == [count - 1], "all follow")
    team.cloud.codebuild.release()
    ended = [each.ended() for each in clients]
    expected = team.local_digests()
    for ran in ended:
        check(team, ran, expected)
    assert len(builds_of(team)) == publications(team) == 1
    assert len(actions_run(team)) == len(set(actions_run(team))) == ACTIONS
    assert leases(team).leases == ()


def test_a_client_that_detaches_leaves_a_build_that_the_next_one_follows(team: Team) -> None:
    team.cloud.codebuild.hold_in_queue()
    detached = start(team, "--detach").ended()
    assert detached.code == 0, detached.err
    (lease,) = leases(team).leases
    assert lease.build in builds_of(team)
    later = start(team, client="bob")
    eventually(lambda: any(each.followers for each in leases(team).leases), "bob follows")
    team.cloud.codebuild.release()
    check(team, later.ended(), team.local_digests())
    assert builds_of(team) == [lease.build]


def test_what_a_detached_build_made_is_picked_up_later(team: Team) -> None:
    assert start(team, "--detach").ended().code == 0
    (build,) = builds_of(team)
    team.cloud.codebuild.wait(build)
    ran = recover(team, team.local_digests(), client="alice")
    assert {target["status"] for target in ran.json["targets"]} == {"cached"}
    assert builds_of(team) == [build]
