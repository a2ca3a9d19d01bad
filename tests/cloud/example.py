"""examples/receipts as a team would have it: on a base from a registry, built on CodeBuild, pushed there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from .aws import Cloud
from .remote import Ran, Team
from .set_up import Bootstrapped

EXAMPLE = Path(__file__).parents[2] / "examples" / "receipts"
HOST_PYTHON = 'host_python_image(name = "python")\n'

Images = dict[tuple[str, str], str]
"""Image digests, by label and platform."""


def receipts_team(cloud: Cloud, made: Bootstrapped, registry: str, directory: Path) -> Team:
    """Returns the example with what bootstrap printed in its settings.

    registry: where images go, and where @python comes from, as lambda/python:3.12.
    """
    team = Team(cloud, made.place, directory / "w", directory / "caches", {})
    ignored = shutil.ignore_patterns("lambdabuild-out", "__pycache__")
    shutil.copytree(EXAMPLE, team.root, ignore=ignored, dirs_exist_ok=True)
    bases = (team.root / "bases/BUILD").read_text()
    assert HOST_PYTHON in bases
    sections = [
        (EXAMPLE / "WORKSPACE.toml").read_text(),
        f'[images.python]\nref = "{registry}/lambda/python:3.12"\n',
        made.toml(registry={"push": [registry]}),
        '[executor]\ndefault = "codebuild"\n',
    ]
    team.write(
        {
            "bases/BUILD": bases.replace(HOST_PYTHON, "").replace('base = ":python"', 'base = "@python"'),
            "WORKSPACE.toml": "\n".join(sections),
        }
    )
    locked = team.run("lock")
    assert locked.code == 0, locked.err
    return team


def images(ran: Ran) -> Images:
    """Returns the images that a build answered."""
    targets: list[dict[str, Any]] = ran.json["targets"]
    return {
        (each["label"], each["platform"]): each["image_digest"] for each in targets if each["image_digest"]
    }
