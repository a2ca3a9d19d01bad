"""Blobs into the bucket: small ones in packs, large ones one by one, the index segment last.

A segment is written when all that it names is there. So who is killed in the
middle has left objects that nobody knows; a later upload of the same blobs
makes the same packs, finds them listed and does not send them again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lambdabuild.digest import Digest, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.store.local import disk_errors
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.index import Index
from lambdabuild.store.s3.loading import scratch_of
from lambdabuild.store.s3.packs import LARGE, Member, Pack, PackWriter, write_encoded

Sources: TypeAlias = Mapping[Digest, Callable[[], Iterable[bytes]]]
"""Blobs to send: what gives the bytes of each, in pieces. It raises when they are not to be had."""

_PACKS_AT_ONCE = 4  # bounds memory: each has up to packs.PACK bytes, once joined and once in pieces


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What an upload sent.

    blobs:      how many.
    bytes:      what they measure.
    compressed: what was stored for them, in bytes.
    """

    blobs: int
    bytes: int
    compressed: int


class Uploader:
    """One upload.

    on_progress: told how many bytes of blobs are there that were not before; by one thread at a time.
    """

    def __init__(
        self, bucket: Bucket, index: Index, directory: Path, workers: int, on_progress: Callable[[int], None]
    ) -> None:
        self._bucket = bucket
        self._index = index
        self._directory = directory
        self._workers = workers
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._packs = threading.BoundedSemaphore(_PACKS_AT_ONCE)
        self._objects: dict[str, Sequence[Member]] = {}

    def run(self, blobs: Sources) -> Uploaded:
        """Returns what was sent; every blob's bytes are held against its digest before they are."""
        if not blobs:
            return Uploaded(0, 0, 0)
        large = [digest for digest in blobs if digest.size >= LARGE]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="upload") as pool:
            futures = [pool.submit(self._send_large, digest, blobs[digest]) for digest in large]
            try:
                self._send_small(pool, futures, {d: s for d, s in blobs.items() if d.size < LARGE})
                for future in futures:
                    future.result()
            except BaseException:
                for future in futures:
                    future.cancel()
                raise
        self._index.publish(self._objects)
        members = [member for each in self._objects.values() for member in each]
        return Uploaded(len(blobs), sum(d.size for d in blobs), sum(member.length for member in members))

    def _send_small(self, pool: ThreadPoolExecutor, futures: list[Future[None]], blobs: Sources) -> None:
        writer = PackWriter()
        for digest, source in blobs.items():
            writer.add(digest, _whole(digest, source()))
            if writer.full:
                self._hand_over(pool, futures, writer.take())
        self._hand_over(pool, futures, writer.take())

    def _hand_over(self, pool: ThreadPoolExecutor, futures: list[Future[None]], pack: Pack | None) -> None:
        if pack is not None:
            self._packs.acquire()
            future = pool.submit(self._send_pack, pack)
            future.add_done_callback(lambda _: self._packs.release())
            futures.append(future)
        for future in futures:
            if future.done():
                future.result()  # an error ends the upload now, not after the last pack

    def _send_pack(self, pack: Pack) -> None:
        name, data = f"cas/{pack.name}", pack.data
        self._place(pack.name, len(data), lambda etag: self._bucket.replace(name, data, etag))
        self._sent(pack.name, pack.members)

    def _send_large(self, digest: Digest, source: Callable[[], Iterable[bytes]]) -> None:
        with scratch_of(self._bucket, self._directory) as scratch:
            path = Path(scratch) / "blob"
            with disk_errors(self._directory), open(path, "wb") as file:
                read, stored, encoding = write_encoded(source(), file.write)
            if read != digest:
                raise _changed(digest)
            self._place(
                stored.hash,
                stored.size,
                lambda etag: self._bucket.create_file(f"cas/{stored.hash}", path, stored.size, etag=etag),
            )
        self._sent(stored.hash, [Member(digest, 0, stored.size, encoding)])

    def _place(self, name: str, size: int, write: Callable[[str | None], bool]) -> None:
        """Sees to it that the object is there, and young.

        write: takes the ETag of the one that will not do, which it replaces and no other; None for none.
        """
        listed, will_do = self._index.listed(name, size)
        if will_do:
            return
        if listed is None or not write(listed.etag):
            # Where it is there by now, somebody else has just written the same bytes.
            write(None)
        self._index.wrote(name, size)

    def _sent(self, name: str, members: Sequence[Member]) -> None:
        with self._lock:
            self._objects[name] = members
            self._on_progress(sum(member.digest.size for member in members))


def _whole(digest: Digest, pieces: Iterable[bytes]) -> bytes:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) > digest.size:
            raise _changed(digest)
    whole = bytes(data)
    if digest_of(whole) != digest:
        raise _changed(digest)
    return whole


def _changed(digest: Digest) -> ExternalError:
    return ExternalError(
        f"bytes for the remote store are not those of {digest}",
        hint="run the same command again when nothing changes the files any more",
    )
