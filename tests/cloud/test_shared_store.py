"""[store] remote without CodeBuild: what one machine builds and uploads, another takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.aws import Cloud
from tests.cloud.remote import Team, digests

HERE = ("build", "//...", "--executor", "local", "--json")


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    place = cloud.place()
    team = Team(cloud, place, tmp_path / "w", tmp_path / "caches")
    team.write({"WORKSPACE.toml": team.workspace() + f'[store]\nremote = "{place.store}"\n'})
    return team


def statuses(team: Team, client: str, **variables: str) -> set[str]:
    ran = team.run(*HERE, client=client, **variables)
    assert ran.code == 0, ran.err
    return {target["status"] for target in ran.json["targets"]}


def test_what_one_machine_uploads_another_takes_with_its_layers(team: Team) -> None:
    assert statuses(team, "alice", LAMBDABUILD_STORE_UPLOAD="true") == {"built"}
    taken = team.run(*HERE, client="bob")
    assert {target["status"] for target in taken.json["targets"]} == {"cached"}
    assert not any(target["absent_layers"] for target in taken.json["targets"])
    assert digests(taken) == digests(team.run(*HERE, client="alice"))


def test_without_upload_nothing_is_written(team: Team, cloud: Cloud) -> None:
    assert statuses(team, "alice") == {"built"}
    assert cloud.s3.asked("PUT") == []
    assert statuses(team, "bob") == {"built"}


def test_a_second_build_uploads_nothing(team: Team, cloud: Cloud) -> None:
    statuses(team, "alice", LAMBDABUILD_STORE_UPLOAD="true")
    cloud.s3.requests.clear()
    statuses(team, "alice", LAMBDABUILD_STORE_UPLOAD="true")
    assert cloud.s3.asked("PUT") == []
