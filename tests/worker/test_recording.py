"""Results are handed on once it is known whose they are, and not before their image is pushed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pytest

from lambdabuild.action import ActionResult
from lambdabuild.digest import Digest, Key, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.publishing import Entry
from lambdabuild.store.local import LocalStore
from lambdabuild.tree import FileNode
from lambdabuild.worker.publishing import Publisher
from lambdabuild.worker.recording import RecordingCache

A, B, DEEP, OTHER = Key("a"), Key("b"), Key("deep"), Key("other")


class Remote:
    """A remote cache and store that remembers, in order, what reached it."""

    def __init__(self, *, broken: int = 0) -> None:
        self.broken = broken
        self.blobs: set[Digest] = set()
        self.log: list[str] = []

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        return {key: b"remote" for key in keys if key == OTHER}

    def missing(self, digests: Iterable[Digest]) -> set[Digest]:
        return {*digests} - self.blobs

    def upload(self, blobs: Mapping[Digest, Callable[[], Iterable[bytes]]]) -> None:
        if self.broken:
            self.broken -= 1
            raise ExternalError("no")
        for digest, pieces in blobs.items():
            assert digest_of(b"".join(pieces())) == digest
            self.blobs.add(digest)
        self.log.append(f"{len(blobs)} blobs")

    def record_all(self, entries: Iterable[tuple[Key, bytes, bytes]]) -> None:
        self.log.append(",".join(key for key, _, _ in entries))


def recording(*withheld: Key) -> tuple[RecordingCache, list[str]]:
    ready: list[str] = []
    cache = RecordingCache(
        Remote(),
        known={B: b"known"},
        deep=[DEEP],
        withheld=withheld,
        ready=lambda entries: ready.extend(entry.key for entry in entries),
    )
    return cache, ready


def test_a_result_is_handed_on_with_its_deep_key() -> None:
    cache, ready = recording()
    cache.record(A, b"result", b"document")
    assert ready == []
    cache.record(DEEP, b"result", b"document")
    assert ready == [A, DEEP]


def test_the_result_of_an_image_waits_for_its_push() -> None:
    cache, ready = recording(DEEP)
    cache.record(A, b"result", b"document")
    cache.record(DEEP, b"result", b"document")
    assert ready == []
    assert cache.lookup([A, DEEP]) == {A: b"result", DEEP: b"result"}
    cache.release(OTHER)
    cache.release(DEEP)
    cache.release(DEEP)
    assert ready == [A, DEEP]


def test_lookups_see_what_was_recorded_what_was_known_and_what_is_remote() -> None:
    cache, _ = recording()
    cache.record(A, b"result", b"document")
    assert cache.lookup([A, B, OTHER, DEEP]) == {A: b"result", B: b"known", OTHER: b"remote"}


@pytest.fixture
def made(tmp_path: Any) -> LocalStore:
    return LocalStore(tmp_path)


def entry(made: LocalStore, key: Key, data: bytes) -> Entry:
    result = ActionResult({"x": FileNode(made.put(data))}, 1.0, "codebuild")
    return Entry(key, result.to_json(), b"{}")


def test_bytes_come_before_the_results_that_name_them(made: LocalStore) -> None:
    remote = Remote()
    publisher = Publisher(made, remote, remote)
    publisher.start()
    publisher.add([entry(made, A, b"a"), entry(made, B, b"b")])
    publisher.finish()
    assert remote.log == ["2 blobs", "a,b"]


def test_what_is_there_is_not_sent(made: LocalStore) -> None:
    remote = Remote()
    remote.blobs.add(digest_of(b"a"))
    publisher = Publisher(made, remote, remote)
    publisher.add([entry(made, A, b"a")])
    publisher.publish()
    assert remote.log == ["a"]


def test_much_is_published_at_once_and_little_after_a_while(made: LocalStore) -> None:
    for seconds, size in ((600.0, 1), (0.0, 1 << 30)):
        remote = Remote()
        publisher = Publisher(made, remote, remote, seconds=seconds, size=size)
        publisher.start()
        publisher.add([entry(made, A, b"a")])
        while "a" not in remote.log:
            pass
        publisher.finish()
        assert remote.log == ["1 blobs", "a"]


def test_what_could_not_be_published_is_tried_again_and_told_in_the_end(made: LocalStore) -> None:
    remote = Remote(broken=1)
    publisher = Publisher(made, remote, remote)
    publisher.add([entry(made, A, b"a")])
    with pytest.raises(ExternalError):
        publisher.publish()
    assert remote.log == []
    publisher.finish()
    assert remote.log == ["1 blobs", "a"]
    broken = Remote(broken=100)
    publisher = Publisher(made, broken, broken, seconds=0.0)
    publisher.start()
    publisher.add([entry(made, A, b"a")])
    with pytest.raises(ExternalError):
        publisher.finish()
    assert broken.log == []
