"""A real registry, and a base in it that starts as AWS's do."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lambdabuild.oci.image import Image
from lambdabuild.outputs import BuiltImage
from lambdabuild.workspace import host_machine_platform
from tests.oci.registry.proxy import Proxy
from tests.oci.registry.real import RealRegistry
from tests.project import Project
from tests.require import require

WORKSPACE = """\
[workspace]
platforms = ["host"]

[images.python]
ref = "public.ecr.aws/lambda/python:3.12"

[registry]
mirrors = ["public.ecr.aws=HOST"]
"""
BUILD = 'lambda_image(name = "app", base = "@python", srcs = ["app.py"], handler = "app.main")\n'
APP = "def main(event, context):\n    return event['n'] + 1\n"
FILES = {"BUILD": BUILD, "app.py": APP}


@dataclass(frozen=True)
class StandIn:
    """The base lambda/python:3.12 of the registry, as docker would have pushed it."""

    host: str
    image: Image


@pytest.fixture(scope="session")
def stand_in(registry: RealRegistry, tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """A host_python_image, pushed by skopeo in Docker's media types."""
    skopeo = require("skopeo")
    directory = tmp_path_factory.mktemp("stand-in")
    files = {
        "WORKSPACE.toml": '[workspace]\nplatforms = ["host"]\n',
        "BUILD": 'host_python_image(name = "python")\n',
    }
    project = Project(directory / "w", directory / "cache", files, workspace=False)
    (report,) = project.build().targets
    assert isinstance(report.built, BuiltImage)
    assert report.output
    subprocess.run(
        [
            *(skopeo, "copy", "--quiet", "--format", "v2s2", "--dest-tls-verify=false"),
            f"oci:{project.root / report.output}",
            f"docker://{registry.host}/lambda/python:3.12",
        ],
        check=True,
        capture_output=True,
    )
    return StandIn(registry.host, report.built.image)


@pytest.fixture
def gate(stand_in: StandIn) -> Iterator[Proxy]:
    """The one way to the registry: counts what is asked, and can be closed."""
    with Proxy(stand_in.host) as proxy:
        yield proxy


@pytest.fixture
def project(tmp_path: Path, gate: Proxy) -> Project:
    files = {"WORKSPACE.toml": WORKSPACE.replace("HOST", gate.host), **FILES}
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files, workspace=False)


@pytest.fixture
def platform() -> str:
    return host_machine_platform()
