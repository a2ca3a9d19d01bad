"""Builds on CodeBuild, undisturbed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.aws import Cloud
from tests.cloud.remote import Team, digests, set_up


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    return Team(cloud, set_up(cloud), tmp_path / "w", tmp_path / "caches")


def test_a_build_on_codebuild_gives_what_a_local_build_gives(team: Team) -> None:
    ran = team.build()
    assert ran.code == 0, ran.err
    assert {target["status"] for target in ran.json["targets"]} == {"built"}
    assert digests(ran) == team.local_digests()


def test_a_second_build_starts_nothing_also_from_another_machine(team: Team) -> None:
    team.build()
    with team.builds_started() as count:
        again = team.build()
        elsewhere = team.build(client="bob")
    assert count == [0]
    assert {target["status"] for ran in (again, elsewhere) for target in ran.json["targets"]} == {"cached"}
    assert digests(again) == digests(elsewhere)
