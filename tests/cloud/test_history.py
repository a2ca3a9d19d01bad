"""why, of what CodeBuild built for somebody else."""

from __future__ import annotations

from pathlib import Path

from tests.cloud.aws import Cloud
from tests.cloud.remote import Team, set_up


def test_why_explains_with_what_a_build_on_codebuild_made_for_another_client(
    cloud: Cloud, tmp_path: Path
) -> None:
    team = Team(cloud, set_up(cloud), tmp_path / "w", tmp_path / "caches")
    assert team.build().code == 0
    team.write({"one.py": "def main(event, context):\n    return 3\n"})
    told = team.run("why", "//:one", "--json", client="bob")
    assert told.code == 0, told.err
    (target,) = told.json["targets"]
    assert [(each["kind"], each["place"]) for each in target["changes"]] == [("edited", "one.py")]
