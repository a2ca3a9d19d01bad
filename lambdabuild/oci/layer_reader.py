"""A layer's blob -> the bytes of its tar, hashed while they pass.

Reads plain tars and gzip, of any count of members. Absent: zstd, which the
images of this package do not have (`manifest`).
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from typing import IO, Final

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest

CHUNK: Final = 1 << 18
"""Bytes that are read, or inflated, at a time."""

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_FORMAT = 16 + zlib.MAX_WBITS  # zlib.h, inflateInit2: header and checksums are checked


class LayerReader:
    """A file that can only be read forward, and knows its diff_id at the end."""

    def __init__(self, blob: IO[bytes]) -> None:
        self._pieces = _pieces(blob)
        self._ready = b""
        self._sha256 = hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Returns between 1 and `size` bytes of the tar, or none at its end.

        Raises ExternalError if the gzip is damaged or cut short.
        """
        data = self._ready or next(self._pieces, b"")
        data, self._ready = data[:size], data[size:]
        self._sha256.update(data)
        return data

    def diff_id(self) -> OciDigest:
        """Reads what is left, and returns the sha256 of the whole tar."""
        while self.read(CHUNK):
            pass
        return OciDigest("sha256:" + self._sha256.hexdigest())


def _pieces(blob: IO[bytes]) -> Iterator[bytes]:
    data = blob.read(CHUNK)
    if data.startswith(_GZIP_MAGIC):
        try:
            yield from _inflated(data, blob)
        except zlib.error as error:
            raise ExternalError(f"the gzip stream is damaged: {error}") from error
    else:
        while data:
            yield data
            data = blob.read(CHUNK)


def _inflated(data: bytes, blob: IO[bytes]) -> Iterator[bytes]:
    while data:
        # One gzip member (RFC 1952 §2.2) each time round.
        inflater = zlib.decompressobj(_GZIP_FORMAT)
        while not inflater.eof:
            piece = inflater.decompress(data, CHUNK)
            data = inflater.unconsumed_tail
            if piece:
                yield piece
            elif not (data or inflater.eof):
                data = blob.read(CHUNK)
                if not data:
                    raise ExternalError("the gzip stream is cut short")
        data = inflater.unused_data or blob.read(CHUNK)
