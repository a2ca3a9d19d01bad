"""Reading many files at once gives what reading them one by one gives."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.digest import digest_of
from lambdabuild.sources import SourceError, WorkingTree, many, stable, working_tree
from lambdabuild.sources.many import read_nodes
from lambdabuild.tree import FileNode
from tests.strategies import components

PROCESSES = 3


class Entry(NamedTuple):
    """What lies at a path. detail: a file's content, or a link's target."""

    kind: str
    detail: str = ""
    mode: int = 0o644


_names = st.sampled_from(["a", "b", "c"]) | components
_targets = st.lists(_names | st.sampled_from(["..", "."]), min_size=1, max_size=3).map("/".join)
_paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
_entries = st.one_of(
    st.builds(Entry, st.just("file"), st.text(max_size=20), st.sampled_from([0o644, 0o755, 0o000])),
    st.builds(Entry, st.just("link"), _targets | _targets.map("/{}".format)),
    st.sampled_from([Entry("directory"), Entry("fifo"), Entry("socket"), Entry("vanished")]),
)
trees = st.dictionaries(_paths, _entries, max_size=12)


def make(root: Path, entries: dict[str, Entry]) -> None:
    """Makes what can be made of `entries`: some names are too long, some want to lie in a file."""
    for path, entry in entries.items():
        place = root / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.resolve().is_relative_to(root) or os.path.lexists(place):
                continue
            _make(place, entry)
        except (OSError, RuntimeError):
            continue


def _make(place: Path, entry: Entry) -> None:
    if entry.kind == "file":
        place.write_text(entry.detail)
        place.chmod(entry.mode)
    elif entry.kind == "link":
        place.symlink_to(entry.detail)
    elif entry.kind == "directory":
        place.mkdir()
    elif entry.kind == "fifo":
        os.mkfifo(place)
    elif entry.kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(place))


def told(tree: WorkingTree, path: str) -> object:
    """Returns what a view says of `path`: a node, or an error."""
    try:
        return tree.node(path)
    except SourceError as error:
        return error.message, error.hint


def everything(root: Path) -> list[str]:
    """Returns the paths of all that exists, also those that a link is on the way of."""
    found = []
    for directory, below, names in os.walk(root):
        found += [os.path.relpath(f"{directory}/{name}", root) for name in (*below, *names)]
        for name in below:
            if os.path.islink(f"{directory}/{name}"):
                inside = [f"{directory}/{name}/{each}" for each in os.listdir(f"{directory}/{name}")[:20]]
                found += [os.path.relpath(each, root) for each in inside]
    return found


@given(trees, st.randoms(use_true_random=False))
@example({"a": Entry("file", "a", 0o755), "b": Entry("link", "a")}, Random(0))
@example({"a/b": Entry("file"), "c": Entry("link", "a"), "b": Entry("link", "c/b")}, Random(0))
@example({"a": Entry("link", "../../outside"), "b": Entry("link", "/etc/hostname")}, Random(0))
def test_reading_many_at_once_equals_reading_them_one_by_one(
    entries: dict[str, Entry], order: Random
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patched:
        patched.setattr(working_tree, "read_nodes", partial(read_nodes, processes=PROCESSES))
        patched.setattr(many, "_is_alone", lambda: True)
        root = Path(name).resolve() / "w"
        root.mkdir()
        make(root, entries)
        paths = sorted({*everything(root), *entries, *(f"{path}/beyond" for path in entries)})
        one_by_one, at_once = WorkingTree(root), WorkingTree(root)
        expected = {path: told(one_by_one, path) for path in paths}
        with at_once.hashing(paths):
            asked = order.sample(paths, len(paths))
            assert {path: told(at_once, path) for path in asked} == expected
        assert {path: told(at_once, path) for path in paths} == expected
        assert at_once.links == one_by_one.links
        assert at_once.looked_at >= one_by_one.looked_at
        for node in expected.values():
            if isinstance(node, FileNode):
                place = at_once.place(node.digest)
                assert place
                assert digest_of(Path(place).read_bytes()) == node.digest


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The paths of more files than there can be parts, so that some parts have several."""
    for number in range(700):
        (tmp_path / f"{number:03d}").write_text(f"{number}\n" * (number % 7))
    return sorted(str(path) for path in tmp_path.iterdir())


def read(paths: Sequence[str], processes: int | None) -> list[FileNode | None]:
    return [each[0] if each else None for each in read_nodes(paths, processes)]


def nodes_of(paths: Sequence[str]) -> list[FileNode]:
    return [stable.read_node(path) for path in paths]


@pytest.fixture
def helpers(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets processes be forked although other tests of this process have left threads; all are gone after."""
    fork, forked = os.fork, []

    def noted() -> int:
        forked.append(fork())
        return forked[-1]

    monkeypatch.setattr(os, "fork", noted)
    monkeypatch.setattr(many, "_is_alone", lambda: True)
    yield
    for child in forked:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets this process take no part: helpers take all."""
    here, take = os.getpid(), many._Parts.take
    monkeypatch.setattr(many._Parts, "take", lambda parts: None if os.getpid() == here else take(parts))


@pytest.mark.usefixtures("helpers")
@pytest.mark.parametrize("processes", [None, 1, 2, 5])
def test_every_file_has_its_node_in_order(files: list[str], processes: int | None) -> None:
    assert read(files, processes) == nodes_of(files)


@pytest.mark.usefixtures("helpers", "idle")
def test_helpers_read_what_this_process_does_not(files: list[str]) -> None:
    assert read(files, PROCESSES) == nodes_of(files)


@pytest.mark.usefixtures("helpers", "idle")
def test_helpers_read_on_while_nobody_listens(files: list[str]) -> None:
    expected, nodes = nodes_of(files), read_nodes(files, PROCESSES)
    first = next(nodes)
    assert first
    time.sleep(0.5)  # all is read by now, and fits into their pipes
    for path in files:
        Path(path).unlink()
    assert [first[0], *(each[0] for each in nodes if each)] == expected


@pytest.mark.usefixtures("helpers", "idle")
def test_what_fits_into_no_pipe_arrives_as_well(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_HEARD_AT_ONCE", 4096)
    nodes = read_nodes(files * 40, PROCESSES)
    first = next(nodes)
    assert first
    time.sleep(0.5)
    assert [first[0], *(each[0] for each in nodes if each)] == nodes_of(files) * 40


@pytest.mark.usefixtures("helpers", "idle")
@pytest.mark.parametrize("end", [lambda: os._exit(1), lambda: os.kill(os.getpid(), signal.SIGKILL)])
def test_what_a_helper_took_that_died_is_not_read(
    files: list[str], monkeypatch: pytest.MonkeyPatch, end: Callable[[], None]
) -> None:
    monkeypatch.setattr(many._Parts, "read", lambda parts, number: end())
    assert read(files, PROCESSES) == [None] * len(files)


@pytest.mark.usefixtures("helpers", "idle")
def test_what_a_helper_had_told_before_it_died_counts(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = many._Parts.read

    def mortal(parts: many._Parts, number: int) -> many._Part:
        if number >= 10:
            os.kill(os.getpid(), signal.SIGKILL)
        return reads(parts, number)

    monkeypatch.setattr(many._Parts, "read", mortal)
    found = read(files, PROCESSES)
    count = found.index(None)
    assert count % 10 == 0
    assert found == nodes_of(files[:count]) + [None] * (len(files) - count)


@pytest.mark.usefixtures("helpers", "idle")
def test_what_was_not_read_at_once_is_read_when_it_is_asked_for(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working_tree, "read_nodes", partial(read_nodes, processes=PROCESSES))
    monkeypatch.setattr(many._Parts, "read", lambda parts, number: os._exit(1))
    tree = WorkingTree(Path(files[0]).parent)
    names = [path.rpartition("/")[2] for path in files]
    with tree.hashing(names):
        assert [tree.node(name) for name in names] == nodes_of(files)


@pytest.mark.usefixtures("helpers")
def test_a_file_that_changes_under_a_helper_is_refused_as_ever(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = stable._digest

    def meddling(descriptor: int, size: int) -> object:
        os.utime(descriptor, ns=(1, os.fstat(descriptor).st_mtime_ns + 1))
        return digest(descriptor, size)

    monkeypatch.setattr(stable, "_digest", meddling)
    monkeypatch.setattr(working_tree, "read_nodes", partial(read_nodes, processes=PROCESSES))
    tree = WorkingTree(Path(files[0]).parent)
    with tree.hashing(["003"]), pytest.raises(SourceError, match=r"^003 changes while it is read$"):
        tree.node("003")


@pytest.mark.usefixtures("helpers")
def test_an_interruption_leaves_no_helper_behind(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.getpid()

    def take(parts: many._Parts) -> int | None:
        if os.getpid() == here:
            raise KeyboardInterrupt
        signal.pause()
        return None

    monkeypatch.setattr(many._Parts, "take", take)
    with pytest.raises(KeyboardInterrupt):
        list(read_nodes(files, PROCESSES))


def test_nothing_forks_beside_another_thread(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a thread may hold a lock"))
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert read(files, PROCESSES) == nodes_of(files)
    finally:
        done.set()
        thread.join()


def test_where_no_process_is_to_be_had_this_one_reads_all(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused() -> int:
        raise BlockingIOError("too many processes")

    monkeypatch.setattr(os, "fork", refused)
    before = len(os.listdir("/dev/fd"))
    assert read(files, PROCESSES) == nodes_of(files)
    assert len(os.listdir("/dev/fd")) == before


def test_a_view_whose_block_ends_early_leaves_no_helper_and_knows_all_the_same(
    files: list[str], monkeypatch: pytest.MonkeyPatch, helpers: None
) -> None:
    monkeypatch.setattr(working_tree, "read_nodes", partial(read_nodes, processes=PROCESSES))
    tree = WorkingTree(Path(files[0]).parent)
    names = [path.rpartition("/")[2] for path in files]
    with contextlib.suppress(KeyboardInterrupt), tree.hashing(names):
        tree.node(names[5])
        raise KeyboardInterrupt
    assert [tree.node(name) for name in names] == nodes_of(files)
