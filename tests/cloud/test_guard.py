"""Sources with secrets reach neither the bucket nor CodeBuild."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cloud.aws import Cloud
from tests.cloud.remote import Team, digests, set_up
from tests.guard.secrets import AWS_KEY


@pytest.fixture
def team(cloud: Cloud, tmp_path: Path) -> Team:
    team = Team(cloud, set_up(cloud), tmp_path / "w", tmp_path / "caches")
    team.write({"one.py": f"KEY = {AWS_KEY!r}\n{team.files['one.py']}"})
    return team


def test_no_order_with_a_secret_is_sent_before_it_is_allowed(team: Team, cloud: Cloud) -> None:
    cloud.s3.requests.clear()
    ran = team.run("build", "//...")
    assert ran.code == 2
    assert "error: one.py:1: //:one would take a key of AWS along, and nothing was sent\n" in ran.err
    assert cloud.s3.asked("PUT") == []
    assert AWS_KEY not in ran.err
    team.write({"BUILD": team.files["BUILD"].replace('["one.py"]', '["one.py"], allow = ["one.py"]')})
    ran = team.build()
    assert ran.code == 0, ran.err
    assert digests(ran) == team.local_digests()


def test_no_result_with_a_secret_is_shared_though_it_may_be_built(team: Team, cloud: Cloud) -> None:
    team.write({"WORKSPACE.toml": team.workspace() + f'[store]\nremote = "{team.place.store}"\n'})
    cloud.s3.requests.clear()
    ran = team.run("build", "//...", "--executor", "local", LAMBDABUILD_STORE_UPLOAD="true")
    assert (ran.code, ran.out) == (2, "")
    assert "//:one would take a key of AWS along" in ran.err
    assert cloud.s3.asked("PUT") == []
    ran = team.run("build", "//...", "--executor", "local", "--json")
    assert {target["status"] for target in ran.json["targets"]} == {"cached"}
