"""Layers, streamed once -> what is at some paths of the image that they make.

Whiteouts and later layers win, as in `unpack`, of which this is the small
sister: nothing is written to disk, and only chosen files are kept. Names are
taken as they stand; a path that leads through a symlink is another path.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import IO, Any, Final, cast

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer_reader import CHUNK, LayerReader
from lambdabuild.oci.tar import parents
from lambdabuild.oci.unpack import OPAQUE, WHITEOUT, WHITEOUT_META

MAX_KEPT: Final = 32 << 20
"""Bytes that are kept of one file at most."""


def read_files(
    layers: Iterable[tuple[OciDigest, Iterable[bytes]]], wanted: Callable[[str], bool]
) -> dict[str, bytes]:
    """Returns path -> content of the files that are wanted, in the image of `layers`, lowest first.

    layers: diff_id, and the compressed bytes in pieces.
    wanted: told a path without leading "/", says whether it is of interest.

    Of a file larger than MAX_KEPT its beginning; for what is no regular file b"".
    Raises ImageError for a layer that is no tar, ExternalError for one that is
    damaged or not its diff_id's, and what the pieces' own iterators raise.
    """
    found: dict[str, bytes] = {}
    for diff_id, pieces in layers:
        reader = LayerReader(cast("IO[bytes]", PieceReader(pieces)))
        hidden, added = _read_layer(reader, wanted, diff_id)
        found = {path: content for path, content in found.items() if not is_hidden(path, hidden)} | added
        actual = reader.diff_id()
        if actual != diff_id:
            raise ExternalError(f"the bytes of layer {diff_id} are not its own: their sha256 is {actual}")
    return found


def _read_layer(
    reader: LayerReader, wanted: Callable[[str], bool], diff_id: OciDigest
) -> tuple[set[str], dict[str, bytes]]:
    """Returns what one layer takes away from those below, and what it adds.

    Taken away are paths with all below them; with a final "/" only what is below.
    """
    hidden: set[str] = set()
    added: dict[str, bytes] = {}
    try:
        with tarfile.open(
            fileobj=cast("IO[bytes]", reader),
            mode="r|",
            bufsize=CHUNK,
            encoding="utf-8",
            errors="surrogateescape",
        ) as tar:
            while (member := tar.next()) is not None:
                cast("Any", tar).members.clear()  # tarfile would keep all of them
                path = "/".join(part for part in member.name.split("/") if part not in ("", "."))
                if (whiteout := hides(path)) is not None:
                    hidden.add(whiteout)
                elif wanted(path) and not member.isdir():
                    added[path] = _content(tar, member)
                elif wanted(path) or not member.isdir():
                    hidden.add(path)
    except ImageError:
        raise
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise ImageError(f"layer {diff_id} is not a tar that can be read: {error}") from error
    return hidden, added


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if not member.isreg() or member.issparse():
        return b""
    file = tar.extractfile(member)
    assert file is not None  # it is a regular file
    with file:
        return file.read(MAX_KEPT)


def hides(path: str) -> str | None:
    """Returns what a whiteout at `path` takes away, as `is_hidden` takes it; None for what is none."""
    parent, _, name = path.rpartition("/")
    if name == OPAQUE:
        return f"{parent}/"
    if name.startswith(WHITEOUT) and not name.startswith(WHITEOUT_META):
        return f"{parent}/{name.removeprefix(WHITEOUT)}".lstrip("/")
    return None


def is_hidden(path: str, hidden: Collection[str]) -> bool:
    """Returns whether a path is among those that are hidden, or below one; with a final "/" only below."""
    if path in hidden or "/" in hidden:
        return True
    return any(parent in hidden or f"{parent}/" in hidden for parent in parents(path))


class PieceReader:
    """Pieces as a file that can only be read forward."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces: Iterator[bytes] = iter(pieces)
        self._ready = b""

    def read(self, size: int) -> bytes:
        """Returns `size` bytes, fewer only at the end."""
        parts, count = [self._ready], len(self._ready)
        while count < size and (piece := next(self._pieces, b"")):
            parts.append(piece)
            count += len(piece)
        data = b"".join(parts)
        self._ready = data[size:]
        return data[:size]
