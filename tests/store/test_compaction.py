"""Which segments are merged, and that nothing is lost while they are."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of, key_of
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.compaction import MERGED, chosen, compact
from lambdabuild.store.s3.segments import decode_results
from tests.store.front import Front, refusal
from tests.store.s3_place import S3Place

sizes = st.dictionaries(st.text(min_size=1, max_size=3), st.integers(1, 2 * MERGED), max_size=20)


@given(sizes, st.integers(1, 6))
def test_what_is_chosen_is_merged_to_at_most_as_many_as_may_be(found: dict[str, int], keep: int) -> None:
    names = chosen(found, keep)
    mergeable = {name for name, size in found.items() if size <= MERGED}
    assert len(set(names)) == len(names)
    assert set(names) <= mergeable
    if len(mergeable) <= keep:
        assert names == []
    else:
        assert len(names) >= 2
        assert len(mergeable) - len(names) + 1 <= keep
        assert max(found[n] for n in names) <= min((found[n] for n in mergeable - {*names}), default=MERGED)


def test_a_segment_is_rewritten_a_logarithmic_number_of_times() -> None:
    found: dict[str, int] = {}
    written = 0
    for i in range(2000):
        found[f"new {i}"] = 1
        names = chosen(found, 4)
        if names:
            size = sum(found.pop(name) for name in names)
            found[f"merged {i}"] = size
            written += size
        assert len(found) <= 4
    assert written < 2000 * 4 * math.log2(2000)


def uploads(place: S3Place, count: int) -> list[Digest]:
    return [place.store().put(b"%d" % i) for i in range(count)]


def test_everything_is_found_in_fewer_segments(place: S3Place) -> None:
    digests = uploads(place, 9)
    assert len(place.names("index")) == 9
    assert compact(place.bucket(), "index")
    assert len(place.names("index")) <= 4
    assert not compact(place.bucket(), "index")
    assert place.store().missing(digests) == set()


def test_results_are_merged_with_the_times_of_their_making(place: S3Place) -> None:
    for i in range(6):
        place.cache().record(key_of("k", i), b"%d" % i, b"%d" % i)
    place.put("store.json", b'{"format":1,"blob_days":60,"result_days":30}')
    place.age(f"results/{place.segment_of(key_of('k', 0))}", 22 * 86400)
    place.age(f"results/{place.segment_of(key_of('k', 1))}", 24 * 86400)
    assert compact(place.bucket(), "results", keep=1)
    (merged,) = place.names("results")
    assert key_of("k", 1) not in decode_results(place.get(f"results/{merged}"))
    keys = [key_of("k", i) for i in range(6)]
    assert place.cache().lookup(keys) == {keys[i]: b"%d" % i for i in (0, 2, 3, 4, 5)}
    assert place.cache().document(keys[3]) == b"3"
    place.age(f"results/{merged}", -3 * 86400)  # S3's clock goes on; the entries do not get younger
    place.cache().record(key_of("k", 7), b"7", b"7")
    assert compact(place.bucket(), "results", keep=1)
    assert place.cache().lookup(keys[:1]) == {keys[0]: b"0"}


def test_entries_of_objects_that_are_gone_are_dropped(place: S3Place) -> None:
    digests = uploads(place, 3)
    (name,) = place.objects_of(digests[0])
    place.remove(f"cas/{name}")
    compact(place.bucket(), "index", keep=1)
    assert place.objects_of(digests[0]) == set()
    assert place.store().missing(digests) == {digests[0]}


class Watched(Bucket):
    """Calls `before` in front of everything that it does."""

    def __init__(self, bucket: Bucket, before: Callable[[], None]) -> None:
        super().__init__(bucket._client, bucket.name, bucket.prefix, bucket.owner)
        self._before = before

    def request(self, method: str, **parameters: object) -> Any:
        self._before()
        return super().request(method, **parameters)


@pytest.mark.parametrize("number", range(1 + 3 + 1 + 1 + 3))
def test_an_upload_before_any_request_of_a_merge_is_not_undone(place: S3Place, number: int) -> None:
    made = uploads(place, 3)
    requests: list[int] = []

    def upload() -> None:
        if len(requests) == number:
            made.append(place.store().put(b"meanwhile"))
        requests.append(number)

    assert compact(Watched(place.bucket(), upload), "index", keep=1)
    assert len(made) == 4
    assert place.store().missing(made) == set()


def test_who_may_not_delete_merges_once_and_leaves_it(fronted: S3Place, front: Front) -> None:
    store = fronted.store()
    front.plan("DELETE", "/index/", *[refusal(403, "AccessDenied")] * 3)
    for i in range(16):
        store.put(b"%d" % i)
    assert len(front.faults) == 2
    assert len(fronted.names("index")) == 17


def test_a_client_merges_when_there_are_many(place: S3Place) -> None:
    store = place.store()
    digests = []
    for i in range(30):
        digests.append(store.put(b"%d" % i))
        assert len(place.names("index")) <= 13
    cache = place.cache()
    for i in range(30):
        cache.record(key_of("k", i), b"r", b"d")
        assert len(place.names("results")) <= 13
    assert place.store().missing(digests) == set()
    assert len(place.cache().lookup([key_of("k", i) for i in range(30)])) == 30


def test_a_reader_lists_again_when_a_segment_has_been_merged_away(
    place: S3Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = uploads(place, 6)
    original = Bucket.read

    def read(self: Bucket, key: str, *rest: object, **named: object) -> object:
        if key.startswith("index/"):
            monkeypatch.undo()
            compact(place.bucket(), "index", keep=1)
        return original(self, key, *rest, **named)  # type: ignore[arg-type]

    store = place.store()
    monkeypatch.setattr(Bucket, "read", read)
    assert store.missing(digests) == set()
    assert len(place.names("index")) == 1


def test_copies_of_segments_that_are_gone_do_not_pile_up(place: S3Place) -> None:
    uploads(place, 6)
    store = place.store()
    store.missing([digest_of(b"")])
    compact(place.bucket(), "index", keep=1)
    store.refresh()
    kept = [path.name for path in Path(store._directory).rglob("*") if len(path.name) == 64]
    assert kept == place.names("index")


def test_random_is_not_merged(place: S3Place) -> None:
    """What is no segment under its own name is neither believed nor in the way."""
    data = random.Random(1).randbytes(100)
    place.put(f"index/{digest_of(data).hash}", data)
    place.put("index/other", b"")
    digests = uploads(place, 3)
    compact(place.bucket(), "index", keep=1)
    assert place.store().missing(digests) == set()
