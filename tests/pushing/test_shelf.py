"""One blob, one registry, many who want it at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import sha256_of
from lambdabuild.pushing.shelf import Blob, Brought, Shelf
from tests.oci.registry.asking import new_name, repository
from tests.oci.registry.real import RealRegistry

DATA = b"shelf" * 10_000
COUNT = 12


def blob(data: bytes = DATA, wrong: bytes = b"") -> Blob:
    return Blob(sha256_of(data), len(data), lambda: [wrong or data])


def test_the_first_sends_it_and_the_others_mount_it(registry: RealRegistry) -> None:
    shelf, wanted = Shelf(), blob()
    names = [new_name("shelf") for _ in range(COUNT)]

    def bring(name: str) -> Brought:
        return shelf.bring(wanted, name, repository(registry.host, name, push=True), look=False)

    with ThreadPoolExecutor(COUNT) as pool:
        brought = list(pool.map(bring, names * 2))
    assert sorted(each.sent for each in brought) == [0] * (2 * COUNT - 1) + [len(DATA)]
    assert sum(each.mounted for each in brought) == COUNT - 1
    assert all(repository(registry.host, name).has_blob(wanted.digest) for name in names)


def test_what_is_there_is_not_sent_where_somebody_looks(registry: RealRegistry) -> None:
    name, data = new_name("shelf"), b"looked for" * 100
    there = repository(registry.host, name, push=True)
    assert Shelf().bring(blob(data), name, there, look=True) == Brought(len(data))
    assert Shelf().bring(blob(data), name, there, look=True) == Brought()
    assert Shelf().bring(blob(data), name, there, look=False) == Brought(len(data))


def test_a_place_that_lacks_the_blob_after_all_does_no_harm(registry: RealRegistry) -> None:
    """What is remembered of a repository may be wrong: then nothing is mounted, and the blob sent."""
    shelf, name, data = Shelf(), new_name("shelf"), b"not there" * 100
    shelf.note(new_name("shelf"), [sha256_of(data)])
    there = repository(registry.host, name, push=True)
    assert shelf.bring(blob(data), name, there, look=True) == Brought(len(data))


def test_after_a_failure_the_next_one_sends_it(registry: RealRegistry) -> None:
    shelf, name, data = Shelf(), new_name("shelf"), b"damaged" * 100
    there = repository(registry.host, name, push=True)
    with pytest.raises(ExternalError, match="is damaged here"):
        shelf.bring(blob(data, wrong=b"x" * len(data)), name, there, look=False)
    assert not there.has_blob(sha256_of(data))
    assert shelf.bring(blob(data), name, there, look=False) == Brought(len(data))
