"""The ELF reader and the search for libraries, against what the system says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.python.elf import Libraries, read_elf
from lambdabuild.python.host import discover

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")

SHELL = os.path.realpath("/bin/sh")


@pytest.fixture(scope="module")
def libraries() -> Libraries:
    return Libraries(discover().platform.partition("/")[2])


def test_closure_is_what_ldd_says(libraries: Libraries) -> None:
    if shutil.which("ldd") is None:
        pytest.skip("needs ldd: apt-get install libc-bin")
    for path in (SHELL, os.path.realpath(sys.executable)):
        printed = subprocess.run(["ldd", path], capture_output=True, text=True, check=True).stdout
        pairs = (line.split(" => ") for line in printed.splitlines() if " => " in line)
        expected = {name.strip(): os.path.realpath(rest.split(" (")[0]) for name, rest in pairs}
        found, absent = libraries.closure(path, {})
        loader = {soname for soname in found if soname.startswith("ld-")}
        assert absent == []
        assert {name: found[name] for name in found.keys() - loader} == expected


def test_a_text_is_no_elf_file(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("#!/bin/sh\n" * 100)
    assert read_elf(str(tmp_path / "text")) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2000))
def test_a_file_cut_short_never_fails_the_reader(length: int) -> None:
    with open(SHELL, "rb") as whole, tempfile.NamedTemporaryFile() as cut:
        cut.write(whole.read(length))
        cut.flush()
        elf = read_elf(cut.name)
    assert elf is None or elf.needed == ()


def test_a_library_of_another_architecture_is_passed_over(tmp_path: Path, libraries: Libraries) -> None:
    foreign, own = tmp_path / "foreign", tmp_path / "own"
    found = libraries.find("libc.so.6")
    assert found is not None
    for directory in (foreign, own):
        directory.mkdir()
        shutil.copyfile(found, directory / "libc.so.6")
    with (foreign / "libc.so.6").open("r+b") as file:
        file.seek(18)
        file.write((0xF3).to_bytes(2, "little"))  # RISC-V
    assert libraries.find("libc.so.6", [str(foreign), str(own)]) == str(own / "libc.so.6")


def test_directories_come_from_the_loaders_configuration(tmp_path: Path, libraries: Libraries) -> None:
    found = libraries.find("libc.so.6")
    assert found is not None
    (tmp_path / "more").mkdir()
    (tmp_path / "libraries").mkdir()
    shutil.copyfile(found, tmp_path / "libraries" / "libtest.so.1")
    (tmp_path / "ld.so.conf").write_text("include more/*.conf\n")
    (tmp_path / "more" / "a.conf").write_text(f"# ours\n{tmp_path}/libraries\n")
    configured = Libraries(discover().platform.partition("/")[2], conf=str(tmp_path / "ld.so.conf"))
    assert configured.find("libtest.so.1") == str(tmp_path / "libraries" / "libtest.so.1")
    assert libraries.find("libtest.so.1") is None
