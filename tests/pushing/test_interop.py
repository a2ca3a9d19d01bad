"""What is pushed, loaded or written, other tools read and run."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.outputs import BuiltImage
from lambdabuild.python.host import discover
from lambdabuild.workspace import host_machine_platform
from tests.oci.tools import run
from tests.project import Project
from tests.require import require, require_docker
from tests.running.conftest import daemon

from .conftest import HANDLER
from .pushes import Place, push

__all__ = ["daemon"]

RUNNABLE = {
    "WORKSPACE.toml": '[workspace]\nplatforms = ["host"]\n',
    "BUILD": 'host_python_image(name = "python")\n'
    'lambda_image(name = "one", base = ":python", srcs = ["one.py"], handler = "one.main")\n',
    "one.py": HANDLER,
}


@pytest.fixture
def docker(daemon: None) -> str:
    return require_docker()


def image_of(project: Project, label: str = "//:one") -> Image:
    (report,) = project.build(label).targets
    assert isinstance(report.built, BuiltImage)
    return report.built.image


def answers(docker: str, reference: str) -> bool:
    """Runs the image's own Python on its handler, as Lambda's user on a read-only root."""
    python = next(f"/{place}" for place in discover().files if re.search(r"bin/python3\.\d+$", place))
    code = "import one; print(one.main({}, None))"
    options = ["--rm", "--read-only", "--user", "1051", "--entrypoint", python]
    return run(docker, "run", *options, reference, "-c", code) == "1\n"


def test_skopeo_reads_and_copies_what_was_pushed(project: Project, place: Place, tmp_path: Path) -> None:
    skopeo = require("skopeo")
    result = push(project, place, "//:one", tags=["v1"])["//:one"]
    image = image_of(project)
    for version in (f":{result.reference.tag}", ":v1", f"@{result.reference.digest}"):
        name = f"docker://{place.repository('one').name}{version}"
        assert run(skopeo, "inspect", "--raw", "--tls-verify=false", name).encode() == image.manifest
        run(skopeo, "copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/copy")
    for layer in image.layers:
        assert sha256_of((tmp_path / "copy" / layer.digest[7:]).read_bytes()) == layer.digest


def test_docker_pulls_and_runs_what_was_pushed(docker: str, project: Project, place: Place) -> None:
    project.write(RUNNABLE)
    result = push(project, place, "//:one", "//:python")["//:one"]
    reference = f"{place.repository('one').name}@{result.reference.digest}"
    try:
        run(docker, "pull", "--quiet", reference)
        assert answers(docker, reference)
    finally:
        subprocess.run([docker, "image", "rm", "--force", reference], capture_output=True, check=False)


def test_docker_has_and_runs_what_was_loaded(docker: str, project: Project) -> None:
    project.write(
        RUNNABLE | {"BUILD": RUNNABLE["BUILD"].replace("handler", 'repository = "test/load", handler')}
    )
    tag = f"b3-{project.hashes('//:one')['//:one'][:32]}"
    names = [f"test/load:{tag}", "test/load:latest"]
    try:
        for _ in range(2):  # the second time the daemon has it
            ran = project.run("build", "--load", "//:one")
            assert ran.code == 0, ran.err
            assert ran.out.splitlines()[-1].split() == ["loaded", "//:one", host_machine_platform(), names[0]]
        image = image_of(project)
        for name in names:
            (found,) = json.loads(run(docker, "image", "inspect", name))
            assert found["Id"] == image.config_digest
            assert answers(docker, name)
    finally:
        subprocess.run([docker, "image", "rm", "--force", *names], capture_output=True, check=False)


def test_without_a_daemon_nothing_is_built(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    require("docker")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    ran = project.run("build", "--load", "//:one")
    assert ran.code == 3
    assert "there is no Docker daemon to load images into" in ran.err
    assert not project.stored()


@pytest.mark.parametrize("format_", ["oci", "docker-archive"])
def test_skopeo_reads_what_was_written(project: Project, tmp_path: Path, format_: str) -> None:
    skopeo = require("skopeo")
    for _ in range(2):
        ran = project.run("build", "//:one", "--output", f"{format_}={tmp_path}/new/out")
        assert ran.code == 0, ran.err
        assert ran.out.splitlines()[-1].split()[0] == "written"
    found = json.loads(run(skopeo, "inspect", "--config", f"{format_}:{tmp_path}/new/out"))
    assert found == json.loads(image_of(project).config)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["out"]


def test_an_archive_that_cannot_be_written_is_not_there(project: Project, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = project.run("build", "//:one", "--output", f"docker-archive={tmp_path}/file/out")
    assert ran.code == 3
    assert f"cannot write below {tmp_path}/file/out" in ran.err
