"""All files are written, or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.migrating.writing import write_all


def tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text() if path.is_file() else "/"
        for path in sorted(root.rglob("*"))
    }


def test_files_and_their_directories_come_to_be(tmp_path: Path) -> None:
    (tmp_path / "WORKSPACE.toml").write_text("old\n")
    write_all(tmp_path, {"WORKSPACE.toml": "new\n", "a/b/BUILD": "x\n"}, {"WORKSPACE.toml": "old\n"})
    assert tree(tmp_path) == {"WORKSPACE.toml": "new\n", "a": "/", "a/b": "/", "a/b/BUILD": "x\n"}
    assert (tmp_path / "a/b/BUILD").stat().st_mode & 0o777 == 0o644


def test_a_failure_in_the_middle_leaves_no_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "WORKSPACE.toml").write_text("old\n")
    before, link = tree(tmp_path), os.link

    def full(source: str, target: Path) -> None:
        if target.name == "LAST":
            raise OSError(28, "No space left on device")
        link(source, target)

    monkeypatch.setattr(os, "link", full)
    files = {"WORKSPACE.toml": "new\n", "a/b/BUILD": "x\n", "c/LAST": "y\n"}
    with pytest.raises(ExternalError, match="c/LAST cannot be written: No space left on device; nothing was"):
        write_all(tmp_path, files, {"WORKSPACE.toml": "old\n"})
    assert tree(tmp_path) == before


def test_what_somebody_else_has_written_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b/BUILD").write_text("theirs\n")
    before = tree(tmp_path)
    with pytest.raises(UserError, match="BUILD has come to be meanwhile"):
        write_all(tmp_path, {"a/BUILD": "x\n", "b/BUILD": "ours\n"}, {})
    assert tree(tmp_path) == before
    with pytest.raises(UserError, match="BUILD was changed by somebody else"):
        write_all(tmp_path, {"b/BUILD": "ours\n"}, {"b/BUILD": "as it was\n"})
    assert tree(tmp_path) == before
