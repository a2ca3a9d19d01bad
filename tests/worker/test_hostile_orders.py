"""Whoever may write orders can make work for the worker, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambdabuild.digest import Canonical, Digest, Key, digest_of
from lambdabuild.label import parse_label
from lambdabuild.order import MadeInput, Order
from lambdabuild.tools import KINDS, tool_version
from lambdabuild.tree import FileNode, SymlinkNode, directory_of, encode_directory

from .bench import LAYER, Bench, Done, action, layer

APP = {"var/task/app.py": b"def main(event, context): pass\n"}


def refused(done: Done, words: str) -> dict[str, Any]:
    """Returns why an order was refused, of which nothing was done."""
    assert done.code == 2
    assert done.outcome["ran"] == []
    error: dict[str, Any] = done.outcome["refused"]
    assert words in error["message"]
    assert error["hint"]
    return error


def test_an_action_under_a_key_of_other_work_refuses_the_order(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    wanted = layer(bench, "//victim", {"var/task/app.py": b"good"})
    refused(bench.run(Order((replace(app, key=wanted.key),))), "its key does not follow from its inputs")
    assert bench.names("results") == set()


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"bytecode": "3.12.1"}},
        {"outputs": ("layer.json",)},
        {"platform": "linux/arm64"},
        {"sources": None},
        {"tool": "write"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_is_changed_the_key_does_not_follow_any_more(bench: Bench, change: dict[str, Any]) -> None:
    app = layer(bench, "//app:image", APP)
    refused(bench.run(Order((replace(app, **change),))), "key")


def test_an_input_of_another_action_is_part_of_the_key(bench: Bench) -> None:
    one, other = layer(bench, "//a", APP), layer(bench, "//b", {"b": b"b"})
    made = MadeInput("x", one.key, "layer.json")
    above = action("//c", "layer", {}, LAYER, made=(made,))
    order = Order((one, other, replace(above, made=(replace(made, key=other.key),))))
    refused(bench.run(order), "its key does not follow")


def test_another_version_of_a_tool_is_told_with_both_numbers(bench: Bench) -> None:
    newer = tool_version("layer") + 1
    app = action("//app:image", "layer", {}, LAYER, tree=bench.sources(APP), version=newer)
    error = refused(bench.run(Order((app,))), f"is for version {newer} of the tool layer")
    assert "lambdabuild bootstrap" in error["hint"]


def test_a_tool_that_there_is_not_refuses_the_order(bench: Bench) -> None:
    app = action("//app:image", "format_disk", {}, ("x",), version=1)
    error = refused(bench.run(Order((app,))), "the tool format_disk")
    assert "lambdabuild bootstrap" in error["hint"]


def test_the_stand_in_of_known_results_is_no_tool(bench: Bench) -> None:
    app = action("//app:image", "known", {}, ("x",), version=1)
    refused(bench.run(Order((app,))), "the tool known")


def tree_of(bench: Bench, message: bytes, *others: bytes) -> Digest:
    bench.upload(message, *others)
    return digest_of(message)


FILE = directory_of({"app.py": FileNode(digest_of(b"x"))}).message


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (FILE.replace(b"app.py", b"../app"), "is no name within a directory"),
        (FILE.replace(b"app.py", b"/etc/x"), "is no name within a directory"),
        (FILE + FILE, "is there twice"),
        (FILE[:-1], "too early"),
        (b"\xff" * 40, "Directory"),
        (directory_of({"a": SymlinkNode("/etc/passwd")}).message, "symlink"),
        (directory_of({"a": FileNode(Digest("0" * 64, 1 << 50))}).message, "too many entries, bytes"),
        (encode_directory({}, {"a": Digest("0" * 64, 1 << 40)}, {}), "too many directories"),
    ],
    ids=["up", "absolute", "twice", "cut", "noise", "symlink", "huge file", "huge directory"],
)
def test_a_hostile_tree_refuses_the_order(bench: Bench, message: bytes, words: str) -> None:
    app = replace(layer(bench, "//app:image", APP), sources=tree_of(bench, message))
    refused(bench.run(Order((app,))), words)


def test_a_tree_that_unfolds_without_end_refuses_the_order(bench: Bench) -> None:
    messages = [FILE]
    for _ in range(12):
        below = digest_of(messages[-1])
        messages.append(encode_directory({}, {f"{n}": below for n in range(100)}, {}))
    app = replace(layer(bench, "//app:image", APP), sources=tree_of(bench, *reversed(messages)))
    refused(bench.run(Order((app,))), "too many entries")


@pytest.mark.parametrize("path", ["var/task/app.py", "var/task", "var/task/app.py/x"])
def test_inputs_that_are_in_each_others_way_refuse_the_order(bench: Bench, path: str) -> None:
    one = layer(bench, "//a", {"a": b"a"})
    tree = bench.sources(APP)
    made = (MadeInput(path, one.key, "layer.json"),)
    refused(bench.run(Order((one, action("//b", "layer", {}, LAYER, tree=tree, made=made)))), "//b:b")


PARAMS: list[Any] = [
    {},
    {"bytecode": 3, "prefix": "../../etc", "size": -1, "digest": "sha256:" + "0" * 64, "links": {"../a": "/"}},
    {"bytecode": [], "project": ["x"], "file": "../../x", "size": True, "sha256": {}, "texts": 3},
    {
        "project": "a", "file": "/etc/passwd", "size": 1 << 70, "sha256": "0" * 64, "build_lock": {},
        "backend": "os", "backend_path": ["../.."], "variables": {"LD_PRELOAD": 1}, "host": None,
        "directories": {"a": "9999"}, "links": {}, "texts": {}, "path": "../x", "content": "x",
    },
]  # fmt: skip


@pytest.mark.parametrize("tool", [kind.name for kind in KINDS])
@pytest.mark.parametrize("number", range(len(PARAMS)))
def test_malformed_parameters_fail_their_action_alone(
    bench: Bench, tool: str, number: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    params: dict[str, Canonical] = PARAMS[number]
    bad = action("//bad", tool, params, ("x",), tree=bench.sources({"var/task/a.py": b"a"}))
    good = layer(bench, "//good", APP)
    order = Order((bad, good), index="http://127.0.0.1:9/simple")
    done = bench.run(order)
    assert done.outcome["ran"] == [good.key]
    (failure,) = done.outcome["failures"]
    assert failure["key"] == bad.key
    assert done.code in (1, 3)


def test_a_label_cannot_be_taken_for_a_known_result(bench: Bench) -> None:
    app = layer(bench, "//app:image", APP)
    assert parse_label("//known:" + "0" * 64).package != "@known"
    done = bench.run(Order((app,), {Key("0" * 64): ("x",)}))
    assert done.outcome["unknown"] == ["0" * 64]
    assert done.outcome["ran"] == [app.key]
