"""What every ContentStore promises. Another kind joins by a Backend in BACKENDS."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Protocol

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.store import ContentStore
from lambdabuild.store.local import LocalStore
from lambdabuild.store.s3.store import S3Store
from tests.store.s3_place import S3Place


class Backend(Protocol):
    """A place for blobs, and the ways to reach behind the store that stands on it.

    rounds: how often something is done that has to be done often; fewer where each time is dear.
    """

    rounds: ClassVar[int]

    def open(self) -> ContentStore:
        """Returns another client of the same place."""
        ...

    @property
    def opening(self) -> str:
        """Python statements that bind `store` to a client, in a process of its own."""
        ...

    def stored(self, digest: Digest) -> bytes:
        """Returns the bytes that hold the blob, as they lie there."""
        ...

    def overwrite(self, digest: Digest, data: bytes) -> None:
        """Puts `data` in their place."""
        ...


@dataclasses.dataclass(frozen=True)
class LocalBackend:
    root: Path
    rounds: ClassVar[int] = 100

    def open(self) -> LocalStore:
        return LocalStore(self.root)

    @property
    def opening(self) -> str:
        return (
            "from pathlib import Path\nfrom lambdabuild.store.local import LocalStore\n"
            f"store = LocalStore(Path({str(self.root)!r}))\n"
        )

    def stored(self, digest: Digest) -> bytes:
        return self.open().path(digest).read_bytes()

    def overwrite(self, digest: Digest, data: bytes) -> None:
        path = self.open().path(digest)
        path.chmod(0o644)
        path.write_bytes(data)


@dataclasses.dataclass(frozen=True)
class S3Backend:
    root: Path
    rounds: ClassVar[int] = 6

    @cached_property
    def place(self) -> S3Place:
        return S3Place(self.root)

    def open(self) -> S3Store:
        return self.place.store()

    @property
    def opening(self) -> str:
        self.root.mkdir(exist_ok=True)
        return self.place.opening("S3Store", "store")

    def stored(self, digest: Digest) -> bytes:
        (name,) = self.place.objects_of(digest)
        return self.place.get(f"cas/{name}")

    def overwrite(self, digest: Digest, data: bytes) -> None:
        (name,) = self.place.objects_of(digest)
        self.place.put(f"cas/{name}", data)


BACKENDS: Mapping[str, Callable[[Path], Backend]] = {"local": LocalBackend, "s3": S3Backend}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return BACKENDS[request.param](tmp_path / "store")


@pytest.fixture
def store(backend: Backend) -> ContentStore:
    return backend.open()


def read(store: ContentStore, digest: Digest) -> bytes:
    return b"".join(store.pieces(digest))


def start(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


# --- putting and getting -----------------------------------------------------


def test_getting_is_the_left_inverse_of_putting(backend: Backend) -> None:
    @settings(max_examples=min(backend.rounds, settings().max_examples))
    @given(blobs=st.lists(st.binary(max_size=200) | st.just(b"x" * (1 << 20) + b"y"), max_size=3))
    def law(blobs: list[bytes]) -> None:
        digests = [backend.open().put(blob) for blob in blobs]
        assert digests == [digest_of(blob) for blob in blobs]
        assert [read(backend.open(), digest) for digest in digests] == blobs
        assert backend.open().missing(digests) == set()

    law()


def test_putting_is_idempotent(store: ContentStore) -> None:
    assert store.put(b"x") == store.put(b"x") == digest_of(b"x")
    assert read(store, digest_of(b"x")) == b"x"


@pytest.mark.parametrize("size", [0, 1, 5 << 20])
@pytest.mark.parametrize("present", [False, True])
def test_a_file_is_taken_whole_and_away(
    store: ContentStore, tmp_path: Path, size: int, present: bool
) -> None:
    data = os.urandom(size)
    if present:
        store.put(data)
    path = tmp_path / "made"
    path.write_bytes(data)
    path.chmod(0o755)
    assert store.put_file(path) == digest_of(data)
    assert not path.exists()
    assert read(store, digest_of(data)) == data


def test_what_was_never_put_is_missing(store: ContentStore) -> None:
    here, gone = store.put(b"here"), digest_of(b"gone")
    assert store.missing([here, gone, digest_of(b"")]) == {gone, digest_of(b"")}
    assert store.missing([]) == set()
    with pytest.raises(ExternalError, match=f"has no blob {gone}") as caught:
        read(store, gone)
    assert caught.value.hint


def test_a_digest_with_another_size_names_nothing(store: ContentStore) -> None:
    digest = store.put(b"here")
    assert store.missing([digest._replace(size=5)]) == {digest._replace(size=5)}


# --- damage ------------------------------------------------------------------

BLOB = random.Random(1).randbytes(1_280_000)  # nothing can be left out of it
DAMAGES: Mapping[str, Callable[[bytes], bytes]] = {
    "a flipped bit at the start": lambda stored: bytes([stored[0] ^ 1]) + stored[1:],
    "a flipped bit at the end": lambda stored: stored[:-1] + bytes([stored[-1] ^ 0x80]),
    "a lost end": lambda stored: stored[:-1],
    "nothing left": lambda stored: b"",
    "something after it": lambda stored: stored + b"\0",
    "zeros of the same size": lambda stored: bytes(len(stored)),
}


def damage(backend: Backend, digest: Digest, how: str) -> None:
    backend.overwrite(digest, DAMAGES[how](backend.stored(digest)))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_blob_is_told_once_and_gone_then(backend: Backend, how: str) -> None:
    digest = backend.open().put(BLOB)
    damage(backend, digest, how)
    with pytest.raises(ExternalError, match="damaged and has been removed") as caught:
        read(backend.open(), digest)
    assert caught.value.hint
    assert backend.open().missing([digest]) == {digest}
    with pytest.raises(ExternalError, match="has no blob"):
        read(backend.open(), digest)
    assert backend.open().put(BLOB) == digest
    assert read(backend.open(), digest) == BLOB


@pytest.mark.parametrize("how", ["a lost end", "nothing left", "something after it"])
def test_putting_mends_a_blob_of_the_wrong_size(backend: Backend, how: str, tmp_path: Path) -> None:
    for put in ("data", "file"):
        digest = backend.open().put(BLOB)
        damage(backend, digest, how)
        assert backend.open().missing([digest]) == {digest}
        (tmp_path / "made").write_bytes(BLOB)
        backend.open().put(BLOB) if put == "data" else backend.open().put_file(tmp_path / "made")
        assert read(backend.open(), digest) == BLOB


# --- many at once ------------------------------------------------------------


def test_concurrent_writers_of_the_same_blobs_do_not_disturb_each_other(backend: Backend) -> None:
    code = backend.opening + (
        "import sys\nfrom lambdabuild.digest import digest_of\n"
        f"for i in range({backend.rounds}):\n"
        "    data = str(i).encode() * 5000\n"
        "    assert b''.join(store.pieces(store.put(data))) == data\n"
    )
    writers = [start(code) for _ in range(4)]
    for writer in writers:
        writer.communicate()
    assert [writer.returncode for writer in writers] == [0] * 4
    for i in range(backend.rounds):
        data = str(i).encode() * 5000
        assert read(backend.open(), digest_of(data)) == data


def test_a_killed_writer_leaves_whole_blobs_or_none(backend: Backend) -> None:
    code = backend.opening + (
        "import itertools\n"
        "for i in itertools.count():\n"
        "    store.put(i.to_bytes(4, 'big') * 300_000)\n"
        "    print(i, flush=True)\n"
    )
    with start(code) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.15)
        writer.send_signal(signal.SIGKILL)
    store, found = backend.open(), 0
    for data in (i.to_bytes(4, "big") * 300_000 for i in range(10_000)):
        digest = digest_of(data)
        if store.missing([digest]):
            break
        assert read(store, digest) == data
        found += 1
    assert store.put(data) == digest
    assert found > 0


# --- the local one alone -----------------------------------------------------


@pytest.fixture
def local(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def files(root: Path) -> Iterator[Path]:
    """Yields the files of a store, but for the lock, which stays."""
    return (path for path in root.rglob("*") if path.is_file() and path != root / "lock")


def test_local_blobs_are_read_only_and_lie_under_their_digest(local: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"file")
    (tmp_path / "made").chmod(0o755)
    digests = [local.put(b"data"), local.put_file(tmp_path / "made")]
    assert {path.relative_to(local.root / "cas").as_posix() for path in files(local.root / "cas")} == {
        f"{digest.hash[:2]}/{digest.hash[2:]}" for digest in digests
    }
    assert [stat.S_IMODE(local.path(digest).stat().st_mode) for digest in digests] == [0o444, 0o444]


def test_a_verified_blob_is_a_path_whose_bytes_are_right(local: LocalStore) -> None:
    digest = local.put(b"data")
    assert local.verified(digest).read_bytes() == b"data"
    LocalBackend(local.root).overwrite(digest, b"dada")
    with pytest.raises(ExternalError, match="damaged"):
        local.verified(digest)
    assert not local.path(digest).exists()


def test_a_hard_link_outlives_its_blob(local: LocalStore, tmp_path: Path) -> None:
    digest = local.put(b"data")
    os.link(local.path(digest), tmp_path / "out")
    local.path(digest).unlink()
    local.put(b"data")
    assert (tmp_path / "out").read_bytes() == b"data"


@pytest.mark.parametrize("step", ["os.replace", "os.fchmod"])
def test_a_writer_killed_in_the_middle_leaves_only_what_sweep_removes(local: LocalStore, step: str) -> None:
    code = LocalBackend(local.root).opening + (
        "import os, time\n"
        f"def stop(*args):\n    print('here', flush=True)\n    time.sleep(60)\n{step} = stop\n"
        "store.put(b'x' * 3_000_000)\n"
    )
    with start(code) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "here\n"
        writer.send_signal(signal.SIGKILL)
    digest = digest_of(b"x" * 3_000_000)
    assert local.missing([digest]) == {digest}
    (left,) = files(local.root)
    assert left.parent == local.scratch
    local.sweep()
    assert left.exists()
    os.utime(left, (0, 0))
    local.sweep()
    assert list(files(local.root)) == []


def test_sweep_removes_stale_scratch_and_nothing_else(local: LocalStore) -> None:
    digest = local.put(b"data")
    os.utime(local.path(digest), (0, 0))
    stale = local.scratch / "action"
    (stale / "sub").mkdir(parents=True)
    (stale / "sub" / "file").touch(0o444)
    (stale / "link").symlink_to(local.root / "cas")
    (stale / "sub").chmod(0o500)
    (local.scratch / "young").touch()
    for path, age in ((stale, 25), (local.scratch / "young", 23)):
        os.utime(path, (time.time() - age * 3600,) * 2)
    local.sweep()
    assert [path.name for path in local.scratch.iterdir()] == ["young"]
    assert read(local, digest) == b"data"


def test_a_store_that_is_swept_away_as_a_whole_is_no_error_for_sweep(local: LocalStore) -> None:
    local.scratch.rmdir()
    local.sweep()


def test_what_the_disk_refuses_is_an_external_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExternalError, match="cannot write below"):
        LocalStore(tmp_path / "file" / "store")
    local = LocalStore(tmp_path / "store")
    (local.root / "cas").touch()
    with pytest.raises(ExternalError, match="cannot write below"):
        local.put(b"data")
    assert list(local.scratch.iterdir()) == []
    with pytest.raises(ExternalError, match="cannot read") as caught:
        read(local, digest_of(b"data"))
    assert caught.value.hint
