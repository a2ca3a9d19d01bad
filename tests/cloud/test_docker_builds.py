"""Builds of the stand-in in Docker containers, which hold a shell, a Python, and nothing of the project."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.require import require_docker

from .asking import SIMPLE, SLEEPING, Asking
from .aws import Cloud
from .build_images import put_build_image
from .codebuild import Docker

IMAGE = "lambdabuild-test-build-image:latest"


@pytest.fixture(scope="module")
def build_image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    require_docker()
    put_build_image(tmp_path_factory.mktemp("image"), IMAGE)
    yield IMAGE
    subprocess.run(["docker", "image", "rm", "--force", IMAGE], capture_output=True, check=False)


@pytest.fixture
def in_docker(cloud: Cloud, build_image: str) -> Cloud:
    cloud.codebuild.runner = Docker(build_image)
    return cloud


def test_a_build_runs_in_docker_without_the_source_tree(in_docker: Cloud) -> None:
    tree = Path(__file__).resolve().parents[2]
    commands = [f"ls {tree} || echo absent", "python3 -c 'print(6 * 7)'", "echo $CODEBUILD_SRC_DIR", "exit 7"]
    listed = "\n".join(f"      - {command}" for command in commands)
    asking = Asking(in_docker, f"version: 0.2\nphases:\n  build:\n    commands:\n{listed}\n")
    build = asking.run()
    assert asking.said(build)[-3:] == ["absent", "42", "/codebuild/output/src/src"]
    assert build["buildStatus"] == "FAILED"


def test_a_build_in_docker_reaches_s3(in_docker: Cloud) -> None:
    program = (
        "import os, urllib.request; print(urllib.request.urlopen(os.environ['AWS_ENDPOINT_URL_S3']).status)"
    )
    asking = Asking(in_docker, SIMPLE.replace("echo hello", f'python3 -c "{program}"'))
    assert asking.said(asking.run()) == ["200"]


def test_a_stopped_build_leaves_no_container(in_docker: Cloud) -> None:
    asking = Asking(in_docker, SLEEPING)
    build = asking.start()
    asking.until_up(build)
    asking.api.stop_build(id=build)
    in_docker.codebuild.wait(build)
    names = subprocess.run(
        ["docker", "ps", "--all", "--format", "{{.Names}}"], capture_output=True, text=True, check=True
    )
    assert build.partition(":")[2] not in names.stdout


def test_a_privileged_build_has_a_docker_socket(in_docker: Cloud) -> None:
    asking = Asking(in_docker, SIMPLE.replace("echo hello", "ls /var/run/docker.sock || echo none"))
    assert asking.said(asking.run())[-1] == "none"
    assert asking.said(asking.run(privilegedModeOverride=True))[-1] == "/var/run/docker.sock"
