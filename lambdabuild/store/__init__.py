"""Where bytes and results are kept: the interfaces, and the local disk.

A ContentStore maps digests to bytes, an ActionCache maps keys to small
documents. Both are append-only to their users: what is there is right, or it
is not there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from lambdabuild.digest import Digest, Key
from lambdabuild.errors import ExternalError


class LostBlobError(ExternalError):
    """A blob that was here is damaged or gone. It counts as missing from now on: plan again."""


class ContentStore(Protocol):
    """Bytes by digest. What is read is verified: a reader that comes to the end has the right bytes."""

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Returns those of `digests` that are not here."""
        ...

    def put(self, data: bytes) -> Digest:
        """Keeps `data`."""
        ...

    def put_file(self, path: Path) -> Digest:
        """Keeps the bytes of the file at `path`, and takes the file away."""
        ...

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        """Yields the bytes in pieces; raises ExternalError, at the end at the latest, if they are damaged."""
        ...


class BlobFiles(Protocol):
    """A content store whose blobs can be had as files of this machine."""

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        """As ContentStore does."""
        ...

    def verified(self, digest: Digest) -> Path:
        """Returns a read-only file with the blob, whose bytes were just verified; raises ExternalError."""
        ...


class ActionCache(Protocol):
    """Result documents by key."""

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        """Returns the documents that are here; damaged ones raise ExternalError."""
        ...

    def record(self, key: Key, result: bytes, document: bytes) -> None:
        """Keeps `result` under `key`, with the document that the key is the hash of."""
        ...


class Stores(NamedTuple):
    """Where the results of some actions are kept, and their bytes."""

    cache: ActionCache
    store: ContentStore
