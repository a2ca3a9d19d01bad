"""Packs: many blobs in one object, each compressed by itself, and out again.

A pack is its members' stored bytes, one after the other, with nothing between
them, so that one member can be read with a range request. What lies where is
told by the index alone. A member is raw deflate (RFC 1951), or the blob itself
where that is no larger. Neither the lengths nor the bytes are trusted: nothing
is allocated beyond the size that a digest names, and what is returned has that
digest.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lambdabuild.digest import CHUNK, Digest, Hasher, digest_of
from lambdabuild.store.inflating import RAW

STORED = 0
DEFLATED = 1
ENCODINGS = (STORED, DEFLATED)

LARGE = 1 << 20
"""Bytes from which on a blob has an object of its own."""

PACK = 8 << 20
"""Stored bytes after which a pack is closed."""

_LEVEL = 6


class DamagedError(Exception):
    """Stored bytes are not what the index or a digest says. Never leaves this package."""


class Member(NamedTuple):
    """Where a blob lies in an object. offset, length: bytes as stored."""

    digest: Digest
    offset: int
    length: int
    encoding: int


@dataclass(frozen=True, slots=True)
class Pack:
    """An object of cas/. name: the BLAKE3 of its bytes."""

    name: str
    data: bytes
    members: Sequence[Member]


class PackWriter:
    """Collects blobs until there are enough for a pack."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._members: list[Member] = []
        self.size = 0

    def add(self, digest: Digest, data: bytes) -> None:
        stored, encoding = compressed(data)
        self._members.append(Member(digest, self.size, len(stored), encoding))
        self._pieces.append(stored)
        self.size += len(stored)

    @property
    def full(self) -> bool:
        return self.size >= PACK

    def take(self) -> Pack | None:
        """Returns what was added since the last time as a pack; None if that is nothing."""
        if not self._members:
            return None
        data = b"".join(self._pieces)
        pack = Pack(digest_of(data).hash, data, tuple(self._members))
        self._pieces, self._members, self.size = [], [], 0
        return pack


def compressed(data: bytes) -> tuple[bytes, int]:
    """Returns the bytes to store for `data`, and how they are encoded."""
    import deflate

    smaller = bytes(deflate.deflate_compress(data, _LEVEL))
    return (smaller, DEFLATED) if len(smaller) < len(data) else (data, STORED)


def blob_of(stored: bytes, encoding: int, digest: Digest) -> bytes:
    """Returns the blob of which `stored` is a member's bytes; raises DamagedError if it is not `digest`."""
    data = b"".join(decoded([stored], encoding, digest.size)) if encoding == DEFLATED else stored
    if digest_of(data) != digest:
        raise DamagedError
    return data


def decoded(pieces: Iterable[bytes], encoding: int, size: int) -> Iterator[bytes]:
    """Yields the bytes that stored pieces stand for.

    Raises DamagedError for what is no deflate stream, does not end where the stored bytes end, or
    holds more than `size` bytes; whether they are the right ones is the caller's to find out.
    """
    inflate = zlib.decompressobj(RAW) if encoding == DEFLATED else None
    left = size
    for piece in pieces:
        for data in [piece] if inflate is None else _inflated(inflate, piece, left):
            left -= len(data)
            if left < 0:
                raise DamagedError
            yield data
    if inflate is not None and (not inflate.eof or inflate.unused_data):
        raise DamagedError


def _inflated(inflate: zlib._Decompress, piece: bytes, left: int) -> Iterator[bytes]:
    try:
        while piece:
            # One byte more than there can be, so that a bomb is told from an end.
            data = inflate.decompress(piece, min(CHUNK, left + 1))
            left -= len(data)
            piece = inflate.unconsumed_tail
            yield data
            if left < 0:
                return
        if not inflate.eof:
            yield inflate.decompress(b"", left + 1)
    except zlib.error:
        raise DamagedError from None


class Encoder:
    """Encodes one large blob that comes in pieces; whether it compresses is judged by its first one."""

    def __init__(self, first: bytes) -> None:
        sample = zlib.compress(first, 1)
        self.encoding = DEFLATED if len(sample) < len(first) * 15 // 16 else STORED
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, RAW)

    def update(self, piece: bytes) -> bytes:
        return self._deflate.compress(piece) if self.encoding == DEFLATED else piece

    def end(self) -> bytes:
        return self._deflate.flush() if self.encoding == DEFLATED else b""


def write_encoded(pieces: Iterable[bytes], write: Callable[[bytes], object]) -> tuple[Digest, Digest, int]:
    """Returns the digests of a blob and of what was written for it, and the encoding."""
    blob, stored = Hasher(), Hasher()
    encoder: Encoder | None = None
    for piece in pieces:
        encoder = encoder or Encoder(piece)
        blob.update(piece)
        data = encoder.update(piece)
        stored.update(data)
        write(data)
    if encoder is not None:
        data = encoder.end()
        stored.update(data)
        write(data)
    return blob.digest(), stored.digest(), encoder.encoding if encoder else STORED
