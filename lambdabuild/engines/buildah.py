"""Builds with buildah, in chroot isolation, which works in most containers too.

Its layers are those of `docker build`: one a step (--layers). Storage is buildah's
own, on overlayfs, or, where the kernel refuses that, on vfs. Steps of earlier builds
are not looked for (--no-cache): two builds at once trip over what the other removes.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambdabuild.engines.engine import BuildOrder, Check, ReadBlob
from lambdabuild.engines.failure import failure
from lambdabuild.engines.process import ask, reading, run
from lambdabuild.engines.transcript import Transcript
from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import hex_of
from lambdabuild.oci.docker_archive import stream_docker_archive
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer_files import PieceReader

_HEREDOCS: Final = (1, 33)
_HERE: Final = "localhost/lambdabuild"
"""Names of this host are looked for nowhere else."""


@dataclass(frozen=True)
class BuildahEngine:
    """See engine.Engine.

    command: the program, with what it needs before each of its commands.
    """

    command: tuple[str, ...]
    env: Mapping[str, str]
    version: str

    @property
    def heredocs(self) -> bool:
        return tuple(map(int, re.findall(r"\d+", self.version)[:2])) >= _HEREDOCS

    def describe(self) -> str:
        return f"buildah {self.version}"

    def put(self, image: Image, read: ReadBlob, scratch: Path, check: Check) -> str:
        tag = f"{_HERE}/base:{hex_of(image.config_digest)[:32]}"
        if not self._holds(image, tag):
            self._pull(image, tag, read, scratch / f"{uuid.uuid4().hex}.tar", check)
        return tag

    def build(self, order: BuildOrder, transcript: Transcript, check: Check) -> str:
        tag = f"{_HERE}/built:{uuid.uuid4().hex}"
        try:
            if run([*self._build(order), "--tag", tag, str(order.context)], self.env, transcript, check):
                raise failure(transcript, order.platform)
        except BaseException:
            self.remove(tag)
            raise
        return tag

    def saved(self, image: str, check: Check) -> AbstractContextManager[PieceReader]:
        # As a file it would have to be all on disk first. buildah reopens what the name stands for: our pipe.
        arguments = [*self.command, "push", "--quiet", image, "docker-archive:/dev/stdout"]
        return reading(arguments, self.env, check, "buildah push")

    def remove(self, image: str) -> None:
        ask([*self.command, "rmi", "--force", image], self.env)

    def _build(self, order: BuildOrder) -> Iterator[str]:
        yield from (*self.command, "build", "--layers", "--no-cache", "--isolation=chroot", "--pull=never")
        # docker: the format of OCI has no SHELL and no HEALTHCHECK, and buildah then leaves them out.
        yield from ("--format=docker", "--identity-label=false", *order.options())
        yield from ("--ignorefile", f"{order.dockerfile}.dockerignore")

    def _holds(self, image: Image, tag: str) -> bool:
        code, output = ask([*self.command, "inspect", "--type", "image", tag], self.env)
        if code != 0:
            return False
        try:
            found = json.loads(output)["OCIv1"]["rootfs"].get("diff_ids") or []
        except (ValueError, LookupError, TypeError):
            return False
        return bool(found == list(image.diff_ids))

    def _pull(self, image: Image, tag: str, read: ReadBlob, archive: Path, check: Check) -> None:
        try:
            with archive.open("xb") as out:
                stream_docker_archive(image, tag, read, out)
            transcript = Transcript()
            if run(
                [*self.command, "pull", "--quiet", f"docker-archive:{archive}"], self.env, transcript, check
            ):
                raise ExternalError(
                    "buildah refuses the image that the Dockerfile stands on",
                    details=tuple(transcript.lines[-5:]),
                )
        finally:
            archive.unlink(missing_ok=True)


def find_buildah(env: Mapping[str, str]) -> BuildahEngine | str:
    """Returns buildah with a storage that works, or why it cannot be used."""
    program = shutil.which("buildah", path=env.get("PATH"))
    if program is None:
        return "buildah is not installed"
    _, version = ask([program, "--version"], env)
    found = re.search(r"version (\d+\.\d+\S*)", version)
    problem = ""
    for command in ((program,), (program, "--storage-driver=vfs")):
        code, output = ask([*command, "info"], env)
        if code == 0 and found:
            return BuildahEngine(command, env, found[1])
        problem = output.splitlines()[-1] if output else "it does not work"
    return f"{program}: {problem}"
