"""What every ActionCache promises. Another kind joins by a Backend in BACKENDS."""

from __future__ import annotations

import dataclasses
import itertools
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.digest import Key, encode, key_of
from lambdabuild.errors import ExternalError
from lambdabuild.store import ActionCache
from lambdabuild.store.local import LocalActionCache
from lambdabuild.store.s3.cache import S3ActionCache
from tests.store.s3_place import S3Place

KEY = key_of("action", "a")
OTHER = key_of("action", "b")
RESULT = b'{"outputs":{}}\nwith a line\n\0\xff'


class Backend(Protocol):
    """A place for results, and the ways to reach behind the cache that stands on it.

    rounds: how often something is done that has to be done often; fewer where each time is dear.
    stride: every how many-th byte is damaged.
    """

    rounds: ClassVar[int]
    stride: ClassVar[int]

    def open(self) -> ActionCache:
        """Returns another client of the same place."""
        ...

    @property
    def opening(self) -> str:
        """Python statements that bind `cache` to a client, in a process of its own."""
        ...

    def stored(self, key: Key) -> bytes:
        """Returns the bytes that hold the result, as they lie there."""
        ...

    def overwrite(self, key: Key, data: bytes) -> None:
        """Puts `data` in their place."""
        ...

    def document(self, key: Key) -> bytes | None:
        """Returns the document that was kept with the result."""
        ...


@dataclasses.dataclass(frozen=True)
class LocalBackend:
    root: Path
    rounds: ClassVar[int] = 50
    stride: ClassVar[int] = 1

    def open(self) -> LocalActionCache:
        return LocalActionCache(self.root)

    @property
    def opening(self) -> str:
        return (
            "from pathlib import Path\nfrom lambdabuild.store.local import LocalActionCache\n"
            f"cache = LocalActionCache(Path({str(self.root)!r}))\n"
        )

    def stored(self, key: Key) -> bytes:
        return self._path(key).read_bytes()

    def overwrite(self, key: Key, data: bytes) -> None:
        self._path(key).write_bytes(data)

    def document(self, key: Key) -> bytes | None:
        return self.open().document(key)

    def _path(self, key: Key) -> Path:
        return self.root / "ac" / key[:2] / key[2:]


@dataclasses.dataclass(frozen=True)
class S3Backend:
    root: Path
    rounds: ClassVar[int] = 5
    stride: ClassVar[int] = 37

    @cached_property
    def place(self) -> S3Place:
        return S3Place(self.root)

    def open(self) -> S3ActionCache:
        return self.place.cache()

    @property
    def opening(self) -> str:
        self.root.mkdir(exist_ok=True)
        return self.place.opening("S3ActionCache", "cache")

    def stored(self, key: Key) -> bytes:
        return self.place.get(f"results/{self.place.segment_of(key)}")

    def overwrite(self, key: Key, data: bytes) -> None:
        self.place.put(f"results/{self.place.segment_of(key)}", data)

    def document(self, key: Key) -> bytes | None:
        return self.open().document(key)


BACKENDS: Mapping[str, Callable[[Path], Backend]] = {"local": LocalBackend, "s3": S3Backend}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return BACKENDS[request.param](tmp_path / "store")


@pytest.fixture
def cache(backend: Backend) -> ActionCache:
    return backend.open()


@pytest.mark.parametrize("kind", BACKENDS)
def test_looking_up_is_the_left_inverse_of_recording(kind: str, tmp_path: Path) -> None:
    numbers = itertools.count()

    @settings(
        max_examples=settings().max_examples if kind == "local" else max(6, settings().max_examples // 15)
    )
    @given(results=st.dictionaries(st.text(max_size=3), st.binary(max_size=50), max_size=4))
    def law(results: dict[str, bytes]) -> None:
        backend = BACKENDS[kind](tmp_path / str(next(numbers)))
        keyed = {key_of("action", name): (name, result) for name, result in results.items()}
        for key, (name, result) in keyed.items():
            backend.open().record(key, result, encode(name))
        assert backend.open().lookup([*keyed, key_of("deep", "")]) == {
            key: result for key, (_, result) in keyed.items()
        }
        assert {key: backend.document(key) for key in keyed} == {
            key: encode(name) for key, (name, _) in keyed.items()
        }

    law()


def test_what_was_never_recorded_is_not_found(backend: Backend, cache: ActionCache) -> None:
    assert cache.lookup([KEY, OTHER]) == {}
    assert cache.lookup([]) == {}
    assert backend.document(KEY) is None


def test_keys_of_different_kinds_are_apart(cache: ActionCache) -> None:
    cache.record(key_of("action", "x"), b"action", b'"x"')
    cache.record(key_of("deep", "x"), b"deep", b'"x"')
    assert cache.lookup([key_of("action", "x"), key_of("deep", "x")]) == {
        key_of("action", "x"): b"action",
        key_of("deep", "x"): b"deep",
    }


def test_a_later_result_takes_the_place_of_an_earlier_one(backend: Backend, cache: ActionCache) -> None:
    cache.record(KEY, b"first, and longer", b'"a"')
    cache.record(KEY, b"second", b'"a"')
    assert cache.lookup([KEY]) == backend.open().lookup([KEY]) == {KEY: b"second"}
    backend.open().record(KEY, b"again", b'"a"')
    assert backend.open().lookup([KEY]) == {KEY: b"again"}


def damages(stored: bytes, stride: int) -> list[bytes]:
    places = range(0, len(stored), stride)
    flips = [stored[:i] + bytes([stored[i] ^ 1]) + stored[i + 1 :] for i in places]
    cuts = [stored[:i] for i in places]
    return [*flips, *cuts, stored + b"\0", stored + stored, bytes(len(stored)), b"\n"]


def test_every_damage_to_a_result_is_told_once_and_the_result_gone_then(backend: Backend) -> None:
    backend.open().record(OTHER, b"other", b'"b"')
    backend.open().record(KEY, RESULT, b'"a"')
    stored = backend.stored(KEY)
    for damaged in damages(stored, backend.stride):
        backend.overwrite(KEY, damaged)
        with pytest.raises(ExternalError, match="damaged and has been removed") as caught:
            backend.open().lookup([OTHER, KEY])
        assert caught.value.hint
        assert backend.open().lookup([OTHER, KEY]) == {OTHER: b"other"}
        backend.open().record(KEY, RESULT, b'"a"')
        assert backend.open().lookup([KEY]) == {KEY: RESULT}


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


WRITING = """
from lambdabuild.digest import encode, key_of
print("ready", flush=True)
i = 0
while LIMIT is None or i < LIMIT:
    name = str(i % NAMES)
    cache.record(key_of("action", name), name.encode() * 1000, encode(name))
    i += 1
"""


def test_concurrent_writers_do_not_disturb_readers_or_each_other(backend: Backend) -> None:
    limits = f"LIMIT, NAMES = {3 * backend.rounds}, {backend.rounds}\n"
    writers = [start(backend.opening + limits + WRITING) for _ in range(3)]
    names = {key_of("action", str(i)): str(i).encode() * 1000 for i in range(backend.rounds)}
    while any(writer.poll() is None for writer in writers):
        found = backend.open().lookup(names)
        assert {key: names[key] for key in found} == found
        time.sleep(0.01)
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 3
    assert backend.open().lookup(names) == names


def test_a_killed_writer_leaves_whole_results_with_their_documents(backend: Backend) -> None:
    with start(backend.opening + "LIMIT, NAMES = None, 50\n" + WRITING) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.1)
        writer.send_signal(signal.SIGKILL)
    names = {key_of("action", str(i)): str(i) for i in range(50)}
    found = backend.open().lookup(names)
    assert found == {key: names[key].encode() * 1000 for key in found}
    assert {key: backend.document(key) for key in found} == {key: encode(names[key]) for key in found}


# --- the local one alone -----------------------------------------------------


def test_a_result_never_lies_there_without_its_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = LocalActionCache(tmp_path / "store")
    written: list[str] = []
    monkeypatch.setattr(
        "lambdabuild.store.local.write_atomically",
        lambda target, data, scratch: written.append(target.parent.parent.name),
    )
    cache.record(KEY, RESULT, b'"a"')
    assert written == ["keys", "ac"]


def test_what_the_disk_refuses_is_an_external_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExternalError, match="cannot write below"):
        LocalActionCache(tmp_path / "file")
    cache = LocalActionCache(tmp_path / "store")
    for kind in ("ac", "keys"):
        (cache.root / kind).touch()
    with pytest.raises(ExternalError, match="cannot write below"):
        cache.record(KEY, RESULT, b'"a"')
    for look in (lambda: cache.lookup([KEY]), lambda: cache.document(KEY)):
        with pytest.raises(ExternalError, match="cannot read") as caught:
            look()
        assert caught.value.hint
