"""The worker is killed at each of its steps; the next build ends as if nothing had been."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud import clients
from tests.cloud.aws import Cloud
from tests.cloud.remote import Team, digests
from tests.cloud.spoiling import kill_worker, segments
from tests.cloud.surviving import (
    ACTIONS,
    actions_run,
    builds_of,
    check,
    leases,
    new_team,
    recover,
)

UNPUBLISHED = [
    ("GET", "orders/", False),  # nothing is known yet
    ("PUT", "cas/", True),  # the bytes of outputs are there, and nobody knows
    ("PUT", "index/", False),
    ("PUT", "keys/", True),
    ("PUT", "results/", False),  # everything is there but what counts
]


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    return new_team(cloud, tmp_path / "team")


def test_until_results_are_written_a_killed_worker_has_done_nothing(team: Team) -> None:
    for number, (method, name, after) in enumerate(UNPUBLISHED, 1):
        kill_worker(team, method, name, after=after)
        ran = clients.build(team)
        assert (ran.code, len(builds_of(team))) == (3, number), (name, ran.err)
        assert "the worker ended before it said what became of its order" in ran.err
        assert (segments(team), actions_run(team)) == (0, [])
        assert leases(team).leases == ()
    recover(team, team.local_digests())
    ran_actions = actions_run(team)
    assert len(ran_actions) == len(set(ran_actions)) == ACTIONS
    assert segments(team) == 1


def test_once_results_are_written_a_killed_worker_has_done_everything(team: Team) -> None:
    kill_worker(team, "PUT", "results/", after=True)
    ran = clients.build(team)
    assert team.cloud.codebuild.build(builds_of(team)[0])["buildStatus"] == "FAILED"
    expected = team.local_digests()
    check(team, ran, expected)
    again = recover(team, expected)
    assert {target["status"] for target in again.json["targets"]} == {"cached"}
    assert len(builds_of(team)) == 1
    assert digests(again) == expected
