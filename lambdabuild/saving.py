"""An image for other tools: a file, a directory, or in a Docker daemon."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.docker_archive import write_docker_archive
from lambdabuild.oci.layout import LayoutEntry, write_layout
from lambdabuild.outputs import BuiltImage, link_or_copy
from lambdabuild.running.docker import Docker
from lambdabuild.running.docker_images import put_image
from lambdabuild.running.runner import RunnableImage
from lambdabuild.store import BlobFiles
from lambdabuild.store.local import disk_errors

OCI, DOCKER_ARCHIVE = "oci", "docker-archive"
FORMATS: Final = (OCI, DOCKER_ARCHIVE)

_HINT = "write --output oci=DIRECTORY or --output docker-archive=FILE"


@dataclass(frozen=True, slots=True)
class Output:
    """format: one of FORMATS. path: a directory for "oci", a file for "docker-archive"."""

    format: str
    path: Path

    def __str__(self) -> str:
        return f"{self.format}={self.path}"


def parse_output(text: str, directory: Path) -> Output:
    """Returns what --output says; raises UserError for an unknown format, or a place that is taken.

    directory: what a relative path starts from.
    """
    format_, equals, path = text.partition("=")
    if not equals or not path or format_ not in FORMATS:
        raise UserError(f"{text!r} is no format and place for an image", hint=_HINT)
    output = Output(format_, directory / path)
    if format_ == OCI and not _may_hold_layout(output.path):
        raise UserError(
            f"{path} has other things in it than an image layout", hint="name an empty or new directory"
        )
    if format_ == DOCKER_ARCHIVE and output.path.is_dir():
        raise UserError(f"{path} is a directory, and an archive is a file", hint=_HINT)
    return output


def save(built: BuiltImage, name: str, tag: str, output: Output, store: BlobFiles) -> None:
    """Writes an image whose layers the store holds. Raises ExternalError; a failure leaves no archive.

    name, tag: what readers may call it: "repository:tag" in an archive, the tag in a layout.
    """
    image = _runnable(built, store)
    with disk_errors(output.path, "or name another place"):
        if output.format == OCI:
            entry = LayoutEntry(built.image, tag)
            write_layout(output.path, [entry], lambda digest, path: link_or_copy(image.blob(digest), path))
            return
        output.path.parent.mkdir(parents=True, exist_ok=True)
        with _replaced(output.path) as temporary, temporary.open("wb") as file:
            write_docker_archive(built.image, f"{name}:{tag}", image.blob, file)


def check_daemon() -> None:
    """Raises ExternalError if there is no Docker daemon that answers."""
    problem = Docker().problem()
    if problem:
        raise ExternalError(
            f"there is no Docker daemon to load images into: {problem}",
            hint="start it, or write files: --output",
        )


def load(built: BuiltImage, name: str, tags: Iterable[str], store: BlobFiles) -> None:
    """Puts an image whose layers the store holds into the Docker daemon; raises ExternalError."""
    image = _runnable(built, store)
    for tag in tags:
        put_image(image, f"{name}:{tag}")


def _runnable(built: BuiltImage, store: BlobFiles) -> RunnableImage:
    def blob(digest: OciDigest) -> Path:
        return store.verified(built.layers[digest])

    return RunnableImage(built.image, blob)


def _may_hold_layout(directory: Path) -> bool:
    if not directory.exists():
        return True
    return directory.is_dir() and ((directory / "oci-layout").is_file() or not any(directory.iterdir()))


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Hands out a path that becomes `path` if all goes well, and goes away if not."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()
