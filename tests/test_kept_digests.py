"""Sources that look as they did are not read again, whatever is asked; all others are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild import remembering
from lambdabuild.clock import Moment
from lambdabuild.kept_digests import KeptDigests
from lambdabuild.sources import many, working_tree
from lambdabuild.sources.many import Status
from lambdabuild.tree import FileNode
from tests.project import Project
from tests.test_noop import BUILD, EDITS, FILES, rest

SOURCES = {"lib/a.py", "lib/sub/b.py", "handler.py"}
"""Of the workspace; link.json is a link, and so is read each time."""


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each plain source that is read; few are enough to know of them."""
    noted: list[str] = []

    def reading(paths: Sequence[str]) -> Iterator[tuple[FileNode, Status] | None]:
        noted.extend(os.path.basename(path) for path in paths)
        return many.read_nodes(paths)

    monkeypatch.setattr(working_tree, "read_nodes", reading)
    monkeypatch.setattr(working_tree, "FEW", 0)
    return noted


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    (made.root / "link.json").symlink_to("data/real.json")
    rest()
    return made


def test_another_question_reads_no_file_again(project: Project, read: list[str]) -> None:
    first = project.run("hash", "//...").out
    assert {os.path.basename(path) for path in SOURCES} <= set(read)
    read.clear()
    assert project.run("hash", "//:app", "//:base", "//:lib").out == first
    assert read == ["link.json"]


@pytest.mark.parametrize("name", [name for name in EDITS if name != "a missing source"])
def test_whatever_was_done_to_a_file_it_is_read_again(
    project: Project, tmp_path: Path, read: list[str], name: str
) -> None:
    project.run("hash", "//...")
    EDITS[name](project.root)
    again = project.run("hash", "//...")
    fresh = Project(project.root, tmp_path / "empty" / "lambdabuild", workspace=False).run("hash", "//...")
    assert (again.code, again.out) == (fresh.code, fresh.out)


@pytest.mark.parametrize("settles", [False, True])
def test_what_has_only_just_changed_is_not_believed(tmp_path: Path, settles: bool) -> None:
    place = tmp_path / "a.py"
    place.write_text("A = 1\n")
    if settles:
        rest()
    began = Moment.now()
    (found,) = many.read_nodes([str(place)])
    assert found
    kept = KeptDigests(str(tmp_path / "kept"), str(tmp_path))
    kept.keep([("a.py", found[0].digest.hash, found[1])], began)
    assert KeptDigests(str(tmp_path / "kept"), str(tmp_path)).node("a.py") == (found[0] if settles else None)


def test_a_file_from_before_1970_is_read_each_time(project: Project, read: list[str]) -> None:
    os.utime(project.root / "lib/a.py", ns=(-1_000_000_001, -1_000_000_001))
    rest()
    first = project.run("hash", "//...").out
    assert first
    read.clear()
    assert project.run("hash", "//...").out == first
    assert set(read) == {"a.py", "link.json"}


def test_a_clock_that_jumps_keeps_nothing(
    project: Project, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Moment, "is_regular", lambda self, later: False)
    project.run("hash", "//...")
    read.clear()
    project.run("hash", "//:lib")
    assert set(read) == {"a.py", "b.py"}


def test_a_file_system_whose_inodes_do_not_last_is_read_each_time(
    project: Project, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembering, "lasting", lambda: lambda path: False)
    project.run("hash", "//...")
    read.clear()
    project.run("hash", "//:lib")
    assert set(read) == {"a.py", "b.py"}


def test_directories_that_are_exchanged_take_their_digests_along(project: Project, read: list[str]) -> None:
    project.write({"BUILD": BUILD, "old/a.py": "A = 9\n"})
    rest()
    project.run("hash", "//...")
    before = project.run("hash", "//:lib").out
    (project.root / "lib/a.py").rename(project.root / "away.py")
    (project.root / "old/a.py").rename(project.root / "lib/a.py")
    rest()
    assert project.run("hash", "//:lib").out != before
    (project.root / "lib/a.py").rename(project.root / "old/a.py")
    (project.root / "away.py").rename(project.root / "lib/a.py")
    assert project.run("hash", "//:lib").out == before


def damaged(change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    "damage",
    [
        damaged(lambda data: data[:-1]),
        damaged(lambda data: data + b"x"),
        damaged(lambda data: data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]),
        damaged(lambda data: b""),
        damaged(lambda data: data.replace(b"digests 1", b"digests 2")),
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_what_is_damaged_is_not_there(
    project: Project, read: list[str], damage: Callable[[Path], object]
) -> None:
    first = project.run("hash", "//...").out
    (place,) = project.cache.glob("state/*.digests")
    damage(place)
    read.clear()
    assert project.run("hash", "//...").out == first
    assert {os.path.basename(path) for path in SOURCES} <= set(read)


def test_the_digests_of_another_workspace_are_not_taken(project: Project, tmp_path: Path) -> None:
    kept = KeptDigests(str(tmp_path / "kept"), str(project.root))
    place = project.root / "lib/a.py"
    (found,) = many.read_nodes([str(place)])
    assert found
    kept.keep([("lib/a.py", found[0].digest.hash, found[1])], Moment.now())
    assert KeptDigests(str(tmp_path / "kept"), str(project.root)).node("lib/a.py") == found[0]
    assert KeptDigests(str(tmp_path / "kept"), str(tmp_path)).node("lib/a.py") is None


@given(st.lists(st.integers(0, 5), max_size=8), st.integers(0, 8))
def test_what_is_kept_is_what_was_read(numbers: list[int], again: int) -> None:

    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number in set(numbers):
            (root / f"{number}").write_bytes(b"x" * number)
        rest()
        began = Moment.now()
        paths = [f"{number}" for number in dict.fromkeys(numbers)]
        nodes = list(many.read_nodes([f"{root}/{path}" for path in paths]))
        KeptDigests(f"{root}/kept", name).keep(
            [(path, each[0].digest.hash, each[1]) for path, each in zip(paths, nodes, strict=True) if each],
            began,
        )
        kept = KeptDigests(f"{root}/kept", name)
        assert [kept.node(path) for path in paths] == [each and each[0] for each in nodes]
        for path in paths[:again]:
            (root / path).write_bytes(b"y" * int(path))
        assert all(kept.node(path) is None for path in paths[:again])
