"""What runs a build's shell: a subprocess of this machine, or a Docker container.

Neither sees the project's source tree, nor any variable but those of the job. A subprocess sees this
machine's programs, less those of the virtual environment that the tests run in.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .processes import kill_tree


@dataclass(frozen=True)
class Job:
    """A build, to those who start its shell.

    name:        unique, and fit for a container's name.
    work:        directory of this machine; its folders source and home are the build's own.
    environment: all variables but PATH and HOME.
    privileged:  whether the build may talk to a Docker daemon.
    """

    name: str
    work: Path
    shell: str
    environment: Mapping[str, str]
    privileged: bool


class Runner(Protocol):
    def source(self, work: Path) -> str:
        """Returns where the build sees `work`/source."""
        ...

    def start(self, job: Job) -> subprocess.Popen[str]:
        """Returns the shell, which reads commands from its stdin; stderr goes to stdout."""
        ...

    def kill(self, job: Job, process: subprocess.Popen[str]) -> None:
        """Ends the shell and all that it started, at once."""
        ...


class Subprocess:
    """See Runner."""

    def source(self, work: Path) -> str:
        return str(work / "source")

    def start(self, job: Job) -> subprocess.Popen[str]:
        own = {"PATH": machine_path(), "HOME": str(job.work / "home")}
        if job.privileged and "DOCKER_HOST" in os.environ:
            own["DOCKER_HOST"] = os.environ["DOCKER_HOST"]
        return _popen([job.shell], job.work / "source", {**job.environment, **own})

    def kill(self, job: Job, process: subprocess.Popen[str]) -> None:
        if process.poll() is None:
            kill_tree(process.pid)


@dataclass(frozen=True)
class Docker:
    """See Runner. image: a tag that the daemon knows, with a shell and the programs of the buildspec."""

    image: str

    def source(self, work: Path) -> str:
        return "/codebuild/output/src/src"

    def start(self, job: Job) -> subprocess.Popen[str]:
        source = self.source(job.work)
        options = ["--volume", f"{job.work / 'source'}:{source}", "--workdir", source]
        if job.privileged:
            options += ["--volume", f"{_docker_socket()}:/var/run/docker.sock"]
        for name, value in {"HOME": "/root", **job.environment}.items():
            options += ["--env", f"{name}={value}"]
        command = ["docker", "run", "--rm", "--interactive", "--pull", "never"]
        command += ["--name", job.name, "--network", "host", "--entrypoint", job.shell, *options, self.image]
        # Docker carries the two streams apart, and lines would change places.
        command += ["-c", f"exec {job.shell} 2>&1"]
        return _popen(command, job.work, os.environ)

    def kill(self, job: Job, process: subprocess.Popen[str]) -> None:
        kill_tree(process.pid)
        subprocess.run(["docker", "rm", "--force", job.name], capture_output=True, check=False)


def machine_path() -> str:
    """Returns PATH without the virtual environment of this process, where lambdabuild is installed.

    The Python that it was made from comes first: a shim of pyenv's takes longer than all that it starts.
    """
    entries = [f"{sys.base_prefix}/bin", *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    if sys.prefix == sys.base_prefix:
        return os.pathsep.join(entries)
    return os.pathsep.join(each for each in entries if not Path(each).is_relative_to(sys.prefix))


def _docker_socket() -> str:
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    assert host.startswith("unix://"), "a privileged build needs a Docker daemon with a socket"
    return host.removeprefix("unix://")


def _popen(command: list[str], directory: Path, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=environment,
        cwd=directory,
        start_new_session=True,
    )
