"""The wheels tool installs published wheels and those that were built, with bytecode if it is told to."""

from __future__ import annotations

import json
import marshal
import platform
from pathlib import Path

import pytest

from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.python.bytecode import pyc_place
from lambdabuild.tools.wheels import WheelsTool
from tests.python.wheels import FILENAME, INFO, METADATA, WHEEL, Member, make_wheel, record_of
from tests.tools.calls import Files, layer_files, run

VERSION = platform.python_version()
DESCRIBED = [Member(f"{INFO}/METADATA", METADATA), Member(f"{INFO}/WHEEL", WHEEL)]
MODULE = Member("demo/__init__.py", b"X = 1\n")


def wheel(directory: Path, *members: Member, record: bytes | None = None) -> bytes:
    directory.mkdir(parents=True, exist_ok=True)
    info = {"RECORD": record} if record is not None else {}
    return make_wheel(directory, members, info=dict(info)).read_bytes()


def made(scratch: Path, files: Files, bytecode: str = "") -> dict[str, bytes]:
    return run(WheelsTool(), {"prefix": "opt/python", "bytecode": bytecode}, files, scratch)


def listing(outputs: dict[str, bytes]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(outputs["files.json"])
    return found


def test_a_built_wheel_is_installed_as_a_published_one_is(tmp_path: Path) -> None:
    data = wheel(tmp_path / "wheel", MODULE)
    published = made(tmp_path / "one", {FILENAME: data})
    built = made(tmp_path / "two", {"built/demo.whl": data})
    assert built["layer.tar.gz"] == published["layer.tar.gz"]
    assert {name for name, _ in listing(published).values()} == {FILENAME}
    assert {name for name, _ in listing(built).values()} == {"demo"}
    assert [digest for _, digest in listing(built).values()] == [d for _, d in listing(published).values()]


def test_built_and_published_wheels_that_want_one_place_are_named(tmp_path: Path) -> None:
    one = wheel(tmp_path / "one", MODULE)
    other = wheel(tmp_path / "other", Member("demo/__init__.py", b"X = 2\n"))
    with pytest.raises(
        UserError, match=f"two wheels want to be at /opt/python/demo/__init__.py: demo and {FILENAME}"
    ):
        made(tmp_path / "scratch", {"built/demo.whl": one, FILENAME: other})


def test_bytecode_lies_in_the_layer_and_not_in_the_listing(tmp_path: Path) -> None:
    data = wheel(tmp_path / "wheel", MODULE, Member("demo/template.py", b"{% if x %}\n"))
    plain = made(tmp_path / "plain", {FILENAME: data})
    outputs = made(tmp_path / "scratch", {FILENAME: data}, VERSION)
    files = layer_files(outputs["layer.tar.gz"])
    place = pyc_place("opt/python/demo/__init__.py", VERSION)
    assert files.keys() == layer_files(plain["layer.tar.gz"]).keys() | {place}
    assert marshal.loads(files[place][0][16:]).co_filename == "/opt/python/demo/__init__.py"
    assert outputs["files.json"] == plain["files.json"]
    assert made(tmp_path / "again", {FILENAME: data}, VERSION) == outputs


def test_bytecode_of_scripts_is_made_for_modules_alone(tmp_path: Path) -> None:
    script = Member("demo-1.0.data/scripts/tool", b"#!python\nprint(1)\n")
    outputs = made(tmp_path / "scratch", {FILENAME: wheel(tmp_path / "wheel", script)}, VERSION)
    assert not [path for path in layer_files(outputs["layer.tar.gz"]) if path.endswith(".pyc")]


@pytest.mark.parametrize("data", [b"no zip at all", b""])
def test_a_built_wheel_that_is_no_zip_is_an_error_about_its_backend(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(ActionFailed) as caught:
        made(tmp_path, {"built/receipt-demo.whl": data})
    assert caught.value.message.startswith(
        "the wheel that was built of receipt-demo cannot be installed: it is no wheel"
    )
    assert caught.value.hint is not None
    assert "[build-system]" in caught.value.hint


def test_a_built_wheel_is_checked_as_a_published_one_is(tmp_path: Path) -> None:
    lies = record_of([Member("demo/__init__.py", b"something else"), *DESCRIBED])
    data = wheel(tmp_path / "wheel", MODULE, record=lies)
    with pytest.raises(
        ActionFailed,
        match=r"the wheel that was built of demo cannot be installed: .* is not what RECORD says",
    ):
        made(tmp_path / "scratch", {"built/demo.whl": data})
    with pytest.raises(UserError, match="is not what RECORD says"):
        made(tmp_path / "again", {FILENAME: data})
