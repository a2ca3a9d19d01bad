"""What actions and outputs do without: directories nobody asks for, and reading a blob again."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from lambdabuild.action import ActionId, Made, ReadyAction, ToolCall
from lambdabuild.digest import Digest
from lambdabuild.executors.local import LocalExecutor
from lambdabuild.label import Label
from lambdabuild.outputs import VerifiedOnce
from lambdabuild.store import local
from lambdabuild.store.local import LocalStore, write_atomically
from lambdabuild.tools.write import WriteTool

ID = ActionId(Label("", "a"), "any", 0)


class Scratching:
    """A tool that asks twice for its directory, and leaves something in it."""

    name, version = "scratching", 1

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        (call.scratch / "out").write_text("text")
        (call.scratch / "left").write_text("over")
        return {"out": Made(call.scratch / "out")}


def execute(
    store: LocalStore, tool: WriteTool | Scratching, params: Mapping[str, str | bool], out: str
) -> Digest:
    executor = LocalExecutor({tool.name: tool}, store, store.pieces, store.scratch)
    ready = ReadyAction(ID, tool.name, params, {}, (out,), "any")
    return executor.execute(ready, lambda: None).outputs[out].digest


def test_a_tool_that_needs_no_directory_has_none_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(self: LocalExecutor, tool: str) -> Path:
        raise AssertionError("nobody asked")

    monkeypatch.setattr(LocalExecutor, "_make_scratch", make)
    store = LocalStore(tmp_path)
    digest = execute(store, WriteTool(), {"content": "text", "executable": False}, "content")
    assert store.verified(digest).read_text() == "text"


def test_a_directory_is_the_same_however_often_it_is_asked_for_and_is_removed(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert store.verified(execute(store, Scratching(), {}, "out")).read_text() == "text"
    assert list(store.scratch.iterdir()) == []


def test_a_name_that_another_process_has_taken_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "_numbers", itertools.count())
    taken = tmp_path / f"new-{os.getpid()}-0"
    taken.write_text("theirs")
    write_atomically(tmp_path / "below" / "target", b"ours", tmp_path)
    assert (tmp_path / "below" / "target").read_bytes() == b"ours"
    assert taken.read_text() == "theirs"


class Counting(LocalStore):
    """A store that counts what is read of it."""

    read = 0

    def pieces(self, digest: Digest):  # type: ignore[no-untyped-def]
        self.read += 1
        return super().pieces(digest)


@pytest.mark.parametrize("data", [b"small", b"large" * 1000])
def test_a_blob_that_many_images_share_is_verified_once(tmp_path: Path, data: bytes) -> None:
    store = Counting(tmp_path)
    digest = store.put(data)
    once = VerifiedOnce(store)
    assert [once.verified(digest).read_bytes() for _ in range(3)] == [data] * 3
    assert store.read == 1


def test_a_small_blob_is_read_once_and_a_large_one_is_not_kept(tmp_path: Path) -> None:
    store = Counting(tmp_path)
    small, large = store.put(b"small"), store.put(b"large" * 1000)
    once = VerifiedOnce(store)
    assert {b"".join(once.pieces(small)) for _ in range(3)} == {b"small"}
    assert store.read == 1
    assert {b"".join(once.pieces(large)) for _ in range(3)} == {b"large" * 1000}
    assert store.read == 4
