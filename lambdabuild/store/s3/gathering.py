"""Fewer packs: small ones are merged into one, so that what was made bit by bit is read with few requests.

A merged pack has its members sorted by size: documents, which everybody reads,
lie together before the layers, which few do. It and its index segment are written
before the packs that it holds are deleted. Who looked before and reads after that
finds one gone, looks again, and finds the merged one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from lambdabuild.digest import digest_of
from lambdabuild.store.s3.bucket import Bucket, Listed
from lambdabuild.store.s3.compaction import MERGED, chosen
from lambdabuild.store.s3.loading import named
from lambdabuild.store.s3.packs import LARGE, DamagedError, Member, Pack
from lambdabuild.store.s3.segments import STORED_LIMIT, decode_index, encode_index

KEPT = 3
"""Small packs that are left."""


def gather(bucket: Bucket, keep: int = KEPT) -> bool:
    """Returns whether packs were merged.

    keep: how many small packs there may be.
    """
    members = _members(bucket)
    objects = named(bucket.list("cas/")).objects
    both = members.keys() & objects.keys()
    small = {n: objects[n].size for n in both if _is_pack(members[n], objects[n].size)}
    packs = _read(bucket, chosen(small, keep))
    if len(packs) < 2:
        return False
    stored = {member: piece for n, data in packs.items() for member, piece in cut(members[n], data).items()}
    merged = pack_of(stored)
    if not write_pack(bucket, merged, objects.get(merged.name)):
        return False
    # The first one that this role may not delete tells that it may delete none.
    return all(bucket.delete(f"cas/{name}") for name in packs.keys() - {merged.name})


def _members(bucket: Bucket) -> Mapping[str, Collection[Member]]:
    """Returns what the index says is in each object."""
    found: dict[str, set[Member]] = {}
    for segment in named(bucket.list("index/")).objects:
        stored = bucket.read(f"index/{segment}", limit=STORED_LIMIT)
        try:
            objects = decode_index(stored.data) if stored else {}
        except DamagedError:
            continue
        for name, members in objects.items():
            found.setdefault(name, set()).update(members)
    return found


def _is_pack(members: Collection[Member], size: int) -> bool:
    """Returns whether an object is a pack that may be merged: of each of its bytes it is known what it is.

    An index that hides a member, by whoever wrote it, so loses nothing.
    """
    end = 0
    for member in sorted(members, key=lambda m: (m.offset, m.length)):
        if member.offset != end or member.digest.size >= LARGE:
            return False
        end += member.length
    return end == size <= MERGED


def _read(bucket: Bucket, names: Iterable[str]) -> Mapping[str, bytes]:
    """Returns those packs that are there and are what their names say."""
    found = {name: bucket.read(f"cas/{name}", limit=MERGED) for name in names}
    return {n: s.data for n, s in found.items() if s is not None and digest_of(s.data).hash == n}


def cut(members: Iterable[Member], data: bytes) -> Mapping[Member, bytes]:
    """Returns members as they are stored in a pack with these bytes."""
    return {m: data[m.offset : m.offset + m.length] for m in members}


def write_pack(bucket: Bucket, pack: Pack, known: Listed | None) -> bool:
    """Returns whether a pack is written, and young, and in the index. known: what is there of its name."""
    # One of these bytes may be about to expire: it is written again.
    if not bucket.replace(f"cas/{pack.name}", pack.data, known.etag if known else None):
        return False
    segment = encode_index({pack.name: pack.members})
    bucket.create(f"index/{digest_of(segment).hash}", segment)
    return True


def pack_of(stored: Mapping[Member, bytes]) -> Pack:
    """Returns a pack of these members, as they are stored."""
    pieces: list[bytes] = []
    members: list[Member] = []
    end = 0
    unique = {member.digest: member for member in stored}
    for member in sorted(unique.values(), key=lambda m: (m.digest.size, m.digest.hash)):
        pieces.append(stored[member])
        members.append(member._replace(offset=end))
        end += member.length
    data = b"".join(pieces)
    return Pack(digest_of(data).hash, data, members)
