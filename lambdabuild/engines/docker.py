"""Builds with a Docker daemon, through whichever client in PATH can have BuildKit do it.

A first `docker` in PATH may lack buildx, without which clients from 23 on have the
old builder alone; so each is tried. buildx is told to use the daemon's own builder,
since one in a container sees no local image. The client gives no attestations.
The daemon is asked for nothing that it would have to pull: what a Dockerfile
stands on has local tags.
"""

from __future__ import annotations

import json
import os
import re
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambdabuild.engines.engine import BuildOrder, Check, ReadBlob
from lambdabuild.engines.failure import failure
from lambdabuild.engines.loading import holds, load
from lambdabuild.engines.process import ask, reading, run
from lambdabuild.engines.transcript import Transcript
from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import hex_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer_files import PieceReader

_BUILDKIT_BY_VARIABLE: Final = 23
"""Clients before this one have BuildKit built in, and take it where DOCKER_BUILDKIT says so."""
_HEREDOCS: Final = 23
"""Daemons from this one on have a frontend that knows here-documents (dockerfile:1.4)."""
_BUILDKIT: Final = {
    "DOCKER_BUILDKIT": "1",
    "BUILDX_BUILDER": "default",
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
}

_GONE = re.compile(
    r"cannot connect to the docker daemon|error during connect|transport is closing|code = unavailable"
    r"|error reading from server|connection reset by peer|connection refused|unexpected eof$|: eof$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class DockerEngine:
    """See engine.Engine.

    program: the client's path.
    env:     the whole environment of it.
    server:  the version of its daemon.
    """

    program: str
    env: Mapping[str, str]
    server: str

    @property
    def heredocs(self) -> bool:
        return _major(self.server) >= _HEREDOCS

    def describe(self) -> str:
        return f"docker {self.server} (BuildKit)"

    def put(self, image: Image, read: ReadBlob, scratch: Path, check: Check) -> str:
        tag = f"lambdabuild/base:{hex_of(image.config_digest)[:32]}"
        if not holds(self.program, self.env, image, tag):
            load(self.program, self.env, image, tag, read, check)
        return tag

    def build(self, order: BuildOrder, transcript: Transcript, check: Check) -> str:
        tag = f"lambdabuild/built:{uuid.uuid4().hex}"
        try:
            code = run([*self._command(order), "--tag", tag, str(order.context)], self.env, transcript, check)
            if code != 0 and self._gone(transcript):
                raise ExternalError(
                    "the docker daemon went away while it built",
                    hint="see its log, and build again",
                    details=tuple(transcript.lines[-5:]),
                )
            if code != 0:
                raise failure(transcript, order.platform)
        except BaseException:
            self.remove(tag)
            raise
        return tag

    def saved(self, image: str, check: Check) -> AbstractContextManager[PieceReader]:
        return reading([self.program, "save", image], self.env, check, "docker save")

    def remove(self, image: str) -> None:
        ask([self.program, "image", "rm", "--force", image], self.env)

    def _command(self, order: BuildOrder) -> Iterator[str]:
        yield from (self.program, "build", "--progress=plain", *order.options())

    def _gone(self, transcript: Transcript) -> bool:
        if any(_GONE.search(line) for line in transcript.lines[-3:]):
            return True
        return ask([self.program, "version", "--format", "{{.Server.Version}}"], self.env)[0] != 0


def find_docker(env: Mapping[str, str]) -> DockerEngine | str:
    """Returns the first client in PATH that can build, or why there is none."""
    problems: list[str] = []
    for program in _clients(env):
        found = _try(program, {**env, **_BUILDKIT})
        if isinstance(found, DockerEngine):
            return found
        problems.append(found)
    return "; ".join(problems) or "docker is not installed"


def _clients(env: Mapping[str, str]) -> Iterator[str]:
    seen = set()
    for directory in env.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory, "docker")
        if os.path.realpath(path) not in seen and os.access(path, os.X_OK) and os.path.isfile(path):
            seen.add(os.path.realpath(path))
            yield path


def _try(program: str, env: Mapping[str, str]) -> DockerEngine | str:
    code, output = ask([program, "version", "--format", "{{json .}}"], env)
    # Warnings may come before the document, complaints after it.
    document = next((line for line in output.splitlines() if line.startswith("{")), "{}")
    try:
        versions: Mapping[str, Any] = json.loads(document)
    except ValueError:
        versions = {}
    server, client = versions.get("Server"), versions.get("Client") or {}
    if code != 0 or not server:
        last = [line for line in output.splitlines() if not line.startswith("{")][-1:]
        return f"{program}: {last[0] if last else 'no daemon answers'}"
    version = str(client.get("Version", ""))
    if server.get("Os", "linux") != "linux":
        return f"{program}: its daemon runs containers of {server['Os']}"
    if ask([program, "buildx", "version"], env)[0] != 0 and _major(version) >= _BUILDKIT_BY_VARIABLE:
        return f"{program}: docker {version} has no buildx"
    return DockerEngine(program, env, str(server.get("Version", "")))


def _major(version: str) -> int:
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0
