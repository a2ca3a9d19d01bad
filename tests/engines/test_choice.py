"""Which engine is taken, and what a machine without one is told."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from lambdabuild.engines.buildah import BuildahEngine
from lambdabuild.engines.choice import ENGINES, ChosenEngine, choose_engine
from lambdabuild.engines.docker import DockerEngine, find_docker
from lambdabuild.engines.engine import Engine
from lambdabuild.engines.process import environment
from lambdabuild.errors import ExternalError

from .saved import SavedEngine


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def docker(path: Path, client: str, *, buildx: bool, server: str = "20.10.24") -> Path:
    """Writes a client that says so; what a daemon would do it does not."""
    document = f'{{"Client":{{"Version":"{client}"}},"Server":{{"Version":"{server}","Os":"linux"}}}}'
    return script(
        path, f"case $1 in version) echo '{document}';; buildx) exit {0 if buildx else 1};; *) exit 9;; esac"
    )


def test_a_first_docker_without_buildx_is_passed_over(tmp_path: Path) -> None:
    docker(tmp_path / "a/docker", "28.2.2", buildx=False)
    second = docker(tmp_path / "b/docker", "20.10.24", buildx=False)
    found = find_docker({"PATH": f"{tmp_path}/a:{tmp_path}/b"})
    assert isinstance(found, DockerEngine)
    assert found.program == str(second)
    assert found.env["DOCKER_BUILDKIT"] == "1"
    assert found.describe() == "docker 20.10.24 (BuildKit)"


@pytest.mark.parametrize(("server", "heredocs"), [("20.10.24", False), ("23.0.1", True), ("28.2.2", True)])
def test_here_documents_depend_on_the_daemon(tmp_path: Path, server: str, heredocs: bool) -> None:
    docker(tmp_path / "docker", "28.2.2", buildx=True, server=server)
    found = find_docker({"PATH": f"{tmp_path}"})
    assert isinstance(found, DockerEngine)
    assert found.heredocs is heredocs


@pytest.mark.parametrize(("version", "heredocs"), [("1.28.2", False), ("1.33.0", True), ("2.0.0-dev", True)])
def test_here_documents_depend_on_buildahs_version(version: str, heredocs: bool) -> None:
    assert BuildahEngine(("buildah",), {}, version).heredocs is heredocs


def test_a_machine_without_engines_is_told_why_and_what_to_install(tmp_path: Path) -> None:
    docker(tmp_path / "docker", "28.2.2", buildx=False)
    with pytest.raises(ExternalError, match=r"^nothing on this machine can build a Dockerfile$") as failed:
        choose_engine("auto", {"PATH": str(tmp_path)})
    assert failed.value.exit_code == 3
    assert failed.value.details == (
        f"docker: {tmp_path}/docker: docker 28.2.2 has no buildx",
        "buildah: buildah is not installed",
    )
    assert "apt-get install docker.io" in str(failed.value.hint)
    assert "apt-get install buildah" in str(failed.value.hint)


def test_an_engine_that_was_asked_for_is_not_replaced_by_another(tmp_path: Path) -> None:
    docker(tmp_path / "docker", "20.10.24", buildx=False)
    with pytest.raises(ExternalError, match=r"^buildah cannot build Dockerfiles here$"):
        choose_engine("buildah", {"PATH": str(tmp_path)})


def test_a_daemon_that_does_not_answer_is_a_reason(tmp_path: Path) -> None:
    script(
        tmp_path / "docker",
        """echo '{"Client":{"Version":"20.10"},"Server":null}'; echo no daemon >&2; exit 1""",
    )
    assert find_docker({"PATH": f"{tmp_path}"}) == f"{tmp_path}/docker: no daemon"


def test_docker_is_asked_before_buildah() -> None:
    assert list(ENGINES) == ["docker", "buildah"]


def test_the_choice_is_made_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    engine = SavedEngine(b"")

    def choose(wish: str, environ: Mapping[str, str]) -> Engine:
        asked.append(wish)
        return engine

    monkeypatch.setattr("lambdabuild.engines.choice.choose_engine", choose)
    said: list[str] = []
    chosen = ChosenEngine("auto", {}, said.append)
    threads = [threading.Thread(target=chosen) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert chosen() is engine
    assert (asked, said) == (["auto"], ["Dockerfiles are built with an engine of tests"])


def test_engines_see_no_credentials() -> None:
    environ = {
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_PROFILE": "x",
        "TOKEN": "x",
        "PATH": os.defpath,
        "HOME": "/root",
        "DOCKER_HOST": "unix:///x",
        "https_proxy": "http://proxy",
        "CONTAINERS_STORAGE_CONF": "/x",
    }
    assert environment(environ).keys() == environ.keys() - {
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "TOKEN",
    } | {"LC_ALL"}
