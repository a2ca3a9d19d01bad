"""The layer tool adds bytecode where an image imports modules, and only if it is told to."""

from __future__ import annotations

import marshal
import platform
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.python.bytecode import pyc_place
from lambdabuild.tools.layer import LayerTool
from tests.tools.calls import Files, layer_files, run

VERSION = platform.python_version()
FILES: Files = {
    "var/task/handler.py": b"def main(event, context):\n    return event\n",
    "opt/python/lib/tool.py": (b"#!/usr/bin/env python3\nprint(1)\n", True),
    "opt/python/lib/template.py": b"{% if x %}\n",
    "opt/extensions/run.py": b"x = 1\n",
    "var/task/data.json": b"{}",
}
COMPILED = {pyc_place(place, VERSION) for place in ("var/task/handler.py", "opt/python/lib/tool.py")}


def made(scratch: Path, files: Files = FILES, **params: str) -> dict[str, tuple[bytes, int]]:
    return layer_files(run(LayerTool(), params, files, scratch)["layer.tar.gz"])


def test_bytecode_lies_beside_what_is_imported(tmp_path: Path) -> None:
    files = made(tmp_path, bytecode=VERSION)
    assert files.keys() == FILES.keys() | COMPILED
    data, mode = files[pyc_place("opt/python/lib/tool.py", VERSION)]
    assert mode == 0o644
    assert marshal.loads(data[16:]).co_filename == "/opt/python/lib/tool.py"


def test_without_bytecode_there_are_the_inputs_alone(tmp_path: Path) -> None:
    outputs = run(LayerTool(), {}, FILES, tmp_path / "absent")
    assert layer_files(outputs["layer.tar.gz"]).keys() == FILES.keys()
    assert run(LayerTool(), {"bytecode": ""}, FILES, tmp_path / "empty") == outputs


def test_bytecode_that_is_an_input_stays(tmp_path: Path) -> None:
    place = pyc_place("var/task/handler.py", VERSION)
    files = made(tmp_path, {**FILES, place: b"as it was given"}, bytecode=VERSION)
    assert files[place][0] == b"as it was given"
    assert files.keys() == FILES.keys() | COMPILED


def test_a_layer_with_bytecode_has_the_same_bytes_in_every_run(tmp_path: Path) -> None:
    first = run(LayerTool(), {"bytecode": VERSION}, FILES, tmp_path / "one")
    assert run(LayerTool(), {"bytecode": VERSION}, FILES, tmp_path / "and" / "another") == first


def test_a_python_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match=r"bytecode for Python 3\.99\.0 needs that very version"):
        made(tmp_path, bytecode="3.99.0")
