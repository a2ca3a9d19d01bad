"""S3ActionCache beyond the contract: many at once, time, damage that cannot be removed."""

from __future__ import annotations

import pytest

from lambdabuild.digest import digest_of, key_of
from lambdabuild.errors import ExternalError
from lambdabuild.store.s3.cache import S3ActionCache
from lambdabuild.store.s3.compaction import compact
from lambdabuild.store.s3.segments import Document, Entry, encode_results
from tests.store.front import Front, flipped, flipped_in_secret, refusal
from tests.store.s3_place import S3Place

DAY = 86_400
KEYS = [key_of("k", i) for i in range(500)]
TERMS = b'{"format":1,"blob_days":60,"result_days":30}'


def test_many_results_are_one_segment_and_one_pack(place: S3Place) -> None:
    cache = S3ActionCache(place.bucket(), place.directory(), clock=lambda: 0)
    cache.lookup(KEYS)
    before = place.usage()
    cache.record_all([(key, b"result of %d" % i, b"document %d" % (i % 3)) for i, key in enumerate(KEYS)])
    assert dict((place.usage() - before).requests) == {"s3:PutObject": 2}
    assert place.cache().lookup(KEYS) == {key: b"result of %d" % i for i, key in enumerate(KEYS)}
    assert [place.cache().document(key) for key in KEYS[:4]] == [b"document %d" % (i % 3) for i in range(4)]
    cache.record_all([])
    assert len(place.names("results")) == 1


def test_documents_are_there_before_results(fronted: S3Place, front: Front) -> None:
    cache = fronted.cache()
    cache.record(KEYS[0], b"r", b"d")
    assert [a.path.split("/")[-2] for a in front.asked if a.method == "PUT"] == ["keys", "results"]


def test_what_is_not_known_is_looked_for_again_when_the_listing_is_old(place: S3Place) -> None:
    now = 0.0
    cache = S3ActionCache(place.bucket(), place.directory(), clock=lambda: now)
    assert cache.lookup(KEYS[:2]) == {}
    place.cache().record(KEYS[0], b"r", b"d")
    now = 1.9
    assert cache.lookup(KEYS[:1]) == {}
    now = 2.1
    assert cache.lookup(KEYS[:1]) == {KEYS[0]: b"r"}
    now, before = 100.0, place.usage()
    assert cache.lookup(KEYS[:1]) == {KEYS[0]: b"r"}
    assert place.usage() == before


def test_a_result_near_its_expiry_is_none(place: S3Place) -> None:
    place.put("store.json", TERMS)
    place.cache().record(KEYS[0], b"r", b"d")
    segment = f"results/{place.segment_of(KEYS[0])}"
    place.age(segment, 22 * DAY)
    assert place.cache().lookup(KEYS[:1]) == {KEYS[0]: b"r"}
    place.age(segment, 2 * DAY)
    assert place.cache().lookup(KEYS[:1]) == {}
    place.cache().record(KEYS[0], b"r2", b"d")
    assert place.cache().lookup(KEYS[:1]) == {KEYS[0]: b"r2"}


def test_of_two_results_the_one_counts_whose_writer_knew_the_other(place: S3Place) -> None:
    """S3 tells times in seconds, so two may be equal; who has written first may even seem to be younger."""
    place.cache().record(KEYS[0], b"first", b"d")
    place.age(f"results/{place.segment_of(KEYS[0])}", -5)
    place.cache().record(KEYS[0], b"and second", b"d")
    for _ in range(2):
        assert place.cache().lookup(KEYS[:1]) == {KEYS[0]: b"and second"}
        compact(place.bucket(), "results", keep=1)


def test_damaged_results_that_may_not_be_removed_are_none(fronted: S3Place, front: Front) -> None:
    fronted.cache().record(KEYS[0], b"r", b"d")
    fronted.cache().record(KEYS[1], b"r", b"d")
    fronted.put(f"results/{fronted.segment_of(KEYS[0])}", b"damaged")
    front.plan("DELETE", "/results/", refusal(403, "AccessDenied"))
    cache = fronted.cache()
    assert cache.lookup(KEYS[:2]) == {KEYS[1]: b"r"}
    before = fronted.usage()
    assert cache.lookup(KEYS[:2]) == {KEYS[1]: b"r"}
    assert dict((fronted.usage() - before).requests) == {"s3:ListObjectsV2": 1}


def test_results_damaged_on_their_way_are_read_again(fronted: S3Place, front: Front) -> None:
    fronted.cache().record(KEYS[0], b"r", b"d")
    for fault in (flipped, flipped_in_secret):
        front.plan("GET", "/results/", fault)
        assert fronted.cache().lookup(KEYS[:1]) == {KEYS[0]: b"r"}
        assert front.faults == []


def test_a_damaged_copy_on_disk_is_read_again_from_the_bucket(place: S3Place) -> None:
    place.cache().record(KEYS[0], b"r", b"d")
    directory = place.directory()
    assert S3ActionCache(place.bucket(), directory).lookup(KEYS[:1])
    (copy,) = (path for path in directory.rglob("*") if path.is_file())
    copy.write_bytes(b"damaged")
    assert S3ActionCache(place.bucket(), directory).lookup(KEYS[:1]) == {KEYS[0]: b"r"}
    before = place.usage()
    assert S3ActionCache(place.bucket(), directory).lookup(KEYS[:1]) == {KEYS[0]: b"r"}
    assert dict((place.usage() - before).requests) == {"s3:GetObject": 1, "s3:ListObjectsV2": 1}


@pytest.mark.parametrize("how", ["damaged", "gone", "beyond", "bomb"])
def test_a_document_that_is_not_what_it_should_be_is_no_document(place: S3Place, how: str) -> None:
    pack = b"document"
    name = digest_of(pack).hash
    if how != "gone":
        place.put(f"keys/{name}", b"Document" if how == "damaged" else pack)
    document = Document(
        name, 0, 90 if how == "beyond" else 8, 90 if how == "beyond" else 8, int(how == "bomb")
    )
    data = encode_results({KEYS[0]: Entry(b"r", 1, None, document)})
    place.put(f"results/{digest_of(data).hash}", data)
    assert place.cache().lookup(KEYS[:1]) == {KEYS[0]: b"r"}
    if how == "gone":
        assert place.cache().document(KEYS[0]) is None
    else:
        with pytest.raises(ExternalError, match="is damaged"):
            place.cache().document(KEYS[0])
