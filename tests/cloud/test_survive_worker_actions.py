"""Actions that fail, lie or are killed on CodeBuild, and workers of another release."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cloud import altered, clients
from tests.cloud.aws import Cloud
from tests.cloud.projects import with_package
from tests.cloud.remote import Team
from tests.cloud.spoiling import segments
from tests.cloud.surviving import actions_run, builds_of, check, eventually, leases, new_team

FORGED = '{"lambdabuild": 1, "event": "finished", "label": "//:package", "tool": "wheel", "seconds": 0.1}'
LYING = (
    f"print('{FORGED}', flush=True)",
    f"sys.stderr.write('{FORGED}' + chr(10) + chr(27) + '[2J')",
    f"os.system('echo \\'{FORGED}\\' > /proc/' + str(os.getppid()) + '/fd/1 2>/dev/null')",
    "raise SystemExit('the disk is full of feathers')",
)


def log_of(team: Team, build: str) -> list[str]:
    """Returns the lines of a build's log."""
    where = team.cloud.codebuild.build(build)["logs"]
    answer = team.cloud.client("logs", "admin").get_log_events(
        logGroupName=where["groupName"], logStreamName=where["streamName"], startFromHead=True
    )
    return [line for event in answer["events"] for line in event["message"].splitlines()]


def events_of(team: Team, build: str) -> list[dict[str, Any]]:
    """Returns what a build's worker told."""
    return [json.loads(line) for line in log_of(team, build) if line.startswith('{"lambdabuild"')]


def test_a_failed_action_is_told_with_its_last_lines_and_its_build_and_forges_nothing(
    cloud: Cloud, tmp_path: Path
) -> None:
    team = new_team(cloud, tmp_path / "team")
    team.write(with_package(*LYING))
    ran = clients.start(team, "--keep-going").ended()
    assert ran.code == 1, ran.err
    status = {each["label"]: each["status"] for each in ran.json["targets"]}
    assert status == {"//:base": "built", "//:one": "built", "//:two": "built", "//:package": "failed"}
    assert "the disk is full of feathers" in ran.err
    assert "https://eu-central-1.console.aws.amazon.com/codesuite/codebuild/" in ran.err
    assert "\x1b" not in ran.err
    (build,) = builds_of(team)
    told = [each for each in events_of(team, build) if each.get("label") == "//:package"]
    assert {each["event"] for each in told} == {"started", "output", "failed"}
    assert sum(FORGED in each.get("text", "") for each in told) >= 2
    again = clients.build(team)
    assert again.code == 1
    team.write(with_package())
    check(team, clients.build(team), team.local_digests())


@pytest.fixture
def gate() -> Iterator[Path]:
    """A file that the user who builds wheels can see."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        path = Path(directory, "gate")
        path.touch()
        yield path


def test_a_worker_killed_in_the_middle_of_an_action_leaves_what_it_published(
    cloud: Cloud, tmp_path: Path, gate: Path
) -> None:
    team = new_team(cloud, tmp_path / "team")
    team.write(with_package(f"while os.path.exists({str(gate)!r}): time.sleep(0.05)"))
    client = clients.start(team)
    eventually(lambda: segments(team), "what was made is published while the wheel is not")
    cloud.codebuild.kill_worker(builds_of(team)[-1])
    assert client.ended().code == 3
    gate.unlink()
    expected = team.local_digests()
    check(team, clients.build(team, "bob"), expected)
    assert len(builds_of(team)) == 2
    assert len(actions_run(team)) == 1  # the wheel
    assert leases(team).leases == ()


def test_a_worker_of_another_release_refuses_with_what_mends_it(cloud: Cloud, tmp_path: Path) -> None:
    team = new_team(cloud, tmp_path / "team", source=altered.source("newer"))
    ran = clients.build(team)
    assert ran.code == 2, ran.err
    assert "is for version 1 of the tool layer, and this worker has version 2" in ran.err
    assert "lambdabuild bootstrap" in ran.err
    assert segments(team) == 0
    assert leases(team).leases == ()
    cloud.client("codebuild", "admin").update_project(name=team.place.project, source=altered.source("hasty"))
    check(team, clients.build(team), team.local_digests())
