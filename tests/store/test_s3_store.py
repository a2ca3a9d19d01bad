"""S3Store: what it costs, what expires, what is damaged, who races."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdabuild.digest import Digest, digest_of, key_of
from lambdabuild.errors import ExternalError, UserError
from lambdabuild.store.s3.compaction import compact
from lambdabuild.store.s3.index import Place
from lambdabuild.store.s3.packs import STORED, Member
from lambdabuild.store.s3.reading import GAP, SPAN, spans_of
from lambdabuild.store.s3.segments import encode_index
from lambdabuild.store.s3.store import S3Store
from tests.store.front import Front, cut_short, flipped, refusal
from tests.store.s3_place import S3Place

DAY = 86_400
LARGE = random.Random(2).randbytes(2 << 20)
SMALL = {digest_of(b"small %d" % i): b"small %d" % i for i in range(5)}
TERMS = b'{"format":1,"blob_days":60,"result_days":30}'


def sources(blobs: Iterable[bytes]) -> Mapping[Digest, Callable[[], Iterable[bytes]]]:
    return {digest_of(data): lambda data=data: [data] for data in blobs}  # type: ignore[misc]


def read(store: S3Store, digest: Digest) -> bytes:
    return b"".join(store.pieces(digest))


# --- what it costs -----------------------------------------------------------


def test_ten_thousand_files_cost_few_requests_to_send_to_find_and_to_read(place: S3Place) -> None:
    chance = random.Random(1)
    blobs = sources(chance.randbytes(chance.randrange(10, 4990)) for _ in range(13_200))
    before = place.usage()
    told: list[int] = []
    store = S3Store(place.bucket(), place.directory(), clock=lambda: 0)
    uploaded = store.upload(blobs, told.append)
    assert (uploaded.blobs, uploaded.bytes) == (len(blobs), sum(digest.size for digest in blobs))
    assert sum(told) == uploaded.bytes
    spent = (place.usage() - before).requests
    assert sum(count for name, count in spent.items() if name == "s3:PutObject") <= 60
    for i in range(200):
        store.upload(sources([b"%d %d" % (i, j) for j in range(3)]))
        if i % 20 == 19:
            compact(place.bucket(), "index")
    keys = [key_of("k", i) for i in range(1000)]
    place.cache().record_all([(key, b"result", b"document") for key in keys])
    before = place.usage()
    fresh = place.store()
    assert fresh.missing(blobs) == set()
    assert len(place.cache().lookup(keys)) == 1000
    assert sum((place.usage() - before).requests.values()) <= 20
    before = place.usage()
    assert {digest: digest_of(data) for digest, data in fresh.read_all(blobs)} == {d: d for d in blobs}
    assert sum((place.usage() - before).requests.values()) <= 20


def test_three_small_blobs_cost_two_requests_and_little_more_than_their_bytes(place: S3Place) -> None:
    store = S3Store(place.bucket(), place.directory(), clock=lambda: 0)
    blobs = sources(random.Random(1).randbytes(100) for _ in range(3))
    assert store.missing(blobs) == blobs.keys()
    before = place.usage()
    uploaded = store.upload(blobs)
    spent = place.usage() - before
    assert dict(spent.requests) == {"s3:PutObject": 2}
    assert spent.sent - uploaded.compressed < 400
    before = place.usage()
    assert store.upload(blobs).blobs == 0
    assert place.usage() == before


def test_what_is_not_known_is_looked_for_again_when_the_listing_is_old(place: S3Place) -> None:
    now = 0.0
    store = S3Store(place.bucket(), place.directory(), clock=lambda: now)
    assert store.missing(SMALL) == SMALL.keys()
    place.store().upload(sources(SMALL.values()))
    now = 1.9
    assert store.missing(SMALL) == SMALL.keys()
    now = 2.1
    assert store.missing(SMALL) == set()
    before = place.usage()
    now = 100.0
    assert store.missing(SMALL) == set()
    assert place.usage() == before
    place.store().put(b"new")
    store.refresh()
    assert read(store, digest_of(b"new")) == b"new"


def places(*parts: tuple[str, int, int]) -> list[tuple[Digest, Place]]:
    return [
        (Digest("0" * 64, 1), Place(name, 1 << 30, offset, length, STORED)) for name, offset, length in parts
    ]


def test_near_members_are_asked_for_together() -> None:
    spans = spans_of(
        places(("b", 0, 9), ("a", 10 + GAP, 5), ("a", 0, 10), ("a", 20 + 2 * GAP, 1), ("a", 2, 3))
    )
    assert [(s.name, s.offset, s.length, len(s.blobs)) for s in spans] == [
        ("a", 0, 15 + GAP, 3),
        ("a", 20 + 2 * GAP, 1, 1),
        ("b", 0, 9, 1),
    ]
    many = spans_of(places(*(("a", i << 16, 1 << 16) for i in range(300))))
    assert [s.length for s in many] == [SPAN, SPAN, (300 << 16) - 2 * SPAN]
    assert spans_of([]) == []


# --- what is sent ------------------------------------------------------------


def test_large_blobs_compress_where_that_helps(place: S3Place) -> None:
    zeros, mixed = bytes(3 << 20), random.Random(3).randbytes(1 << 20) + bytes(2 << 20)
    for data, most in ((zeros, 10_000), (mixed, len(mixed)), (LARGE, len(LARGE))):
        uploaded = place.store().upload(sources([data]))
        assert uploaded.compressed <= most
        assert read(place.store(), digest_of(data)) == data


def test_a_blob_that_changes_while_it_is_read_is_not_sent(place: S3Place) -> None:
    for wrong in (b"other", b"small 00", LARGE):
        with pytest.raises(ExternalError, match="are not those of"):
            place.store().upload({digest_of(b"small 0"): lambda wrong=wrong: [wrong]})  # type: ignore[misc]
    with pytest.raises(ExternalError, match="are not those of"):
        place.store().upload({digest_of(LARGE): lambda: [LARGE[:-1]]})
    assert place.names("cas") == place.names("index") == []


@pytest.mark.parametrize("data", [b"small 0", LARGE])
def test_an_error_of_a_source_ends_the_upload_and_leaves_no_index(place: S3Place, data: bytes) -> None:
    def changed() -> Iterable[bytes]:
        yield data[:3]
        raise UserError("a.py has changed")

    with pytest.raises(UserError, match=r"a\.py has changed"):
        place.store().upload({**sources(SMALL.values()), digest_of(data): changed})
    assert place.names("index") == []


def test_who_repeats_an_upload_that_was_killed_sends_only_the_index(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = sources([*SMALL.values(), LARGE])
    with monkeypatch.context() as patched:
        patched.setattr("lambdabuild.store.s3.index.encode_index", lambda objects: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            place.store().upload(blobs)
    assert len(place.names("cas")) == 2
    before = place.usage()
    place.store().upload(blobs)
    assert (place.usage() - before).requests["s3:PutObject"] == 1
    assert place.store().missing(blobs) == set()


def test_two_writers_of_the_same_blobs_both_succeed(place: S3Place) -> None:
    blobs = sources([*SMALL.values(), LARGE])
    stores = [place.store() for _ in range(4)]
    for store in stores:
        store.refresh()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda store: store.upload(blobs), stores))
    assert len(place.names("cas")) == 2
    assert dict(place.store().read_all(blobs)) == {**SMALL, digest_of(LARGE): LARGE}


# --- what expires ------------------------------------------------------------


@pytest.mark.parametrize("data", [b"small", LARGE])
def test_what_is_near_its_expiry_is_missing_and_is_replaced(place: S3Place, data: bytes) -> None:
    place.put("store.json", TERMS)
    digest = place.store().put(data)
    (name,) = place.names("cas")
    place.age(f"cas/{name}", 52 * DAY)
    assert place.store().missing([digest]) == set()
    place.age(f"cas/{name}", 2 * DAY)
    assert place.store().missing([digest]) == {digest}
    assert read(place.store(), digest) == data
    store = place.store()
    store.refresh()
    other = place.store()
    assert other.put(data) == digest
    assert store.put(data) == digest  # its ETag was that of the old one; the new one is the same again
    assert place.names("cas") == [name]
    assert place.store().missing([digest]) == set()


def test_what_is_near_its_expiry_and_removed_meanwhile_is_created(place: S3Place) -> None:
    place.put("store.json", TERMS)
    digest = place.store().put(LARGE)
    (name,) = place.names("cas")
    place.age(f"cas/{name}", 54 * DAY)
    store = S3Store(place.bucket(), place.directory(), clock=lambda: 0)
    assert store.missing([digest]) == {digest}
    place.remove(f"cas/{name}")
    store.put(LARGE)
    assert place.names("cas") == [name]


def test_members_of_an_old_pack_go_into_a_new_one(place: S3Place) -> None:
    place.put("store.json", TERMS)
    place.store().upload(sources(SMALL.values()))
    (old,) = place.names("cas")
    place.age(f"cas/{old}", 54 * DAY)
    some = dict(itertools.islice(SMALL.items(), 2))
    place.store().upload(sources(some.values()))
    assert place.store().missing(SMALL) == SMALL.keys() - some.keys()
    place.remove(f"cas/{old}")
    assert dict(place.store().read_all(some)) == some


def test_a_short_life_has_a_margin_of_a_quarter(place: S3Place) -> None:
    place.put("store.json", TERMS.replace(b"60", b"4"))
    digest = place.store().put(b"x")
    (name,) = place.names("cas")
    place.age(f"cas/{name}", 2.9 * DAY)
    assert place.store().missing([digest]) == set()
    place.age(f"cas/{name}", 0.2 * DAY)
    assert place.store().missing([digest]) == {digest}


def test_without_terms_nothing_expires(place: S3Place) -> None:
    digest = place.store().put(b"x")
    (name,) = place.names("cas")
    place.age(f"cas/{name}", 5000 * DAY)
    assert place.store().missing([digest]) == set()


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        (b'{"format":2}', UserError),
        (b"{", ExternalError),
        (b"[" * 60_000, ExternalError),
        (b'{"format":1}', ExternalError),
        (b'{"format":1,"blob_days":0,"result_days":1}', ExternalError),
        (b'{"format":1,"blob_days":"60","result_days":1}', ExternalError),
        (b'{"format":1,"blob_days":1e999,"result_days":1}', ExternalError),
        (b"[]", ExternalError),
    ],
)
def test_terms_that_say_something_else_are_told(place: S3Place, terms: bytes, error: type[Exception]) -> None:
    place.put("store.json", terms)
    with pytest.raises(error, match="store"):
        place.store().missing(SMALL)
    with pytest.raises(error, match="store"):
        place.cache().lookup([key_of("k", 1)])


# --- what is damaged, gone or told wrongly -----------------------------------


def test_of_two_places_the_right_one_is_read_and_the_damaged_one_removed(place: S3Place) -> None:
    digest = digest_of(b"small 0")
    place.store().put(b"small 0")
    (first,) = place.names("cas")
    place.store().forget(())
    twice = place.store()
    twice.forget([digest]) if not twice.missing([digest]) else None
    twice.upload(sources([b"small 0", b"other"]))
    (second,) = set(place.names("cas")) - {first}
    place.age(f"cas/{first}", 10)
    place.put(f"cas/{second}", b"x" * len(place.get(f"cas/{second}")))
    assert read(place.store(), digest) == b"small 0"
    assert place.names("cas") == [first]


def test_a_damaged_pack_is_removed_whole_and_made_again(place: S3Place) -> None:
    place.store().upload(sources(SMALL.values()))
    (name,) = place.names("cas")
    data = place.get(f"cas/{name}")
    place.put(f"cas/{name}", bytes([data[0] ^ 1]) + data[1:])
    store = place.store()
    with pytest.raises(ExternalError, match="damaged and has been removed"):
        dict(store.read_all(SMALL))
    assert place.names("cas") == []
    assert store.missing(SMALL) == SMALL.keys()
    store.upload(sources(SMALL.values()))
    assert dict(place.store().read_all(SMALL)) == SMALL


def test_what_may_not_be_removed_is_missing_for_who_has_found_it(fronted: S3Place, front: Front) -> None:
    store = fronted.store()
    store.upload(sources(SMALL.values()))
    (name,) = fronted.names("cas")
    fronted.put(f"cas/{name}", b"x" * len(fronted.get(f"cas/{name}")))
    front.plan("DELETE", "/cas/", refusal(403, "AccessDenied"))
    digest = digest_of(b"small 0")
    with pytest.raises(ExternalError, match=r"was damaged: "):
        read(store, digest)
    assert digest in store.missing(SMALL)
    store.upload(sources(SMALL.values()))
    assert dict(fronted.store().read_all(SMALL)) == SMALL


def test_what_may_not_be_removed_is_emptied_and_so_missing_for_everybody(
    fronted: S3Place, front: Front
) -> None:
    for blobs in (SMALL, {digest_of(LARGE): LARGE}):
        known = set(fronted.names("cas"))
        fronted.store().upload(sources(blobs.values()))
        (name,) = set(fronted.names("cas")) - known
        fronted.put(f"cas/{name}", b"x" * len(fronted.get(f"cas/{name}")))
        front.plan("DELETE", "/cas/", refusal(403, "AccessDenied"))
        with pytest.raises(ExternalError, match=r"was damaged: "):
            read(fronted.store(), next(iter(blobs)))
        other = fronted.store()
        assert other.missing(blobs) == blobs.keys()
        other.upload(sources(blobs.values()))
        assert dict(fronted.store().read_all(blobs)) == blobs


def test_what_is_damaged_on_its_way_is_read_again(fronted: S3Place, front: Front) -> None:
    fronted.store().upload(sources([*SMALL.values(), LARGE]))
    for digest, data in {**SMALL, digest_of(LARGE): LARGE}.items():
        store = fronted.store()
        front.plan("GET", "/cas/", flipped)
        assert read(store, digest) == data
    front.plan("GET", "/cas/", cut_short(1 << 20))
    assert read(fronted.store(), digest_of(LARGE)) == LARGE
    front.plan("GET", "/index/", flipped)
    assert fronted.store().missing(SMALL) == set()
    front.plan("GET", "/index/", flipped, flipped, flipped)
    assert fronted.store().missing(SMALL) in (set(), SMALL.keys())
    assert len(fronted.names("cas")) == 2


def test_a_forgotten_blob_is_missing_until_it_is_put_again(place: S3Place) -> None:
    store = place.store()
    digest = store.put(b"small 0")
    store.forget([digest])
    assert store.missing([digest]) == {digest}
    store.refresh()
    assert store.missing([digest]) == {digest}
    store.put(b"small 0")
    assert store.missing([digest]) == set()
    assert read(store, digest) == b"small 0"


def test_an_object_that_vanished_is_looked_for_elsewhere(place: S3Place) -> None:
    store = S3Store(place.bucket(), place.directory(), clock=lambda: 0)
    digest = store.put(b"small 0")
    (name,) = place.names("cas")
    place.remove(f"cas/{name}")
    other = place.store()
    other.upload(sources([b"small 0", b"small 1"]))
    assert read(store, digest) == b"small 0"
    for name in place.names("cas"):
        place.remove(f"cas/{name}")
    with pytest.raises(ExternalError, match="has no blob"):
        read(store, digest)
    with pytest.raises(ExternalError, match="has no blob"):
        dict(store.read_all([digest]))


def write_index(place: S3Place, objects: Mapping[str, list[Member]]) -> None:
    data = encode_index(objects)
    place.put(f"index/{digest_of(data).hash}", data)


def test_a_hostile_index_hides_no_right_place_and_removes_no_right_object(place: S3Place) -> None:
    place.store().upload(sources(SMALL.values()))
    (name,) = place.names("cas")
    size = len(place.get(f"cas/{name}"))
    for digest in SMALL:
        write_index(place, {name: [Member(digest, size - digest.size, digest.size, STORED)]})
    write_index(
        place, {name: [Member(digest_of(b"none"), 0, 4, STORED), Member(digest_of(b""), size, 0, STORED)]}
    )
    write_index(place, {name: [Member(digest_of(b"huge"), 1 << 40, 4, STORED)]})
    write_index(place, {"0" * 64: [Member(digest, 0, digest.size, STORED) for digest in SMALL]})
    for merged in (False, True):
        if merged:
            compact(place.bucket(), "index", keep=1)
        assert place.store().missing([*SMALL, digest_of(b"huge")]) == {digest_of(b"huge")}
        assert dict(place.store().read_all(SMALL)) == SMALL
        assert {digest: read(place.store(), digest) for digest in SMALL} == SMALL
        with pytest.raises(ExternalError, match="damaged"):
            read(place.store(), digest_of(b"none"))
        assert place.names("cas") == [name]


def test_a_digest_of_a_huge_size_allocates_nothing(place: S3Place) -> None:
    place.store().put(b"small 0")
    (name,) = place.names("cas")
    huge = Digest("0" * 64, 1 << 49)
    write_index(place, {name: [Member(huge, 0, 7, STORED), Member(huge, 0, 7, 1)]})
    with pytest.raises(ExternalError):
        read(place.store(), huge)


def test_files_on_their_way_are_gone_afterwards(place: S3Place) -> None:
    directory = place.directory()
    store = S3Store(place.bucket(), directory)
    digest = store.put(LARGE)
    pieces = store.pieces(digest)
    next(iter(pieces))
    pieces.close()  # type: ignore[attr-defined]
    assert [path for path in directory.rglob("*") if path.name.startswith("spool-")] == []
    assert os.listdir(directory)
