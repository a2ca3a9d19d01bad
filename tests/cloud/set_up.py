"""What a team sets up once before it builds in the cloud: `lambdabuild bootstrap`, and its lines of settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.setup.moto_mends import mend_account_settings, mend_change_sets
from tests.worker_file import worker_pex

from .aws import REGION, Cloud, Place

Section = Mapping[str, "str | list[str]"]


@dataclass(frozen=True)
class Bootstrapped:
    """What a bootstrap made. settings: the sections for WORKSPACE.toml that it prints."""

    place: Place
    settings: Mapping[str, Section]

    def toml(self, **changes: Section) -> str:
        """Returns the settings as a person puts them into WORKSPACE.toml; changes: section -> its keys."""
        sections = {name: {**keys, **changes.get(name, {})} for name, keys in self.settings.items()}
        lines = [
            f"[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
            for name, keys in sections.items()
        ]
        return "\n".join(lines)


def bootstrap(cloud: Cloud, *, unpacked: bool = True, workspace: str = "") -> Bootstrapped:
    """Runs `lambdabuild bootstrap` as somebody who may do everything, in a place of its own.

    unpacked:  builds share one unpacked worker, where each build of CodeBuild unpacks its own.
    workspace: what WORKSPACE.toml says at that time.
    """
    mend_change_sets()
    mend_account_settings()
    pex = worker_pex()
    if unpacked:
        cloud.build_variables["PEX_ROOT"] = str(pex.parent / "unpacked")
    name = cloud.place().project
    arguments = ["--name", name, "--region", REGION, "--worker", str(pex), "--yes", "--json"]
    with tempfile.TemporaryDirectory(prefix="lambdabuild-cloud-") as root:
        Path(root, "WORKSPACE.toml").write_text(workspace)
        ran = subprocess.run(
            [sys.executable, "-m", "lambdabuild", "bootstrap", *arguments],
            cwd=root,
            env={**os.environ, **cloud.environment("admin")},
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 0, ran.stderr
    settings = json.loads(ran.stdout)["settings"]
    codebuild = settings["codebuild"]
    place = Place(codebuild["bucket"], codebuild["prefix"], codebuild["project"])
    return Bootstrapped(place, settings)


def set_up(cloud: Cloud) -> Place:
    """Returns a place in the cloud that is ready for `lambdabuild build --executor codebuild`."""
    return bootstrap(cloud).place
