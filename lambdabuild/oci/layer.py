"""Files -> one compressed layer, with bytes that depend on the files alone.

`lambdabuild.oci.tar` specifies the tar, and so the diff_id. The compressed
layer is that tar as one gzip member (RFC 1952: no name, MTIME 0, XFL 0, OS
255) whose deflate stream is what libdeflate's level 6 makes, through the pinned
package `deflate`. Its bytes were equal on all CPU models tried. isal's are not;
zlib-ng's differ between x86 and arm64; zlib's would do, at a third of the speed.

Absent: where layers are kept, and which files share one.
"""

from __future__ import annotations

import io
import mmap
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.tar import BLOCK, Dir, Entry, File, Symlink, arrange, write_tar

__all__ = [
    "UNUSED",
    "Dir",
    "Entry",
    "File",
    "Layer",
    "Symlink",
    "pack_layer",
    "read_descriptor",
    "write_layer",
]

UNUSED = b"null"
"""The descriptor of a place for a layer that its action made none for; the blob is empty then."""

LEVEL = 6

IN_MEMORY = 8 << 20
"""Bytes. A larger tar is kept in a temporary file: compressing needs all of it at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """What a manifest and a config say of one gzip-compressed layer.

    diff_id:           sha256 of the tar: the layer's identity.
    digest:            sha256 of the compressed bytes.
    size:              count of the compressed bytes.
    uncompressed_size: count of the tar's bytes.
    """

    diff_id: OciDigest
    digest: OciDigest
    size: int
    uncompressed_size: int

    def to_json(self) -> bytes:
        """Returns the layer as a JSON object of its fields: sorted keys, no spaces, UTF-8."""
        return documents.encode(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Returns the layer that `to_json` wrote; ImageError for anything else."""
        fields = documents.decode(data, "layer record")
        layer = cls(
            diff_id=fields.digest("diff_id"),
            digest=fields.digest("digest"),
            size=fields.count("size"),
            uncompressed_size=fields.count("uncompressed_size"),
        )
        fields.only("diff_id", "digest", "size", "uncompressed_size")
        return layer


def read_descriptor(data: bytes) -> Layer | None:
    """Returns the layer that a descriptor speaks of, None if its place is unused; ImageError for neither."""
    return None if data == UNUSED else Layer.from_json(data)


def write_layer(entries: Iterable[Entry], target: Path) -> Layer:
    """Writes the layer of `entries` to `target`, and returns what describes it.

    The entries may come in any order, and need not name parent directories.
    `target` is written last and in one go: after an error it is as it was. Who
    may be killed meanwhile hands in a temporary name and renames it afterwards.
    Memory and errors are those of `pack_layer`.
    """
    compressed, layer = pack_layer(entries, lambda: target.parent)
    target.write_bytes(compressed)
    return layer


def pack_layer(entries: Iterable[Entry], directory: Callable[[], Path]) -> tuple[bytearray, Layer]:
    """Returns the layer of `entries`, compressed, and what describes it.

    directory: gives where the tar may be meanwhile; asked only for a large one.
    Memory: about the compressed size, and up to IN_MEMORY more.

    Raises ImageError as `tar.arrange` does, and ExternalError for a file that
    yields another number of bytes than its size.
    """
    ordered = arrange(entries)
    with ExitStack() as stack:
        if _at_least(ordered) <= IN_MEMORY:
            memory = io.BytesIO()
            diff_id, uncompressed_size = write_tar(ordered, memory)
            tar: memoryview | mmap.mmap = stack.enter_context(memory.getbuffer())
        else:
            # Not in /tmp: that may be a small memory file system.
            disk = stack.enter_context(tempfile.TemporaryFile(dir=directory(), buffering=1 << 20))
            diff_id, uncompressed_size = write_tar(ordered, disk)
            disk.flush()
            tar = stack.enter_context(mmap.mmap(disk.fileno(), 0, access=mmap.ACCESS_READ))
        compressed = _compress(tar)
    digest = sha256_of(compressed)
    return compressed, Layer(
        diff_id=diff_id, digest=digest, size=len(compressed), uncompressed_size=uncompressed_size
    )


def _at_least(entries: Sequence[Entry]) -> int:
    return sum(BLOCK + (entry.size if isinstance(entry, File) else 0) for entry in entries)


def _compress(tar: memoryview | mmap.mmap) -> bytearray:
    import deflate  # only who compresses pays for it

    return deflate.gzip_compress(tar, LEVEL)
