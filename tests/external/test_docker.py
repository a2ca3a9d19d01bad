"""What docker pushed is a base, and docker runs what stands on it."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lambdabuild.external.lock_file import parse_pins
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.docker_archive import write_docker_archive
from lambdabuild.oci.image import Image
from lambdabuild.store.local import LocalStore
from tests.external.conftest import FILES, WORKSPACE
from tests.external.stand_ins import base
from tests.oci.blobs import Blobs
from tests.oci.registry.real import RealRegistry
from tests.project import Project
from tests.require import require_docker
from tests.running.conftest import daemon

__all__ = ["daemon"]


@pytest.fixture(autouse=True)
def _docker(daemon: None) -> None:
    require_docker()


def docker(*arguments: str, stdin: bytes = b"") -> str:
    done = subprocess.run(["docker", *arguments], input=stdin, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.fixture
def tags() -> Iterator[list[str]]:
    """Tags in the daemon, which go when the test ends."""
    found: list[str] = []
    yield found
    for tag in found:
        subprocess.run(["docker", "image", "rm", "--force", tag], capture_output=True, check=False)


def project_on(registry: RealRegistry, name: str, directory: Path, platforms: str) -> Project:
    workspace = WORKSPACE.replace("HOST", registry.host).replace("lambda/python", name)
    files = {"WORKSPACE.toml": workspace.replace('["host"]', platforms), **FILES}
    return Project(directory / "w", directory / "cache" / "lambdabuild", files, workspace=False)


def test_an_index_that_docker_pushed_is_a_base_for_its_platforms(
    registry: RealRegistry, tmp_path: Path, tags: list[str]
) -> None:
    name = f"{registry.host}/docker/index"
    blobs = Blobs(tmp_path / "blobs")
    for platform in ("linux/amd64", "linux/arm64"):
        tags.append(f"{name}:{platform.partition('/')[2]}")
        load(base(blobs, platform), tags[-1], blobs.path)
        docker("push", "--quiet", tags[-1])
    docker("manifest", "create", "--insecure", f"{name}:3.12", *tags)
    docker("manifest", "push", "--insecure", "--purge", f"{name}:3.12")
    project = project_on(registry, "docker/index", tmp_path, '["linux/amd64", "linux/arm64"]')
    ran = project.run("lock")
    assert ran.code == 0, ran.err
    pins = parse_pins((project.root / "WORKSPACE.lock").read_bytes()).by_key
    assert [(pin.platform, pin.python, pin.libc) for pin in pins.values()] == [
        ("linux/amd64", "3.12", "glibc 2.34"),
        ("linux/arm64", "3.12", "glibc 2.34"),
    ]
    report = project.build()
    assert report.errors == ()
    assert [each.built.image.platform for each in report.targets if each.built] == [
        "linux/amd64",
        "linux/arm64",
    ]


def test_docker_runs_an_image_on_a_base_that_docker_pushed(
    registry: RealRegistry, tmp_path: Path, tags: list[str]
) -> None:
    tag = f"{registry.host}/docker/python:3.12"
    tags.append(tag)
    load_host_python(tmp_path, tag)
    docker("push", "--quiet", tag)
    project = project_on(registry, "docker/python", tmp_path, '["host"]')
    assert project.run("lock").code == 0
    ran = project.run("run", "//:app", "--event", '{"n": 1}', "--runner", "docker")
    assert (ran.code, ran.out) == (0, "2\n"), ran.err


def load_host_python(directory: Path, tag: str) -> None:
    """Puts a host_python_image into the daemon."""
    files = {
        "WORKSPACE.toml": '[workspace]\nplatforms = ["host"]\n',
        "BUILD": 'host_python_image(name = "python")\n',
    }
    project = Project(directory / "base", directory / "base-cache", files, workspace=False)
    (report,) = project.build().targets
    assert report.built
    layers, store = report.built.layers, LocalStore(project.cache)
    load(report.built.image, tag, lambda digest: store.verified(layers[digest]))


def load(image: Image, tag: str, blobs: Callable[[OciDigest], Path]) -> None:
    out = io.BytesIO()
    write_docker_archive(image, tag, blobs, out)
    docker("load", "--quiet", stdin=out.getvalue())
