"""requirements.txt as pip reads it, as far as it pins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from lambdabuild.python.pin_files import read_pins
from lambdabuild.python.pins import Pin, Pins

A, B = "a" * 64, "b" * 64


def read(directory: Path, files: str | Mapping[str, str]) -> Pins:
    for name, text in ({"requirements.txt": files} if isinstance(files, str) else files).items():
        path = directory / "project" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return read_pins(directory / "project" / "requirements.txt")


@pytest.mark.parametrize(
    ("text", "pin"),
    [
        ("Requests==2.30", Pin("requests", "2.30")),
        ("requests == 2.30  # why", Pin("requests", "2.30")),
        ("requests[socks]===2.30", Pin("requests", "2.30")),
        ("requests==2.30;python_version<'3.12'", Pin("requests", "2.30", 'python_version < "3.12"')),
        (f"a==1 --hash=sha256:{A}", Pin("a", "1", "", (A,))),
        (f"a==1 \\\n    --hash=sha256:{B} \\\n    --hash=sha256:{A}\n    # via b", Pin("a", "1", "", (A, B))),
        (f"a==1 ; os_name == 'x' --hash sha256:{A}", Pin("a", "1", 'os_name == "x"', (A,))),
        (f"a==1 --hash=md5:00 --hash=sha256:{A} --no-binary=a", Pin("a", "1", "", (A,))),
        ("\ufeff# first\n\n--index-url https://x.org/simple\n-i y\n--pre\na==1+cpu\n", Pin("a", "1+cpu")),
        ("a==1\r\n-c requirements.txt\r\n", Pin("a", "1")),
    ],
)
def test_what_is_pinned(tmp_path: Path, text: str, pin: Pin) -> None:
    pins = read(tmp_path, text)
    assert pins.pins == (pin,)
    assert pins.notes == ()


@pytest.mark.parametrize(
    "line",
    [
        *(
            "-e .",
            "-e ./lib",
            "--editable=git+https://x.org/a#egg=a",
            "./lib",
            "lib/dist/a-1-py3-none-any.whl",
        ),
        *("https://x.org/a.zip", "git+ssh://git@x.org/a", "a @ https://x.org/a.whl", "file:lib", "../lib"),
        "a[x] @ file:///lib --hash=sha256:00",
    ],
)
def test_what_comes_from_elsewhere_is_left_aside_with_a_note(tmp_path: Path, line: str) -> None:
    pins = read(tmp_path, f"a==1\n{line}\nb==1\n")
    assert [str(pin) for pin in pins.pins] == ["a==1", "b==1"]
    (note,) = pins.notes
    assert note.startswith(
        f"{tmp_path}/project/requirements.txt:2: left aside, since it does not come from an index"
    )
    assert line[:40] in note


@pytest.mark.parametrize("line", ["a", "a>=1", "a==1.*", "a==1,!=2", "a!=1"])
def test_what_names_no_single_version_is_left_aside_with_a_note(tmp_path: Path, line: str) -> None:
    pins = read(tmp_path, f"\n{line}\n")
    assert pins.pins == ()
    (note,) = pins.notes
    assert (
        note
        == f"{tmp_path}/project/requirements.txt:2: left aside, since it names no single version: {line!r}"
    )


def test_included_files_are_read_once_each_and_relative_to_where_they_are_named(tmp_path: Path) -> None:
    pins = read(
        tmp_path,
        {
            "requirements.txt": "-r sub/more.txt\n-csub/limits.txt\n--requirement=sub/more.txt\na==1\n",
            "sub/more.txt": "b==1\n--constraint 'limits.txt'\n-r ../requirements.txt\n",
            "sub/limits.txt": "c==1\n",
        },
    )
    assert [str(pin) for pin in pins.pins] == ["b==1", "c==1", "a==1"]


@pytest.mark.parametrize("name", ["../outside.txt", "/etc/passwd", "sub/../../outside.txt", "link.txt"])
def test_a_file_outside_is_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.txt").write_text("a==1\n")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "link.txt").symlink_to(tmp_path / "outside.txt")
    with pytest.raises(UserError, match="is outside of") as caught:
        read(tmp_path, f"b==1\n-r {name}\n")
    assert str(caught.value.at) == f"{tmp_path}/project/requirements.txt:2"


def test_a_file_by_url_is_left_aside_with_a_note(tmp_path: Path) -> None:
    assert len(read(tmp_path, "-r https://x.org/requirements.txt\n").notes) == 1


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a==1\na==1 b", 2, "is not a requirement"),
        ("a==1 \\\n  ; os_name\nb==1", 1, "is not a requirement"),
        ("a==1\n-r none.txt", 2, "cannot read"),
        ("a==1\n-r a\0b", 2, "is not the path of a file"),
        (f"\n\na==1 --hash=sha256:{A[1:]}", 3, "is not 64 hex digits"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(
    tmp_path: Path, text: str, line: int, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, text)
    assert str(caught.value.at) == f"{tmp_path}/project/requirements.txt:{line}"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"a==1\n\xff")
    with pytest.raises(UserError, match="not UTF-8 at byte 5"):
        read_pins(tmp_path / "requirements.txt")
