"""A local store before a remote one: what is asked where, and what stays."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lambdabuild.digest import digest_of, key_of
from lambdabuild.errors import ExternalError
from lambdabuild.store.layered import LayeredCache, LayeredStore
from lambdabuild.store.local import LocalActionCache, LocalStore
from tests.store.s3_place import S3Place

BLOBS = [b"%d" % i for i in range(50)] + [random.Random(i).randbytes(1 << 20) for i in range(2)]
KEY, OTHER = key_of("k", 1), key_of("k", 2)


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "local")


def test_what_is_in_either_store_is_not_missing(place: S3Place, local: LocalStore, tmp_path: Path) -> None:
    here, there = local.put(b"here"), place.store().put(b"there")
    before = place.usage()
    store = LayeredStore(local, place.store())
    assert store.missing([here]) == set()
    assert place.usage() == before
    assert store.missing([here, there, digest_of(b"")]) == {digest_of(b"")}
    (tmp_path / "file").write_bytes(b"file")
    put = [store.put(b"data"), store.put_file(tmp_path / "file")]
    assert local.missing(put) == set()
    assert place.store().missing(put) == set(put)


@pytest.mark.parametrize("data", BLOBS[-2:] + BLOBS[:1])
def test_what_is_remote_is_kept_when_it_is_read(place: S3Place, local: LocalStore, data: bytes) -> None:
    digest = place.store().put(data)
    store = LayeredStore(local, place.store())
    assert b"".join(store.pieces(digest)) == data
    before = place.usage()
    assert b"".join(store.pieces(digest)) == store.verified(digest).read_bytes() == data
    assert store.path(digest) == store.verified(digest)
    assert place.usage() == before
    assert list(local.scratch.iterdir()) == []


def test_many_are_fetched_with_few_requests(place: S3Place, local: LocalStore) -> None:
    place.store().upload({digest_of(data): lambda data=data: [data] for data in BLOBS})  # type: ignore[misc]
    digests = [digest_of(data) for data in BLOBS]
    local.put(BLOBS[0])
    before = place.usage()
    LayeredStore(local, place.store()).fetch(digests)
    assert sum((place.usage() - before).requests.values()) <= 8
    assert local.missing(digests) == set()
    assert {local.verified(digest).read_bytes() for digest in digests} == set(BLOBS)
    before = place.usage()
    LayeredStore(local, place.store()).fetch(digests)
    assert place.usage() == before


def test_nothing_wrong_is_kept(place: S3Place, local: LocalStore) -> None:
    digest = place.store().put(BLOBS[-1])
    (name,) = place.names("cas")
    place.put(f"cas/{name}", bytes(len(BLOBS[-1])))
    store = LayeredStore(local, place.store())
    with pytest.raises(ExternalError, match="damaged"):
        store.fetch([digest])
    with pytest.raises(ExternalError, match="no blob"):
        store.verified(digest)
    assert local.missing([digest]) == {digest}
    assert list(local.scratch.iterdir()) == []


def test_results_are_looked_up_here_first_and_kept_when_found_there(place: S3Place, tmp_path: Path) -> None:
    local = LocalActionCache(tmp_path / "local")
    place.cache().record(KEY, b"there", b"document")
    cache = LayeredCache(local, place.cache())
    assert cache.lookup([KEY, OTHER]) == {KEY: b"there"}
    assert local.lookup([KEY]) == {KEY: b"there"}
    assert cache.document(KEY) == b"document"
    cache.record(OTHER, b"here", b"other")
    assert local.lookup([OTHER]) == {OTHER: b"here"}
    assert cache.document(OTHER) == b"other"
    assert place.cache().lookup([OTHER]) == {}
    before = place.usage()
    assert LayeredCache(local, place.cache()).lookup([KEY, OTHER]) == {KEY: b"there", OTHER: b"here"}
    assert place.usage() == before
