"""S3Store: a ContentStore in a bucket, for one blob at a time and for many at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lambdabuild.digest import CHUNK, Digest, Hasher, digest_of
from lambdabuild.store.local import disk_errors
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.compaction import KEPT, MOST, compact
from lambdabuild.store.s3.index import Index
from lambdabuild.store.s3.reading import Reader
from lambdabuild.store.s3.terms import TermsOf
from lambdabuild.store.s3.upload import Sources, Uploaded, Uploader
from lambdabuild.tracing import span


class S3Store:
    """The blobs in a bucket. For any thread.

    cache_dir: where copies of index segments and files on their way lie.
    terms:     those of the bucket, shared with its action cache; its own if not given.
    workers:   how many transfers run at once.
    clock:     seconds that never go back.
    """

    def __init__(
        self,
        bucket: Bucket,
        cache_dir: Path,
        *,
        terms: TermsOf | None = None,
        workers: int = 16,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bucket = bucket
        self._directory = cache_dir
        self._workers = workers
        self._may_merge = True
        self._index = Index(bucket, cache_dir, terms or TermsOf(bucket), clock)
        self._reader = Reader(bucket, self._index, cache_dir, workers)

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return self._index.missing(digests)

    def put(self, data: bytes) -> Digest:
        digest = digest_of(data)
        self.upload({digest: lambda: [data]})
        return digest

    def put_file(self, path: Path) -> Digest:
        hasher = Hasher()
        for piece in _pieces_of(path):
            hasher.update(piece)
        digest = hasher.digest()
        self.upload({digest: lambda: _pieces_of(path)})
        with disk_errors(path.parent):
            path.unlink()
        return digest

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        return self._reader.pieces(digest)

    def upload(self, blobs: Sources, on_progress: Callable[[int], None] = lambda sent: None) -> Uploaded:
        """Sends those of `blobs` that are missing; returns what that was.

        blobs:       what gives the bytes of each; called once at most, from several threads. What it
                     raises is raised here, and nothing of this upload is known to anybody then.
        on_progress: told the bytes of blobs that have become safe since the last time.
        """
        missing = self.missing(blobs)
        uploader = Uploader(self.bucket, self._index, self._directory, self._workers, on_progress)
        with span("remote store", "upload", asked=len(blobs)) as work:
            sent = uploader.run({digest: source for digest, source in blobs.items() if digest in missing})
            work.note(blobs=sent.blobs, bytes=sent.bytes, compressed=sent.compressed)
        if self._may_merge and sent.blobs and self._index.segments > MOST:
            self._may_merge = compact(self.bucket, "index")
            self._index.segments = KEPT
        return sent

    def read_all(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        """Yields many small blobs, in any order, with few requests; raises as `pieces` does."""
        return self._reader.read_all(digests)

    def forget(self, digests: Iterable[Digest]) -> None:
        """Lets `digests` count as missing where they are now, until they are put again."""
        self._index.forget(digests)

    def refresh(self) -> None:
        """Looks at the bucket again."""
        self._index.refresh()


def _pieces_of(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(CHUNK):
            yield piece
