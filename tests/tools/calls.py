"""Calls of a tool, as an executor makes them."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from lambdabuild.action import Made, Tool, ToolCall
from lambdabuild.digest import Canonical, Digest, digest_of
from lambdabuild.tree import FileNode

Files = Mapping[str, bytes | tuple[bytes, bool]]


def never() -> None:
    """A check that lets everything go on."""


def run(
    tool: Tool,
    params: Mapping[str, Canonical],
    files: Files,
    scratch: Path,
    check: Callable[[], None] = never,
    platform: str = "linux/arm64",
) -> dict[str, bytes]:
    """Returns the bytes of each output. files: content, or (content, executable)."""
    held = {path: each if isinstance(each, tuple) else (each, False) for path, each in files.items()}
    blobs = {digest_of(content): content for content, _ in held.values()}

    def contents(digest: Digest) -> Iterator[bytes]:
        yield blobs[digest]

    inputs = {path: FileNode(digest_of(content), executable) for path, (content, executable) in held.items()}
    scratch.mkdir(parents=True, exist_ok=True)
    made = tool.run(ToolCall(params, inputs, platform, contents, lambda: scratch, check))
    return {name: _bytes(each) for name, each in made.items()}


def _bytes(made: Made) -> bytes:
    return made.content if isinstance(made.content, bytes) else made.content.read_bytes()


def layer_files(layer: bytes) -> dict[str, tuple[bytes, int]]:
    """Returns path -> (content, mode) of the files in a compressed layer."""
    found: dict[str, tuple[bytes, int]] = {}
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(layer))) as tar:
        for member in tar:
            if content := tar.extractfile(member):
                found[member.name] = (content.read(), member.mode)
    return found
