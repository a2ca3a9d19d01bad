"""Which blobs the bucket holds, and where: its index and its objects, as last listed.

What an index segment says counts only as far as a listing of cas/ bears it out:
the object is there, as long as the segment implies, and not near its expiry.
The index is listed before the objects: a segment is written after the objects
that it names, so a segment that is seen never names an object that is not, but
for those that are gone.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from lambdabuild.digest import Digest, digest_of
from lambdabuild.store.s3.bucket import Bucket, Listed
from lambdabuild.store.s3.loading import SegmentFiles, named
from lambdabuild.store.s3.packs import DEFLATED, DamagedError, Member
from lambdabuild.store.s3.segments import Objects, decode_index, encode_index
from lambdabuild.store.s3.terms import TermsOf

YOUNG = 2.0
"""Seconds for which a listing is believed when it does not know what is asked for."""


class Place(NamedTuple):
    """Where a blob lies: in which object of cas/, and how long that has to be (bytes)."""

    name: str
    size: int
    offset: int
    length: int
    encoding: int


class Index:
    """The blobs of one bucket. For any thread; loaded when first asked.

    clock: seconds that never go back, for the age of the last listing alone.
    segments: how many segments the index has, as far as is known.
    """

    def __init__(self, bucket: Bucket, directory: Path, terms: TermsOf, clock: Callable[[], float]) -> None:
        self._bucket = bucket
        self._files = SegmentFiles(bucket, "index", directory)
        self._clock = clock
        self._lock = threading.RLock()
        self._terms = terms
        self._listed_at: float | None = None
        self._now = 0.0
        self._segments: set[str] = set()
        self._places: dict[Digest, dict[Place, None]] = {}
        self._objects: dict[str, Listed] = {}
        self._distrusted: set[tuple[Place, float]] = set()
        self._condemned: set[tuple[str, float]] = set()
        self.segments = 0

    def refresh(self) -> None:
        """Lists what is there, and reads the segments that are new."""
        with self._lock:
            self._terms.get()  # refuses a store of another format before anything else is read
            loaded = self._files.load(self._segments)
            if not self._segments <= loaded.listing.objects.keys():
                # Merged, or gone with all that it alone told. What is left is on this machine's disk.
                self._segments.clear()
                self._places.clear()
                loaded = self._files.load(self._segments)
            objects = named(self._bucket.list("cas/"))
            self._objects, self._now = dict(objects.objects), objects.now
            self._listed_at = self._clock()
            self.segments = len(loaded.listing.objects)
            for name, data in loaded.new.items():
                self._take(name, data)
            for name in loaded.damaged:
                if not self._bucket.delete(f"index/{name}"):
                    self._segments.add(name)  # it stays, and is not read again and again

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        """Returns those of `digests` of which no place counts."""
        with self._lock:
            wanted = set(digests)
            if not wanted:
                return wanted
            fresh = self._load()
            lacking = {digest for digest in wanted if not self._holds(digest)}
            if lacking and not fresh and self._is_old():
                self.refresh()
                lacking = {digest for digest in lacking if not self._holds(digest)}
            return lacking

    def places(self, digest: Digest) -> list[Place]:
        """Returns where the blob can be read, the newest place first, near their expiry or not."""
        with self._lock:
            fresh = self._load()
            found = self._known_places(digest)
            if not found and not fresh and self._is_old():
                self.refresh()
                found = self._known_places(digest)
            return found

    def is_whole(self, place: Place) -> bool:
        """Returns whether the object is as long as it has to be for `place`."""
        with self._lock:
            listed = self._objects.get(place.name)
            return listed is not None and listed.size == place.size

    def publish(self, objects: Objects) -> None:
        """Writes a segment that names objects which have just been written, or found to be there."""
        data = encode_index(objects)
        name = digest_of(data).hash
        self._bucket.create(f"index/{name}", data)
        self._files.keep(name, data)
        with self._lock:
            self._segments.add(name)
            self.segments += 1
            self._note(objects)
            self._distrusted = {pair for pair in self._distrusted if pair[0].name not in objects}
            self._condemned = {pair for pair in self._condemned if pair[0] not in objects}

    def wrote(self, name: str, size: int) -> None:
        """Notes that cas/`name` has just been written."""
        with self._lock:
            self._objects[name] = Listed(size, self._now, "")

    def lost(self, name: str) -> None:
        """Notes that cas/`name` is gone."""
        with self._lock:
            self._objects.pop(name, None)

    def distrust(self, place: Place) -> None:
        """Lets `place` count no more, until its object is written again."""
        with self._lock:
            listed = self._objects.get(place.name)
            if listed is not None:
                self._distrusted.add((place, listed.modified))

    def condemn(self, name: str) -> None:
        """Lets no place in cas/`name` count any more, until it is written again."""
        with self._lock:
            if name in self._objects:
                self._condemned.add((name, self._objects[name].modified))

    def forget(self, digests: Iterable[Digest]) -> None:
        """Distrusts all places of `digests`."""
        with self._lock:
            for digest in digests:
                for place in self._known_places(digest):
                    self.distrust(place)

    def listed(self, name: str, size: int) -> tuple[Listed | None, bool]:
        """Returns what is known of cas/`name`, and whether that will do for a writer of it."""
        with self._lock:
            self._load()
            if name in self._objects and not self._objects[name].etag and not self._will_do(name, size):
                self.refresh()  # it has been written by this process, so its ETag is not known
            return self._objects.get(name), self._will_do(name, size)

    def _will_do(self, name: str, size: int) -> bool:
        listed = self._objects.get(name)
        if listed is None or listed.size != size or not self._is_fresh(listed):
            return False
        doubted = {(place.name, at) for place, at in self._distrusted} | self._condemned
        return (name, listed.modified) not in doubted

    def _load(self) -> bool:
        """Returns whether the listing was only now made."""
        if self._listed_at is None:
            self.refresh()
            return True
        return False

    def _is_old(self) -> bool:
        return self._listed_at is None or self._clock() - self._listed_at > YOUNG

    def _is_fresh(self, listed: Listed) -> bool:
        return self._now - listed.modified < self._terms.get().blobs

    def _holds(self, digest: Digest) -> bool:
        return any(
            self._objects[p.name].size == p.size and self._is_fresh(self._objects[p.name])
            for p in self._known_places(digest)
        )

    def _known_places(self, digest: Digest) -> list[Place]:
        objects = self._objects
        found = [place for place in self._places.get(digest, ()) if self._is_trusted(place)]
        return sorted(found, key=lambda place: (-objects[place.name].modified, place))

    def _is_trusted(self, place: Place) -> bool:
        listed = self._objects.get(place.name)
        if listed is None:
            return False
        at = listed.modified
        return (place.name, at) not in self._condemned and (place, at) not in self._distrusted

    def _take(self, name: str, data: bytes) -> None:
        self._segments.add(name)
        try:
            self._note(decode_index(data))
        except DamagedError:
            return  # under its right name, so written so; it tells nothing

    def _note(self, objects: Objects) -> None:
        for name, members in objects.items():
            size = max((m.offset + m.length for m in members), default=0)
            for m in members:
                if _can_hold(m):
                    place = Place(name, size, m.offset, m.length, m.encoding)
                    self._places.setdefault(m.digest, {})[place] = None


def _can_hold(member: Member) -> bool:
    """Returns whether a blob of that size can be stored in so many bytes."""
    size = member.digest.size
    if member.encoding == DEFLATED:
        return member.length <= size + size // 64 + 64
    return member.length == size
