"""Builds that end without having done their work leave nothing behind that looks done."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.remote import following
from tests.cloud.aws import Cloud
from tests.cloud.clients import start
from tests.cloud.remote import Team
from tests.cloud.surviving import (
    actions_run,
    builds_of,
    check,
    eventually,
    leases,
    new_team,
    publications,
    recover,
)


def impatient() -> None:
    """Takes a build for gone after a second without it, and not a minute."""
    following._VANISHED_SECONDS = 1.0  # type: ignore[misc]


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    return new_team(cloud, tmp_path / "team")


@pytest.mark.parametrize(
    ("status", "phase", "told"),
    [
        ("FAILED", "BUILD", "the worker ended before it said"),
        ("FAULT", "PROVISIONING", "CodeBuild had a fault of its own"),
        ("TIMED_OUT", "BUILD", "the build took longer than its project allows"),
        ("STOPPED", "PROVISIONING", "somebody stopped the build"),
    ],
)
def test_a_build_that_dies_is_told_and_done_again(team: Team, status: str, phase: str, told: str) -> None:
    team.cloud.codebuild.fail_next(status, phase)
    ran = start(team).ended()
    assert ran.code == 3
    assert told in ran.out
    assert publications(team) == 0
    recover(team, team.local_digests(), client="alice")
    assert len(builds_of(team)) == 2
    assert len(actions_run(team)) == len(set(actions_run(team)))


def test_somebody_elses_build_that_dies_is_done_again_by_who_follows_it(team: Team) -> None:
    team.cloud.codebuild.hold_in_queue()
    first = start(team)
    eventually(lambda: any(lease.build for lease in leases(team).leases), "a build is started")
    second = start(team, client="bob")
    eventually(lambda: any(lease.followers for lease in leases(team).leases), "bob follows")
    (build,) = builds_of(team)
    team.cloud.codebuild.kill_worker(build)
    team.cloud.codebuild.release()
    assert first.ended().code == 3
    check(team, second.ended(), team.local_digests())
    assert len(builds_of(team)) == 2


def test_a_build_that_vanishes_is_told_and_done_again(team: Team) -> None:
    team.cloud.codebuild.hold_in_queue()
    client = start(team, before=impatient)
    eventually(lambda: any(lease.build for lease in leases(team).leases), "a build is started")
    (build,) = builds_of(team)
    team.cloud.codebuild.vanish(build)
    team.cloud.codebuild.release()
    ran = client.ended()
    assert ran.code == 3
    assert "CodeBuild no longer knows the build" in ran.out
    recover(team, team.local_digests(), client="alice")


def test_a_build_that_vanished_with_its_client_is_done_again(team: Team) -> None:
    team.cloud.codebuild.hold_in_queue()
    client = start(team)
    eventually(lambda: any(lease.build for lease in leases(team).leases), "a build is started")
    client.kill()
    assert client.ended().code == -9
    (build,) = builds_of(team)
    team.cloud.codebuild.vanish(build)
    team.cloud.codebuild.release()
    check(team, start(team, client="bob", before=impatient).ended(), team.local_digests())
    assert len(builds_of(team)) == 1


def test_a_build_that_never_leaves_the_queue_times_out_there(cloud: Cloud, tmp_path: Path) -> None:
    team = new_team(cloud, tmp_path / "team", queuedTimeoutInMinutes=5)
    cloud.codebuild.minute = 0.1
    cloud.codebuild.hold_in_queue()
    ran = start(team).ended()
    assert ran.code == 3
    assert "waited in CodeBuild's queue for longer" in ran.out
    assert publications(team) == 0
    cloud.codebuild.release()
    cloud.codebuild.minute = 60.0
    recover(team, team.local_digests(), client="alice")
