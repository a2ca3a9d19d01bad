"""Blobs out of the bucket: verified, the next place where one is damaged, many with few requests.

What is damaged is read a second time before it is believed to be. Then the
object is held against its own name: an object that is right was spoken of
wrongly, and stays; one that is wrong is deleted, or emptied by who may write
but not delete: an object of another length than the index says holds nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeAlias

from lambdabuild.digest import CHUNK, Digest, Hasher
from lambdabuild.errors import ExternalError
from lambdabuild.store import LostBlobError
from lambdabuild.store.local import disk_errors
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.index import Index, Place
from lambdabuild.store.s3.loading import scratch_of
from lambdabuild.store.s3.packs import LARGE, DamagedError, blob_of, decoded

GAP = 128 << 10
"""Bytes that are rather read in vain than asked for in a request more."""

SPAN = 8 << 20
"""Bytes after which a request is not made longer."""

_AT_ONCE = 8


_Read: TypeAlias = Callable[[Place], None]
"""Reads a blob from one place; raises DamagedError or _Gone."""


class _Gone(Exception):
    """An object that was listed is not there."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of an object, in bytes, and the blobs in it."""

    name: str
    offset: int
    length: int
    blobs: Sequence[tuple[Digest, Place]]


class Reader:
    """Reads the blobs that an index knows. For any thread."""

    def __init__(self, bucket: Bucket, index: Index, directory: Path, workers: int) -> None:
        self._bucket = bucket
        self._index = index
        self._directory = directory
        self._workers = min(workers, _AT_ONCE)

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        """Yields the blob's bytes, all of them verified before the first."""
        if digest.size < LARGE:
            yield self.read(digest)
            return
        with scratch_of(self._bucket, self._directory) as scratch:
            path = Path(scratch) / "blob"
            self._from_somewhere(digest, lambda place: self._download(digest, place, path))
            with open(path, "rb") as file:
                while piece := file.read(CHUNK):
                    yield piece

    def read(self, digest: Digest) -> bytes:
        """Returns a small blob."""
        data = b""

        def read(place: Place) -> None:
            nonlocal data
            data = blob_of(self._range(place.name, place.offset, place.length), place.encoding, digest)

        self._from_somewhere(digest, read)
        return data

    def read_all(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Yields the blobs, in any order; those that share an object with few requests.

        Holds some spans of SPAN bytes at a time; a large blob is whole in memory while it is yielded.
        """
        wanted = dict.fromkeys(digests)
        placed = [(d, places[0]) for d in wanted if d.size < LARGE and (places := self._index.places(d))]
        spans = iter(spans_of(placed))
        done: set[Digest] = set()
        with ThreadPoolExecutor(self._workers, thread_name_prefix="read") as pool:
            running: list[Future[list[tuple[Digest, bytes]]]] = []
            try:
                running = [pool.submit(self._blobs, span) for span in islice(spans, self._workers)]
                while running:
                    found = running.pop(0).result()
                    running.extend(pool.submit(self._blobs, span) for span in islice(spans, 1))
                    done.update(digest for digest, _ in found)
                    yield from found
            finally:
                for future in running:
                    future.cancel()
        for digest in wanted:
            if digest not in done:
                yield digest, b"".join(self.pieces(digest))

    def _blobs(self, span: Span) -> list[tuple[Digest, bytes]]:
        """Returns the blobs of a span that are right."""
        found: list[tuple[Digest, bytes]] = []
        try:
            data = self._range(span.name, span.offset, span.length)
        except _Gone:
            return found
        for digest, place in span.blobs:
            start = place.offset - span.offset
            try:
                found.append((digest, blob_of(data[start : start + place.length], place.encoding, digest)))
            except DamagedError:
                continue  # looked at alone, later
        return found

    def _from_somewhere(self, digest: Digest, read: _Read) -> None:
        """Reads from the first place that has the right bytes; raises ExternalError if none has."""
        damaged = removed = False
        for again in (False, True):
            if again:
                self._index.refresh()
            gone = False
            for place in self._index.places(digest):
                try:
                    self._attempt(place, read)
                    return
                except _Gone:
                    self._index.lost(place.name)
                    gone = True
                except DamagedError:
                    removed = self._judge(place) or removed
                    damaged = True
            if not gone:
                break
        raise _damaged(digest, removed) if damaged else _lacking(digest)

    def _attempt(self, place: Place, read: _Read) -> None:
        if not self._index.is_whole(place):
            raise DamagedError
        try:
            read(place)
        except DamagedError:
            read(place)

    def _judge(self, place: Place) -> bool:
        """Returns whether the object of a place with wrong bytes was damaged and is removed now."""
        self._index.distrust(place)
        hasher = Hasher()
        seen = self._bucket.read(f"cas/{place.name}", (0, 1), limit=1)
        pieces = self._bucket.pieces(f"cas/{place.name}", limit=1 << 50)
        for piece in pieces or ():
            hasher.update(piece)
        if hasher.digest().hash == place.name:
            return False
        self._index.condemn(place.name)
        if self._bucket.delete(f"cas/{place.name}"):
            self._index.lost(place.name)
            return True
        if seen is not None:
            self._empty(place.name, seen.etag)
        return False

    def _empty(self, name: str, etag: str) -> None:
        """Empties the object, if it is still that of `etag` and this role may."""
        with contextlib.suppress(ExternalError):
            if self._bucket.replace(f"cas/{name}", b"", etag):
                self._index.wrote(name, 0)

    def _range(self, name: str, offset: int, length: int) -> bytes:
        if not length:
            return b""
        stored = self._bucket.read(f"cas/{name}", (offset, length), limit=length)
        if stored is None:
            raise _Gone
        return stored.data

    def _download(self, digest: Digest, place: Place, path: Path) -> None:
        hasher = Hasher()
        if place.length == place.size:
            pieces = self._bucket.pieces(f"cas/{place.name}", limit=place.length)
            if pieces is None:
                raise _Gone
        else:
            pieces = iter([self._range(place.name, place.offset, place.length)])
        with disk_errors(self._directory), open(path, "wb") as file:
            for data in decoded(pieces, place.encoding, digest.size):
                hasher.update(data)
                file.write(data)
        if hasher.digest() != digest:
            raise DamagedError


def spans_of(placed: Iterable[tuple[Digest, Place]]) -> list[Span]:
    """Returns the ranges to ask for, so that near blobs come together."""
    spans: list[Span] = []
    name, start, end = "", 0, 0
    blobs: list[tuple[Digest, Place]] = []
    for digest, place in sorted(placed, key=lambda pair: (pair[1].name, pair[1].offset, pair[1].length)):
        reach = max(end, place.offset + place.length)
        if blobs and (place.name != name or place.offset > end + GAP or reach - start > SPAN):
            spans.append(Span(name, start, end - start, tuple(blobs)))
            blobs = []
        if not blobs:
            name, start, reach = place.name, place.offset, place.offset + place.length
        blobs.append((digest, place))
        end = reach
    return [*spans, Span(name, start, end - start, tuple(blobs))] if blobs else spans


def _damaged(digest: Digest, removed: bool) -> LostBlobError:
    end = " and has been removed" if removed else ""
    return LostBlobError(
        f"a blob of the remote store was damaged{end}: {digest}",
        hint="run the same command again; what it held will be made again",
    )


def _lacking(digest: Digest) -> LostBlobError:
    return LostBlobError(
        f"the remote store has no blob {digest}", hint="run the same command again; it will be made again"
    )
