"""Small packs are merged, and nothing is lost while they are."""

from __future__ import annotations

import random
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.gathering import KEPT, gather
from lambdabuild.store.s3.packs import LARGE
from lambdabuild.store.s3.segments import decode_index, encode_index
from tests.store.front import Front, refusal
from tests.store.s3_place import S3Place


def upload(place: S3Place, *blobs: bytes) -> list[Digest]:
    digests = [digest_of(data) for data in blobs]
    place.store().upload({digest: partial(list, [data]) for digest, data in zip(digests, blobs, strict=True)})
    return digests


def read(place: S3Place, digest: Digest) -> bytes:
    return b"".join(place.store().pieces(digest))


def some_packs(place: S3Place, count: int = 6) -> dict[Digest, bytes]:
    """Returns what is in them: in each something of its own, small and less small."""
    found: dict[Digest, bytes] = {}
    for number in range(count):
        blobs = [b"document %d" % number, random.Random(number).randbytes(3000)]
        found |= zip(upload(place, *blobs), blobs, strict=True)
    return found


def test_everything_is_found_in_fewer_packs(place: S3Place) -> None:
    blobs = some_packs(place)
    assert len(place.names("cas")) == 6
    assert gather(place.bucket())
    assert len(place.names("cas")) <= KEPT
    assert not gather(place.bucket())
    assert {digest: read(place, digest) for digest in blobs} == blobs
    assert place.store().missing(blobs) == set()


def test_documents_lie_together(place: S3Place) -> None:
    small = [digest for digest in some_packs(place) if digest.size < 100]
    gather(place.bucket(), keep=1)
    before = place.usage()
    assert len(dict(place.store().read_all(small))) == len(small)
    (asked,) = [n for name, n in (place.usage() - before).requests.items() if name == "s3:GetObject"]
    assert asked <= 1 + len(place.names("index")) + 1  # store.json, the index, and the documents


def test_who_looked_before_reads_after_it(place: S3Place) -> None:
    blobs = some_packs(place)
    early = place.store()
    assert early.missing(blobs) == set()
    assert gather(place.bucket(), keep=1)
    assert dict(early.read_all(blobs)) == blobs


def test_large_blobs_stay_where_they_are(place: S3Place) -> None:
    (large,) = upload(place, random.Random(1).randbytes(LARGE))
    where = place.objects_of(large)
    some_packs(place)
    assert gather(place.bucket(), keep=1)
    assert place.objects_of(large) == where


def test_a_pack_that_the_index_does_not_tell_all_of_stays(place: S3Place) -> None:
    blobs = some_packs(place)
    hidden = next(iter(blobs))
    (name,) = place.objects_of(hidden)
    for segment in place.names("index"):
        objects = decode_index(place.get(f"index/{segment}"))
        if name in objects:
            part = encode_index({name: [m for m in objects[name] if m.digest != hidden]})
            place.remove(f"index/{segment}")
            place.put(f"index/{digest_of(part).hash}", part)
    assert gather(place.bucket(), keep=1)
    assert name in place.names("cas")
    assert {digest: read(place, digest) for digest in blobs if digest != hidden}.items() <= blobs.items()


def test_a_damaged_pack_is_not_merged(place: S3Place) -> None:
    blobs = some_packs(place)
    (name,) = place.objects_of(next(iter(blobs)))
    data = bytearray(place.get(f"cas/{name}"))
    data[0] ^= 1
    place.put(f"cas/{name}", bytes(data))
    gather(place.bucket(), keep=1)
    assert place.get(f"cas/{name}") == data


def test_who_was_killed_before_deleting_is_no_hindrance(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = some_packs(place)
    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "delete", lambda self, name: False)
        assert not gather(place.bucket(), keep=1)
    assert len(place.names("cas")) == 7
    gather(place.bucket(), keep=1)
    assert len(place.names("cas")) == 1
    assert {digest: read(place, digest) for digest in blobs} == blobs


def test_a_role_that_may_not_delete_loses_nothing(fronted: S3Place, front: Front) -> None:
    blobs = some_packs(fronted)
    front.plan("DELETE", "/cas/", *[refusal(403, "AccessDenied")] * 6)
    assert not gather(fronted.bucket(), keep=1)
    assert {digest: read(fronted, digest) for digest in blobs} == blobs


@settings(max_examples=10)
@given(st.lists(st.sets(st.binary(max_size=30), min_size=1, max_size=4), min_size=2, max_size=6))
def test_blobs_in_several_packs_are_kept_once(
    tmp_path_factory: pytest.TempPathFactory, packs: list[set[bytes]]
) -> None:
    place = S3Place(tmp_path_factory.mktemp("place"))
    digests = {digest for blobs in packs for digest in upload(place, *blobs)}
    gather(place.bucket(), keep=1)
    assert all(digest_of(read(place, digest)) == digest for digest in digests)
