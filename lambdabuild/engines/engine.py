"""What builds a Dockerfile: the protocol that docker and buildah follow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from lambdabuild.engines.transcript import Transcript
from lambdabuild.oci.conformance.members import Readable
from lambdabuild.oci.image import Descriptor, Image

ReadBlob: TypeAlias = Callable[[Descriptor], Iterable[bytes]]
"""Gives the compressed bytes of a layer in pieces."""

Check: TypeAlias = Callable[[], None]
"""Raises when the build has been asked to stop."""


@dataclass(frozen=True, slots=True)
class BuildOrder:
    """One `docker build`.

    dockerfile: a file in a directory of its own, outside the context.
    context:    a directory that nothing else is in.
    target:     a stage, or "" for the last.
    secrets:    id -> file.
    scratch:    a directory for what the engine needs meanwhile.
    """

    dockerfile: Path
    context: Path
    target: str
    platform: str
    build_args: Mapping[str, str]
    secrets: Mapping[str, Path]
    scratch: Path

    def options(self) -> Iterator[str]:
        """Yields the options that the programs of both engines know by the same names."""
        yield f"--platform={self.platform}"
        yield from ("--file", str(self.dockerfile))
        if self.target:
            yield f"--target={self.target}"
        for name, value in self.build_args.items():
            yield from ("--build-arg", f"{name}={value}")
        for name, path in self.secrets.items():
            yield from ("--secret", f"id={name},src={path}")


class Engine(Protocol):
    """A way to build Dockerfiles on this machine. Calls may come from several threads.

    heredocs: whether it understands here-documents (dockerfile:1.4).
    """

    @property
    def heredocs(self) -> bool: ...

    def describe(self) -> str:
        """Returns which program and version it is."""

    def put(self, image: Image, read: ReadBlob, scratch: Path, check: Check) -> str:
        """Returns what FROM may call the image, which the engine gets unless it has it; ExternalError."""

    def build(self, order: BuildOrder, transcript: Transcript, check: Check) -> str:
        """Builds; returns what the image is called, until it is removed.

        Raises ActionFailed for a step that fails, ExternalError for an engine that does.
        """

    def saved(self, image: str, check: Check) -> AbstractContextManager[Readable]:
        """Opens the image as the archive that `oci.foreign_archive` reads; ExternalError if it ends badly."""

    def remove(self, image: str) -> None:
        """Removes what `build` made; nothing is said if that is not there."""
