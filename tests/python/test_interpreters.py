"""An interpreter of an exact version is found, or the error says which ones there are."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.python.interpreters import find_interpreter

VERSION = platform.python_version()
ANSWER = "#!/bin/sh\necho {implementation} {version} {executable}\n"


def fake(place: Path, version: str, implementation: str = "cpython", executable: str | None = None) -> Path:
    """Makes a program that says of itself that it is an interpreter."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(
        ANSWER.format(implementation=implementation, version=version, executable=executable or place)
    )
    place.chmod(0o755)
    return place


def find(version: str, *directories: Path, home: Path = Path("/nowhere")) -> Path:
    return find_interpreter(version, [str(directory) for directory in directories], home)


@pytest.fixture(autouse=True)
def no_pyenv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYENV_ROOT", raising=False)


def test_the_python_that_runs_this_is_taken_first(tmp_path: Path) -> None:
    fake(tmp_path / "python3", VERSION)
    assert os.path.realpath(find(VERSION, tmp_path)) == os.path.realpath(sys.executable)


def test_every_directory_of_path_is_looked_into(tmp_path: Path) -> None:
    fake(tmp_path / "a" / "python3.12", "3.12.1")
    wanted = fake(tmp_path / "b" / "python3.12", "3.12.97")
    other = fake(tmp_path / "b" / "python3", "3.13.99")
    assert find("3.12.97", tmp_path / "absent", tmp_path / "a", tmp_path / "b") == wanted
    assert find("3.13.99", tmp_path / "a", tmp_path / "b") == other


def test_what_pyenv_keeps_is_found(tmp_path: Path) -> None:
    wanted = fake(tmp_path / ".pyenv" / "versions" / "3.12.97" / "bin" / "python3", "3.12.97")
    assert find("3.12.97", home=tmp_path) == wanted


def test_a_shim_gives_what_it_leads_to(tmp_path: Path) -> None:
    fake(tmp_path / "python3.12", "3.12.97", executable="/opt/python with space/bin/python3.12")
    assert find("3.12.97", tmp_path) == Path("/opt/python with space/bin/python3.12")


def test_the_versions_that_are_there_are_named(tmp_path: Path) -> None:
    fake(tmp_path / "python3.12", "3.12.100")
    fake(tmp_path / "b" / "python3.12", "3.12.99")
    fake(tmp_path / "c" / "python3.12", "3.12.97", implementation="pypy")
    fake(tmp_path / ".pyenv" / "versions" / "3.9.1" / "bin" / "python3", "3.9.1")
    broken = fake(tmp_path / "python3", "3.12.97")
    broken.write_text("#!/bin/sh\necho cpython 3.12.97 /x\nexit 127\n")
    (tmp_path / "d" / "python3.12").mkdir(parents=True)
    with pytest.raises(ExternalError) as caught:
        find("3.12.97", *(tmp_path / name for name in ("", "b", "c", "d")), home=tmp_path)
    versions = sorted({"3.9.1", "3.12.99", "3.12.100", VERSION}, key=lambda v: [int(p) for p in v.split(".")])
    assert caught.value.message == (
        "bytecode for Python 3.12.97 needs that very version on this machine, which has "
        + ", ".join(versions)
    )
    assert caught.value.hint == "install it, e.g. pyenv install 3.12.97, or change `bytecode`"
