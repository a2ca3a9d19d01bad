"""Fewer segments: several are merged into one, so that a fresh client needs few requests.

The merged segment is written before those in it are deleted, so whatever
happens in between, nothing is lost, and what is told twice does no harm. A
segment is only deleted by who has read it. Two who merge at once merge some
segments twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lambdabuild.digest import digest_of
from lambdabuild.store.s3.bucket import Bucket, Listing
from lambdabuild.store.s3.loading import named
from lambdabuild.store.s3.packs import DamagedError
from lambdabuild.store.s3.segments import (
    STORED_LIMIT,
    decode_index,
    decode_results,
    encode_index,
    encode_results,
    merge_indexes,
    merge_results,
)
from lambdabuild.store.s3.terms import read_terms

MERGED = 16 << 20
"""Stored bytes of segments above which they are left alone, so that a merged one can always be read."""


KEPT = 4
"""Segments of a kind that a merge leaves."""

MOST = 12
"""Segments of a kind above which who adds one merges some."""


def chosen(sizes: Mapping[str, int], keep: int) -> Sequence[str]:
    """Returns which segments to merge so that at most `keep` are left; none if there are no more.

    The smallest ones go, and every larger one that is not twice as large as what is merged already.
    So sizes stay geometric, and a segment is rewritten a logarithmic number of times in its life.
    """
    rising = sorted((size, name) for name, size in sizes.items() if size <= MERGED)
    if len(rising) <= keep:
        return []
    count = len(rising) - keep + 1
    total = sum(size for size, _ in rising[:count])
    while count < len(rising) and rising[count][0] < 2 * total and total + rising[count][0] <= 2 * MERGED:
        total += rising[count][0]
        count += 1
    return [name for _, name in rising[:count]]


def compact(bucket: Bucket, kind: str, keep: int = KEPT) -> bool:
    """Returns whether segments were merged.

    kind: "index" or "results".
    keep: how many segments there may be.
    """
    listing = named(bucket.list(f"{kind}/"))
    names = chosen({name: listed.size for name, listed in listing.objects.items()}, keep)
    read = _read(bucket, kind, names)
    if len(read) < 2:
        return False
    data = _merged_index(bucket, read) if kind == "index" else _merged_results(bucket, read, listing)
    if data is not None:
        bucket.create(f"{kind}/{digest_of(data).hash}", data)
    # The first one that this role may not delete tells that it may delete none.
    return all(bucket.delete(f"{kind}/{name}") for name in read)


def _read(bucket: Bucket, kind: str, names: Sequence[str]) -> Mapping[str, bytes]:
    """Returns those segments that are there and are what their names say."""
    found = {name: bucket.read(f"{kind}/{name}", limit=STORED_LIMIT) for name in names}
    return {n: s.data for n, s in found.items() if s is not None and digest_of(s.data).hash == n}


def _merged_index(bucket: Bucket, read: Mapping[str, bytes]) -> bytes | None:
    # Listed after the segments: an object that is not there by now was not only not there yet.
    held = {name: listed.size for name, listed in bucket.list("cas/").objects.items()}
    segments = []
    for data in read.values():
        try:
            segments.append(decode_index(data))
        except DamagedError:
            continue  # under its right name, so it never told anything
    objects = merge_indexes(segments, held)
    return encode_index(objects) if objects else None


def _merged_results(bucket: Bucket, read: Mapping[str, bytes], listing: Listing) -> bytes | None:
    segments = []
    for name, data in read.items():
        try:
            segments.append((decode_results(data), listing.objects[name].modified))
        except DamagedError:
            continue
    entries = merge_results(segments, listing.now - read_terms(bucket).results)
    return encode_results(entries) if entries else None
