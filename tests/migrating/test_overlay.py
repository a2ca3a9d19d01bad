"""An overlay answers as a tree does in which its files lie."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.migrating.overlay import Overlay
from lambdabuild.sources import Kind, SourceError, WorkingTree, glob, walk_directories
from tests.strategies import file_trees


def write(root: Path, files: dict[str, bytes]) -> WorkingTree:
    for path, data in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
    return WorkingTree(root)


@given(file_trees, st.sets(st.integers(0, 13)))
def test_an_overlay_is_as_if_its_files_were_written(paths: list[str], numbers: set[int]) -> None:
    files = {path: path.encode() for path in paths}
    laid = {path: b"new " + data for i, (path, data) in enumerate(files.items()) if i in numbers}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        below = write(Path(one), {path: data for path, data in files.items() if path not in laid})
        overlay, written = Overlay(below, laid), write(Path(two), {**files, **laid})
        directories = list(walk_directories(written, ""))
        assert list(walk_directories(overlay, "")) == directories
        for directory in directories:
            assert overlay.listing(directory) == written.listing(directory)
            assert glob(overlay, directory, ["**"]) == glob(written, directory, ["**"])
        for path in files:
            assert overlay.read(path) == written.read(path)
            assert overlay.node(path) == written.node(path)
            assert overlay.kind(path) is Kind.FILE


def test_what_is_nowhere_is_missing(tmp_path: Path) -> None:
    overlay = Overlay(write(tmp_path, {"a/b": b""}), {"c/d/BUILD": b"x"})
    assert [overlay.kind(path) for path in ("c", "c/d", "c/d/BUILD", "c/e", "a/BUILD")] == [
        *(Kind.DIRECTORY, Kind.DIRECTORY, Kind.FILE, None, None)
    ]
    assert (overlay.leads_to_file("c/d/BUILD"), overlay.leads_to_file("a/b")) == (True, True)
    with pytest.raises(SourceError):
        overlay.read("a/BUILD")
