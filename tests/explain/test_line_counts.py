"""How many lines came and went, where the old bytes are at hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.digest import digest_of
from lambdabuild.explain.change import Change
from lambdabuild.explain.line_counts import LineCounts, count_lines
from lambdabuild.store.local import LocalStore

lines = st.lists(st.sampled_from([b"a\n", b"b\n", b"c\n"]), max_size=6)


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@given(lines, lines)
def test_lines_added_and_removed_account_for_the_difference_in_length(
    old: list[bytes], new: list[bytes]
) -> None:
    added, removed = count_lines(b"".join(old), b"".join(new))
    assert added - removed == len(new) - len(old)
    assert (added, removed) <= (len(new), len(old))
    assert (old == new) == ((added, removed) == (0, 0))


class Files:
    """A workspace with one file, `a.py`, and a store."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path / "w"
        self.root.mkdir()
        self.store = LocalStore(tmp_path / "cache")
        self.now = b""

    def count(self, old: bytes, new: bytes) -> tuple[int, int] | None:
        counts = LineCounts(self.root, lambda digest: [new], self.store)
        return counts(Change("edited", "a.py", str(digest_of(old)), str(digest_of(new))))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_old_bytes_are_taken_from_the_store(files: Files) -> None:
    files.store.put(b"1\n2\n")
    assert files.count(b"1\n2\n", b"1\n3\n4\n") == (2, 1)


def test_old_bytes_are_taken_from_revisions_of_git(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    git(files.root, "init", "--quiet")
    for text in ("1\n", "2\n", "3\n"):
        (files.root / "a.py").write_text(text)
        git(files.root, "add", "a.py")
        git(files.root, "commit", "--quiet", "-m", text)
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    assert files.count(b"2\n", b"2\n4\n") == (1, 0)
    assert files.count(b"9\n", b"2\n4\n") is None


def test_without_old_bytes_there_is_no_count(files: Files) -> None:
    assert files.count(b"1\n", b"2\n") is None


def test_lines_of_binary_files_are_not_counted(files: Files) -> None:
    files.store.put(b"\0\n")
    assert files.count(b"\0\n", b"2\n") is None
