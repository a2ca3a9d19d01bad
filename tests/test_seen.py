"""A view that notes what it answers, and others held against that."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.sources import SourceError, WorkingTree
from lambdabuild.sources.seen import Watched, answers_alike


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/x").write_text("1")
    (tmp_path / "link").symlink_to("a/x")
    return tmp_path


def watched(root: Path) -> Watched:
    """Returns a view that was asked everything once."""
    view = Watched(WorkingTree(root))
    view.listing("a")
    view.kind("a/x")
    view.kind("a/none")
    view.leads_to_file("link")
    view.read("a/x")
    view.node("a/x")
    return view


def test_a_view_of_the_same_files_answers_alike(root: Path) -> None:
    seen = watched(root).seen
    assert seen is not None
    (root / "beside").write_text("not asked for")
    assert answers_alike(WorkingTree(root), seen)


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a/x").write_text("2"),
        lambda root: (root / "a/x").chmod(0o755),
        lambda root: (root / "a/y").write_text(""),
        lambda root: (root / "a/none").mkdir(),
        lambda root: (root / "a/x").unlink(),
        lambda root: (root / "link").unlink(),
    ],
)
def test_what_was_seen_and_is_otherwise_is_noticed(root: Path, change: object) -> None:
    seen = watched(root).seen
    assert seen is not None
    change(root)  # type: ignore[operator]
    assert not answers_alike(WorkingTree(root), seen)


@pytest.mark.parametrize("what", ["kind", "read", "listing", "leads_to_file"])
def test_each_single_answer_counts(root: Path, what: str) -> None:
    view = Watched(WorkingTree(root))
    path = {"listing": "a", "leads_to_file": "link"}.get(what, "a/x")
    getattr(view, what)(path)
    assert view.seen is not None
    (root / "a/x").unlink()
    assert not answers_alike(WorkingTree(root), view.seen)


def test_after_a_refusal_nothing_is_known(root: Path) -> None:
    view = watched(root)
    with pytest.raises(SourceError):
        view.read("a/none")
    assert view.seen is None
