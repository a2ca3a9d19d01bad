"""The local store is kept small: by use, beside running builds, and without harm."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of, key_of
from lambdabuild.store.collecting import Blob, Collected, choose, collect, is_due, remove, scan
from lambdabuild.store.local import SEAL, LocalActionCache, LocalStore
from lambdabuild.store.use import GRACE_SECONDS, NOTED_SECONDS
from tests.project import Project

DAY = 24 * 3600.0


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "lambdabuild")


def aged(store: LocalStore, digest: Digest, seconds: float = 10 * DAY) -> Digest:
    """Makes the last use of a blob so long ago."""
    os.utime(store.path(digest), (time.time() - seconds, SEAL))
    return digest


def put(store: LocalStore, text: str, age: float = 10 * DAY) -> Digest:
    return aged(store, store.put(text.encode()), age)


def used(store: LocalStore, digest: Digest) -> float:
    """Returns how many seconds ago a blob was used."""
    return time.time() - store.path(digest).stat().st_atime


def test_the_longest_unused_goes_first_until_the_size_is_right(store: LocalStore) -> None:
    digests = [put(store, f"{n}" * 5000, (10 + n) * DAY) for n in range(10)]
    size = next(iter(scan(store.root))).bytes
    found = collect(store.root, 5 * size)
    assert found == Collected(6, 6 * size, 0, 4 * size)  # down to nine tenths
    assert store.missing(digests) == set(digests[4:])


def test_a_store_within_its_limit_keeps_all(store: LocalStore) -> None:
    digest = put(store, "x", 1000 * DAY)
    assert collect(store.root, 10**9) == Collected(kept=next(iter(scan(store.root))).bytes)
    assert not store.missing([digest])


def test_what_was_used_within_a_day_stays_whatever_the_limit(store: LocalStore) -> None:
    old, new = put(store, "old"), put(store, "new", 0.9 * DAY)
    assert collect(store.root, 0)
    assert store.missing([old, new]) == {old}


ways: Mapping[str, Callable[[LocalStore, Digest], object]] = {
    "looking it up": lambda store, digest: store.missing([digest]),
    "putting it again": lambda store, digest: store.put(b"blob"),
    "putting it again as a file": lambda store, digest: store.put_file(_file(store)),
}


def _file(store: LocalStore) -> Path:
    path = store.scratch / "file"
    path.write_bytes(b"blob")
    return path


@pytest.mark.parametrize("way", ways)
def test_a_use_is_noted_by(way: str, store: LocalStore) -> None:
    digest = put(store, "blob")
    ways[way](store, digest)
    assert used(store, digest) < 60
    assert store.path(digest).stat().st_mtime == SEAL
    assert collect(store.root, 0) == Collected(kept=next(iter(scan(store.root))).bytes)


def test_new_blobs_are_used_now(store: LocalStore) -> None:
    assert used(store, store.put(b"one")) < 60
    assert used(store, store.put_file(_file(store))) < 60


def test_a_use_that_is_known_is_not_written_again(store: LocalStore) -> None:
    digest = put(store, "blob", NOTED_SECONDS / 2)
    before = store.path(digest).stat().st_ctime_ns
    assert not store.missing([digest])
    assert store.path(digest).stat().st_ctime_ns == before


def test_a_build_finds_for_a_day_what_it_has_looked_up() -> None:
    """A use may be noted as late as NOTED_SECONDS before it happens; the grace has a day beyond that."""
    assert GRACE_SECONDS - NOTED_SECONDS >= DAY


def test_what_outputs_link_is_neither_counted_nor_removed(store: LocalStore, tmp_path: Path) -> None:
    linked, other = put(store, "linked" * 5000), put(store, "other")
    os.link(store.path(linked), tmp_path / "layer")
    found = collect(store.root, 0)
    assert found
    assert (found.blobs, found.kept) == (1, 0)
    assert store.missing([linked, other]) == {other}
    aged(store, linked)
    (tmp_path / "layer").unlink()
    assert collect(store.root, 0)
    assert store.missing([linked]) == {linked}


def test_a_blob_that_is_looked_up_after_it_was_chosen_stays(store: LocalStore) -> None:
    digests = [put(store, f"{n}") for n in range(3)]
    blobs = list(scan(store.root))
    before = time.time_ns() - int(GRACE_SECONDS * 10**9)
    chosen = choose(blobs, sum(blob.bytes for blob in blobs), 0, before)
    assert len(chosen) == 3
    assert not store.missing([digests[1]])
    assert len(remove(store.root, chosen, before)) == 2
    assert store.missing(digests) == {digests[0], digests[2]}


def test_a_blob_that_is_linked_after_it_was_chosen_stays(store: LocalStore, tmp_path: Path) -> None:
    digest = put(store, "x")
    chosen = list(scan(store.root))
    os.link(store.path(digest), tmp_path / "layer")
    assert remove(store.root, chosen, time.time_ns()) == []


def test_nothing_is_removed_while_somebody_looks(store: LocalStore) -> None:
    digest = put(store, "x")
    descriptor = os.open(store.root / "lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    collecting = threading.Thread(target=collect, args=(store.root, 0))
    collecting.start()
    collecting.join(0.5)
    assert collecting.is_alive()
    assert collect(store.root, 0) is None  # that one is still at it
    assert store.path(digest).exists()
    os.close(descriptor)
    collecting.join(30)
    assert store.missing([digest])


def test_two_collections_at_once_are_one(store: LocalStore) -> None:
    put(store, "x")
    descriptor = os.open(store.root / "collecting", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    assert collect(store.root, 0) is None
    os.close(descriptor)
    assert collect(store.root, 0)


def test_collections_are_due_once_a_day(store: LocalStore) -> None:
    assert is_due(store.root)
    collect(store.root, 0)
    assert not is_due(store.root)
    os.utime(store.root / "collected", (0, time.time() - 1.1 * DAY))
    assert is_due(store.root)


def result(*digests: Digest) -> bytes:
    outputs = {f"{n}": {"digest": str(digest), "executable": False} for n, digest in enumerate(digests)}
    return json.dumps({"executor": "local", "outputs": outputs, "seconds": 1.0}).encode()


def test_results_go_with_their_blobs_and_others_stay(store: LocalStore) -> None:
    cache = LocalActionCache(store.root)
    old, new = put(store, "old"), put(store, "new", 0)
    far = digest_of(b"in the remote store alone")
    keys = [key_of("test", number) for number in range(3)]
    for key, digests in zip(keys, [(old, new), (new,), (far,)], strict=True):
        cache.record(key, result(*digests), b"document")
    found = collect(store.root, 0)
    assert found
    assert (found.blobs, found.documents) == (1, 2)
    assert cache.lookup(keys).keys() == set(keys[1:])
    assert [cache.document(key) for key in keys] == [None, b"document", b"document"]


def test_what_is_old_and_of_no_use_goes_and_directories_stay(store: LocalStore) -> None:
    cache = LocalActionCache(store.root)
    new = put(store, "new", 0)
    keys = [key_of("test", number) for number in range(2)]
    for key, digest in zip(keys, [new, digest_of(b"gone")], strict=True):
        cache.record(key, result(digest), b"document")
    state = store.root / "history" / "ab" / "cd" / "state"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    for path in (*store.root.rglob("ac/*/*"), *store.root.rglob("keys/*/*"), state):
        os.utime(path, (0, time.time() - 100 * DAY))
    collect(store.root, 10**9)
    assert cache.lookup(keys).keys() == {keys[0]}
    assert [cache.document(key) for key in keys] == [b"document", None]
    assert not state.exists()
    assert state.parent.is_dir()


blobs = st.lists(st.builds(Blob, st.integers(0, 100), st.integers(0, 50), st.text("ab", max_size=3)))


@given(blobs, st.integers(0, 500), st.integers(0, 100))
def test_what_is_chosen_is_the_oldest_and_no_more_than_it_takes(
    found: list[Blob], limit: int, before: int
) -> None:
    total = sum(blob.bytes for blob in found)
    chosen = choose(found, total, limit, before)
    assert all(blob.used < before for blob in chosen)
    rest = sorted(found)[len(chosen) :]
    assert sorted(found)[: len(chosen)] == chosen
    left = total - sum(blob.bytes for blob in chosen)
    assert left <= limit or not rest or rest[0].used >= before
    if chosen:
        assert total > limit
        assert left + chosen[-1].bytes > int(limit * 0.9)


# --- builds and collections --------------------------------------------------

FILES: dict[str, str | bytes] = {
    "BUILD": (
        'files(name = "lib", srcs = glob(["lib/*.py"]), dest = "opt/lib")\n'
        'base_image(name = "base", base = "scratch", srcs = [":lib"])\n'
        'lambda_image(name = "one", base = ":base", srcs = ["one.py"], handler = "one.main")\n'
        'lambda_image(name = "two", base = ":base", srcs = {"one.py": "two.py"}, handler = "two.main")\n'
    ),
    "one.py": "def main(event, context): ...\n",
    **{f"lib/m{n}.py": f"x = {n}\n" for n in range(20)},
}


def outputs(project: Project) -> dict[str, bytes]:
    out = project.root / "lambdabuild-out"
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def age_all(cache: Path) -> None:
    for path in cache.glob("cas/*/*"):
        os.utime(path, (time.time() - 10 * DAY, SEAL))


def _collect_for_ever(root: str, stop: str) -> None:
    while not os.path.exists(stop):
        collect(Path(root), 0)
        Path(f"{stop}-not-yet").touch()


def test_builds_beside_collections_give_what_they_gave(tmp_path: Path) -> None:
    """Every build begins with blobs that are about to be collected, and must not lose one that it found."""
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    project.build()
    first, stop = outputs(project), tmp_path / "stop"
    process = multiprocessing.get_context("spawn").Process(
        target=_collect_for_ever, args=(str(project.cache), str(stop))
    )
    process.start()
    rebuilt = 0
    try:
        while not Path(f"{stop}-not-yet").exists():
            time.sleep(0.05)
        for _ in range(6):
            for path in sorted((project.root / "lambdabuild-out").rglob("*"), reverse=True):
                path.unlink() if path.is_file() else path.rmdir()  # nothing is linked any more
            age_all(project.cache)
            report = project.build()
            assert report.errors == ()
            assert outputs(project) == first
            rebuilt += sum(target.status == "built" for target in report.targets)
    finally:
        stop.touch()
        process.join(60)
    assert process.exitcode == 0
    assert rebuilt  # some of it had been collected


@settings(max_examples=8)
@given(st.lists(st.sampled_from(["edit", "collect", "age", "clean"]), max_size=6), st.integers(0, 60_000))
def test_after_any_collection_a_build_gives_what_a_clean_build_gives(steps: list[str], limit: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        project = Project(directory / "w", directory / "warm" / "lambdabuild", FILES)
        clean = Project(directory / "w", directory / "clean" / "lambdabuild", workspace=False)
        for number, step in enumerate([*steps, "age", "collect"]):
            if step == "edit":
                project.write({"lib/m1.py": f"x = {number}\n"})
            elif step == "age":
                age_all(project.cache)
            elif step == "collect":
                collect(project.cache, limit)
            else:
                project.run("clean")
            assert project.build().errors == ()
        warm = outputs(project)
        project.run("clean")
        assert clean.build().errors == ()
        assert outputs(clean) == warm


def test_builds_that_add_something_collect_once_a_day(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    project.build()
    stamp = project.cache / "collected"
    assert stamp.exists()
    stamp.unlink()
    project.build()
    assert not stamp.exists()  # it added nothing
    project.write({"one.py": "def main(event, context): return 1\n"})
    project.build()
    assert stamp.exists()


def test_clean_expire_says_what_went_and_leaves_outputs_alone(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    ran = project.run("clean", "--expire")
    assert (ran.code, ran.out) == (0, "removed 0 blobs (0 B) and 0 documents; 0 B are left\n")
    project.build()
    before = outputs(project)
    ran = project.run("clean", "--expire", "--json")
    document = json.loads(ran.out)["expired"]
    assert (document["blobs"], document["freed"]) == (0, 0)
    assert document["kept"] > 0
    assert outputs(project) == before
    assert project.run("clean", "--expire", "--cache").code == 2
