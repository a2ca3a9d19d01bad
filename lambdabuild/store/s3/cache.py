"""S3ActionCache: an ActionCache in a bucket, which clients read as a whole.

All segments of results are read, so that to look a thousand keys up costs no
more than to look one up. A result that is near the age at which the bucket
removes it is none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lambdabuild.digest import Digest, Key, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.compaction import KEPT, MOST, compact
from lambdabuild.store.s3.index import YOUNG
from lambdabuild.store.s3.loading import SegmentFiles
from lambdabuild.store.s3.packs import DamagedError, PackWriter, decoded
from lambdabuild.store.s3.segments import (
    Document,
    Entry,
    decode_results,
    encode_results,
    made_at,
    newer,
)
from lambdabuild.store.s3.terms import TermsOf

_PACK_LIMIT = 64 << 20


class S3ActionCache:
    """The results in a bucket. For any thread.

    cache_dir: where copies of segments lie.
    terms:     those of the bucket, shared with its content store; its own if not given.
    strict:    whether damage that was removed is told once, as an error. Without, it is no result.
    clock:     seconds that never go back, for the age of the last listing alone.
    """

    def __init__(
        self,
        bucket: Bucket,
        cache_dir: Path,
        *,
        terms: TermsOf | None = None,
        strict: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bucket = bucket
        self._strict = strict
        self._files = SegmentFiles(bucket, "results", cache_dir)
        self._clock = clock
        self._lock = threading.RLock()
        self._terms = terms or TermsOf(bucket)
        self._listed_at: float | None = None
        self._now = 0.0
        self._segments: set[str] = set()
        self._entries: dict[Key, Entry] = {}
        self._count = 0
        self._may_merge = True

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        with self._lock:
            wanted = list(keys)
            if not wanted:
                return {}
            self._look(wanted)
            return {key: self._entries[key].result for key in wanted if self._counts(key)}

    def record(self, key: Key, result: bytes, document: bytes) -> None:
        self.record_all([(key, result, document)])

    def record_all(self, entries: Sequence[tuple[Key, bytes, bytes]]) -> None:
        """Keeps results with the documents of their keys: (key, result, document) each.

        Their documents are there before any of them. The last one of a key counts.
        """
        if not entries:
            return
        with self._lock:
            if self._listed_at is None:
                self.refresh()
            made = self._documents({key: document for key, _, document in entries})
            count = 1 + max((e.count for e in self._entries.values()), default=0)
            new = {key: Entry(result, count, None, made[key]) for key, result, _ in entries}
            data = encode_results(new)
            name = digest_of(data).hash
            self.bucket.create(f"results/{name}", data)
            self._files.keep(name, data)
            self._segments.add(name)
            self._count += 1
            self._entries.update({key: replace(entry, made=self._now) for key, entry in new.items()})
            if self._may_merge and self._count > MOST:
                self._may_merge = compact(self.bucket, "results")
                self._count = KEPT

    def document(self, key: Key) -> bytes | None:
        """Returns the document that `key` is the hash of, if a result is kept under it."""
        with self._lock:
            self._look([key])
            if key not in self._entries:
                return None
            place = self._entries[key].document
        stored = self.bucket.read(f"keys/{place.pack}", limit=_PACK_LIMIT)
        if stored is None:
            return None
        try:
            if digest_of(stored.data).hash != place.pack:
                raise DamagedError
            data = stored.data[place.offset : place.offset + place.length]
            document = b"".join(decoded([data], place.encoding, place.size))
            if len(document) != place.size:
                raise DamagedError
        except DamagedError:
            raise ExternalError(
                f"the document of a key in the remote store is damaged: {key}",
                hint="build again with another source, or see the local cache",
            ) from None
        return document

    def forget(self, keys: Iterable[Key]) -> None:
        """Lets `keys` count as not there, until a result of theirs is recorded anew."""
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)

    def refresh(self) -> None:
        """Lists the segments, and reads those that are new; if strict, damaged ones raise ExternalError."""
        with self._lock:
            self._terms.get()  # refuses a store of another format before anything else is read
            loaded = self._files.load(self._segments)
            self._now, self._count = loaded.listing.now, len(loaded.listing.objects)
            removed = [name for name in sorted(loaded.damaged) if self.bucket.delete(f"results/{name}")]
            for name, data in loaded.new.items():
                self._take(name, data, loaded.listing.objects[name].modified)
            if removed and self._strict:
                raise ExternalError(
                    "a segment of results in the remote store was damaged and has been removed",
                    hint="run the same command again; what they said will be made again",
                )
            self._segments.update(loaded.damaged)  # they stay, since this role may not delete them
            self._listed_at = self._clock()

    def _look(self, keys: Sequence[Key]) -> None:
        """Lists again if a key is not known and the last listing is old."""
        if self._listed_at is None or (
            not all(map(self._counts, keys)) and self._clock() - self._listed_at > YOUNG
        ):
            self.refresh()

    def _counts(self, key: Key) -> bool:
        entry = self._entries.get(key)
        return entry is not None and self._now - made_at(entry) < self._terms.get().results

    def _take(self, name: str, data: bytes, written: float) -> None:
        self._segments.add(name)
        try:
            entries = decode_results(data)
        except DamagedError:
            return  # under its right name, so written so; it tells nothing
        for key, entry in entries.items():
            dated = entry if entry.made is not None else replace(entry, made=written)
            if key not in self._entries or newer(dated, self._entries[key]):
                self._entries[key] = dated

    def _documents(self, documents: Mapping[Key, bytes]) -> Mapping[Key, Document]:
        """Returns where the documents are, in a pack that is written now."""
        writer = PackWriter()
        names: dict[Digest, Key] = {}
        for document in documents.values():
            digest = digest_of(document)
            if digest not in names:
                names[digest] = Key(digest.hash)
                writer.add(digest, document)
        pack = writer.take()
        assert pack is not None
        self.bucket.create(f"keys/{pack.name}", pack.data)
        places = {
            m.digest: Document(pack.name, m.offset, m.length, m.digest.size, m.encoding) for m in pack.members
        }
        return {key: places[digest_of(document)] for key, document in documents.items()}
