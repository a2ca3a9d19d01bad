"""What AWS refuses: wrong clocks, tokens that expire, foreign buckets, rights that a client has not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.cloud.aws import Cloud, access_key
from tests.cloud.clients import build, start
from tests.cloud.remote import Team, bucket_of
from tests.cloud.surviving import (
    ACTIONS,
    actions_run,
    builds_of,
    check,
    eventually,
    leases,
    new_team,
    recover,
)

SOMEBODY = "999999999999"


def an_hour_late() -> None:
    """Sets the clock that requests are signed by."""
    from botocore import auth

    told = auth.get_current_datetime
    auth.get_current_datetime = lambda *args, **kwargs: told(*args, **kwargs) - timedelta(hours=1)


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    return new_team(cloud, tmp_path / "team")


def test_a_clock_that_is_an_hour_off_is_told_and_starts_nothing(team: Team) -> None:
    ran = start(team, before=an_hour_late).ended()
    assert ran.code == 3
    assert "this machine's clock differs from AWS's" in ran.out
    assert "timedatectl set-ntp true" in ran.out
    assert builds_of(team) == []
    recover(team, team.local_digests(), client="alice")


def test_a_token_that_expires_while_a_build_runs_costs_that_client_alone(team: Team) -> None:
    team.cloud.codebuild.hold_in_queue()
    client = start(team)
    eventually(lambda: any(lease.build for lease in leases(team).leases), "a build is started")
    team.cloud.guards.expired.add(access_key("alice"))
    ran = client.ended()
    assert ran.code == 3
    assert "there are no valid AWS credentials" in ran.out
    assert "sign in again" in ran.out
    team.cloud.codebuild.release()
    team.cloud.guards.expired.clear()
    recover(team, team.local_digests(), client="alice")
    assert len(builds_of(team)) == 1
    assert len(actions_run(team)) == ACTIONS


def test_a_bucket_of_somebody_else_is_not_used(team: Team) -> None:
    ours = (team.root / "WORKSPACE.toml").read_text()
    team.write({"WORKSPACE.toml": ours.replace("123456789012", SOMEBODY)})
    ran = start(team).ended()
    assert ran.code == 3
    assert f"the bucket does not belong to account {SOMEBODY}" in ran.out
    assert builds_of(team) == []
    assert team.cloud.s3.asked("PUT", client=access_key("alice")) == []
    team.write({"WORKSPACE.toml": ours})
    recover(team, team.local_digests(), client="alice")


def test_the_client_policy_and_the_role_of_the_worker_are_enough(team: Team) -> None:
    team.cloud.restrict(team.place)
    team.cloud.restrict_worker(team.place)
    check(team, build(team), team.local_digests())


def test_who_may_not_write_results_cannot_poison_them(team: Team) -> None:
    expected = team.local_digests()
    team.cloud.restrict(team.place, "mallory")
    ours = (team.root / "WORKSPACE.toml").read_text()
    team.write({"WORKSPACE.toml": f'{ours}[store]\nremote = "{team.place.store}"\nupload = true\n'})
    ran = start(team, "--executor", "local", client="mallory").ended()
    assert "s3:PutObject is not allowed" in ran.out + ran.err
    team.write({"WORKSPACE.toml": ours})
    assert bucket_of(team.place).list("results/").objects == {}
    recover(team, expected)
    assert len(actions_run(team)) == ACTIONS
