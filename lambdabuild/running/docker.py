"""Starts images in Docker, where a daemon answers.

The image goes in through `docker load`, or is taken from the daemon if it has it,
under a tag of this run's own, which is removed afterwards: so an image that has
another name stays, and one that other runs use as well goes with the last of them.
The container shares the network of
this machine, where the runtime API listens on 127.0.0.1; with Docker Desktop,
whose containers run in a virtual machine, it reaches it as host.docker.internal.
"""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lambdabuild.running.docker_images import docker, put_image
from lambdabuild.running.runner import UID, RunnableImage, kill, popen, try_out

_LAMBDA_LIKE = (
    *("--read-only", "--tmpfs", "/tmp:rw,exec,mode=1777,size=512m"),  # noqa: S108 (the image's)
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
)

_LAST_WORDS_SECONDS = 2.0


class Docker:
    """See runner.Runner."""

    name = "docker"

    def problem(self) -> str | None:
        return try_out(["docker", "version", "--format", "{{.Server.Version}}"])

    def describe(self) -> str:
        where = "of Docker Desktop" if self._desktop else "with this machine's network"
        return f"docker: in a container {where}"

    @property
    def api_host(self) -> str:
        return "host.docker.internal" if self._desktop else "127.0.0.1"

    @contextlib.contextmanager
    def started(
        self, image: RunnableImage, arguments: Sequence[str], env: Mapping[str, str], scratch: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        name = f"lambdabuild-run-{os.getpid()}-{uuid.uuid4().hex}"
        gateway = ["--add-host", "host.docker.internal:host-gateway"]
        network = gateway if self._desktop else ["--network", "host"]
        user = [] if image.image.user else ["--user", f"{UID}:{UID}"]
        options = [*network, *user, *_LAMBDA_LIKE]
        with _tagged(image, name) as reference, _environment(env, scratch) as variables:
            options += variables
            # The entry point is given again, so that the arguments are all there is.
            options += ["--entrypoint", arguments[0]]
            command = ["docker", "run", "--rm", "--pull", "never", "--name", name, *options, reference]
            process = popen([*command, *arguments[1:]])
            try:
                yield process
            finally:
                docker("rm", "--force", name)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LAST_WORDS_SECONDS)
                kill(process)
                docker("rm", "--force", name)  # it may have been created only just now

    def refusal(self, last_lines: Sequence[str]) -> str | None:
        for line in last_lines:
            if line.startswith("docker: ") and "exec" not in line:
                return line.removeprefix("docker: ")
        return None

    @functools.cached_property
    def _desktop(self) -> bool:
        if sys.platform != "linux":
            return True
        return "Docker Desktop" in docker("version", "--format", "{{.Server.Platform.Name}}").stdout


@contextlib.contextmanager
def _environment(env: Mapping[str, str], scratch: Path) -> Iterator[list[str]]:
    """Yields the options that set `env`: by file, since anybody can see arguments."""
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", prefix="run-", dir=scratch, encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in env.items() if "\n" not in value)
        file.flush()
        # The file's format has no way to write a line end.
        long = [f"--env={name}={value}" for name, value in env.items() if "\n" in value]
        yield ["--env-file", file.name, *long]


@contextlib.contextmanager
def _tagged(image: RunnableImage, name: str) -> Iterator[str]:
    """Yields a new tag of the image in the daemon, which gets the image if it lacks it."""
    tag = f"{name}:latest"
    try:
        put_image(image, tag)
        yield tag
    finally:
        docker("image", "rm", "--force", tag)
