"""A local store and cache in front of remote ones.

What is asked for is looked for here first; what comes from there is kept here.
Nothing is sent there: who shares blobs and results knows which ones are worth it,
and sends them in few requests.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from lambdabuild.digest import CHUNK, Digest, Key, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.store import ActionCache, ContentStore
from lambdabuild.store.local import LocalActionCache, LocalStore, disk_errors, write_atomically
from lambdabuild.tracing import span

SMALL = 1 << 20
"""Bytes below which blobs are fetched many at once."""

_FETCHES = 8


class RemoteStore(ContentStore, Protocol):
    """A ContentStore where many small blobs can be read with few requests."""

    def read_all(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Yields blobs, verified, in any order."""
        ...


class LayeredStore:
    """A ContentStore of two: writes go to the local one, reads bring what is remote."""

    def __init__(self, local: LocalStore, remote: RemoteStore) -> None:
        self.local = local
        self.remote = remote
        self.root = local.root
        self.scratch = local.scratch

    def path(self, digest: Digest) -> Path:
        """Returns where the blob lies on this machine, or would lie; its bytes are not verified."""
        return self.local.path(digest)

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        lacking = self.local.missing(digests)
        return self.remote.missing(lacking) if lacking else lacking

    def put(self, data: bytes) -> Digest:
        return self.local.put(data)

    def put_file(self, path: Path) -> Digest:
        return self.local.put_file(path)

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        self._bring(digest)
        yield from self.local.pieces(digest)

    def verified(self, digest: Digest) -> Path:
        """Returns the path on this machine of a blob whose bytes were just verified."""
        self._bring(digest)
        return self.local.verified(digest)

    def fetch(self, digests: Iterable[Digest]) -> None:
        """Sees to it that all of `digests` are on this machine; asks with few requests."""
        lacking = self.local.missing(digests)
        small = {digest for digest in lacking if digest.size < SMALL}
        for digest, data in self.remote.read_all(small) if small else ():
            if self.local.put(data) != digest:
                raise _wrong(digest)
        with ThreadPoolExecutor(_FETCHES, thread_name_prefix="fetch") as pool:
            for _ in pool.map(self._bring, sorted(lacking - small)):
                pass

    def sweep(self) -> None:
        """Removes what killed processes left half-written on this machine."""
        self.local.sweep()

    def _bring(self, digest: Digest) -> None:
        """Copies a blob that is not here, whole or not at all."""
        if not self.local.missing([digest]):
            return
        fetched = span("remote store", "fetch a blob", bytes=digest.size)
        with fetched, disk_errors(self.scratch), tempfile.TemporaryDirectory(dir=self.scratch) as directory:
            path = Path(directory) / "blob"
            with open(path, "wb", CHUNK) as file:
                file.writelines(self.remote.pieces(digest))
            if self.local.put_file(path) != digest:
                raise _wrong(digest)


class LayeredCache:
    """An ActionCache of two: results that are remote only are recorded here when they are found."""

    def __init__(self, local: LocalActionCache, remote: RemoteCache) -> None:
        self.local = local
        self.remote = remote
        self._found = _FoundResults(local.root)

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        wanted = list(keys)
        found = dict(self.local.lookup(wanted))
        rest = [key for key in wanted if key not in found]
        remote = self.remote.lookup(rest) if rest else {}
        for key, result in remote.items():
            self._found.keep(key, result)
        return {**found, **remote}

    def record(self, key: Key, result: bytes, document: bytes) -> None:
        self.local.record(key, result, document)

    def document(self, key: Key) -> bytes | None:
        """Returns the document that `key` is the hash of, from here or from there."""
        found = self.local.document(key)
        return self.remote.document(key) if found is None else found


class RemoteCache(ActionCache, Protocol):
    """An ActionCache that also gives the documents of keys."""

    def document(self, key: Key) -> bytes | None:
        """Returns the document that `key` is the hash of, if a result is kept under it."""
        ...


class _FoundResults(LocalActionCache):
    """The local results, to which found ones come without the documents of their keys.

    Those stay where they are until somebody asks: reading them would cost more requests than the results.
    """

    def keep(self, key: Key, result: bytes) -> None:
        checksum = digest_of(result).hash.encode()
        write_atomically(self._path("ac", key), checksum + b"\n" + result, self._scratch)


def _wrong(digest: Digest) -> ExternalError:
    return ExternalError(
        f"the remote store gave other bytes than those of {digest}", hint="run the same command again"
    )
