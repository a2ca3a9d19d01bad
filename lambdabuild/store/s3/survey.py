"""All that a bucket's store says it holds, read at one go by who is about to remove from it.

Results are read last: what one that was published meanwhile names anew is in no listing of `Survey`, and
what it names of old is seen. A segment that is damaged stops it, since what it told would count as not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from lambdabuild.digest import Key
from lambdabuild.errors import ExternalError
from lambdabuild.store.s3.bucket import Bucket, Listed
from lambdabuild.store.s3.loading import Loaded, SegmentFiles, named
from lambdabuild.store.s3.packs import DamagedError, Member
from lambdabuild.store.s3.segments import Entry, Objects, decode_index, decode_results
from lambdabuild.store.s3.terms import read_terms


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is.

    now:       when it was read: seconds since 1970, by S3's clock.
    objects:   of cas/, by name.
    documents: packs of keys/, by name.
    index:     what each segment of the index says.
    results:   what each segment of results says; all entries have times.
    """

    now: float
    objects: Mapping[str, Listed]
    documents: Mapping[str, Listed]
    index: Mapping[str, Objects]
    results: Mapping[str, Mapping[Key, Entry]]

    def entries(self) -> Iterator[tuple[Key, Entry]]:
        """Yields all results that any segment has, some of them twice."""
        for segment in self.results.values():
            yield from segment.items()

    def members(self) -> Mapping[str, frozenset[Member]]:
        """Returns what lies in each object that is there, as far as the index tells and it is long enough."""
        found: dict[str, set[Member]] = {name: set() for name in self.objects}
        for segment in self.index.values():
            for name in segment.keys() & found.keys():
                size = self.objects[name].size
                found[name].update(m for m in segment[name] if m.offset + m.length <= size)
        return {name: frozenset(members) for name, members in found.items()}


def survey(bucket: Bucket, directory: Path) -> Survey:
    """Returns what a store holds; raises ExternalError where a segment is damaged.

    directory: where copies of segments lie.
    """
    read_terms(bucket)  # refuses a store of another format before anything else is read
    index = _load(bucket, "index", directory)
    objects = named(bucket.list("cas/"))
    documents = named(bucket.list("keys/"))
    results = _load(bucket, "results", directory)
    return Survey(
        index.listing.now,
        objects.objects,
        documents.objects,
        {name: _objects(data) for name, data in index.new.items()},
        {name: _entries(data, results.listing.objects[name].modified) for name, data in results.new.items()},
    )


def _load(bucket: Bucket, kind: str, directory: Path) -> Loaded:
    loaded = SegmentFiles(bucket, kind, directory).load(frozenset())
    for name in sorted(loaded.damaged):
        raise ExternalError(
            f"{bucket}/{kind}/{name} is damaged: what it says is needed is not known",
            hint=f"remove it, then run the same command again: `aws s3 rm {bucket}/{kind}/{name}`",
        )
    return loaded


def _objects(data: bytes) -> Objects:
    try:
        return decode_index(data)
    except DamagedError:
        return {}  # under its right name, so written so; it never told anybody anything


def _entries(data: bytes, written: float) -> Mapping[Key, Entry]:
    try:
        entries = decode_results(data)
    except DamagedError:
        return {}
    return {k: e if e.made is not None else replace(e, made=written) for k, e in entries.items()}
