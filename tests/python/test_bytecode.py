"""Bytecode is that of one exact Python, and depends on the files alone."""

from __future__ import annotations

import importlib.util
import itertools
import marshal
import os
import platform
import subprocess
import sys
from pathlib import Path
from types import CodeType

import pytest

from lambdabuild.errors import ActionFailed, ExternalError
from lambdabuild.python.bytecode import compile_files, pyc_place
from lambdabuild.python.interpreters import interpreters
from tests.python.faulty_index import never
from tests.python.test_build_process import Stop

VERSION = platform.python_version()
SOURCES = {
    "opt/python/demo/__init__.py": b"from demo.names import NAMES\n",
    "opt/python/demo/names.py": b"NAMES = {'b', 'a', 'c', 'd', 1, 2.5, None}\ndef has(x):\n    return x in {'x', 'y', 'z', None}\n",
    "opt/python/demo/gr\u00f6\u00dfe.py": b"# coding: latin-1\nX = '\xdf'\n",
    "var/task/handler.py": b"import demo\nasync def main(event, context):\n    return f'{event!r}' if context else None\n",
    "var/task/template.py": b"class {{ name }}:\n",
    "var/task/old.py": b"print 'hello'\n",
    "var/task/nul.py": b"x = 1\0\n",
    "var/task/warns.py": b"x = '\\d'\nassert (x, 'always true')\n",
    "var/task/deep.py": b"x = " + b"(" * 500 + b")" * 500 + b"\n",
}
BAD = {"template", "old", "nul", "deep"}


def write(directory: Path) -> dict[str, Path]:
    directory.mkdir(parents=True)
    files = {place: directory / f"{number}.py" for number, place in enumerate(SOURCES)}
    for place, path in files.items():
        path.write_bytes(SOURCES[place])
    return files


def compiled(directory: Path, version: str = VERSION) -> dict[str, bytes]:
    sources = write(directory / "sources")
    made = compile_files(version, sources, directory / "bytecode", never)
    return {place: path.read_bytes() for place, path in made.items()}


def code_of(data: bytes) -> CodeType:
    code = marshal.loads(data[16:])
    assert isinstance(code, CodeType)
    return code


def test_what_compiles_has_bytecode_and_the_rest_has_none(tmp_path: Path) -> None:
    tag = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
    found = {place.rpartition("/")[2].removesuffix(f".{tag}.pyc") for place in compiled(tmp_path)}
    assert found == {"__init__", "names", "größe", "handler", "warns"}
    assert {place.rpartition("/")[0] for place in compiled(tmp_path / "again")} == {
        "opt/python/demo/__pycache__",
        "var/task/__pycache__",
    }


def test_bytecode_is_checked_by_nothing_and_names_the_place_in_the_image(tmp_path: Path) -> None:
    data = compiled(tmp_path)[pyc_place("var/task/handler.py", VERSION)]
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:8] == b"\x01\0\0\0"  # PEP 552: by hash, unchecked
    assert data[8:16] == importlib.util.source_hash(SOURCES["var/task/handler.py"])
    assert code_of(data).co_filename == "/var/task/handler.py"


def versions() -> list[str]:
    """This Python's version, and an older one's if this machine has it: before 3.11 sets have no order."""
    older = (version for version, _ in interpreters("3.10") if version.startswith(("3.9.", "3.10.")))
    return [VERSION, *itertools.islice(older, 1)]


@pytest.mark.parametrize("version", versions())
def test_bytes_are_equal_in_any_directory_and_with_any_hash_seed(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    first = compiled(tmp_path, version)
    assert first
    for seed in ("2", "random"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        assert compiled(tmp_path / seed / "directory with spaces", version) == first


def test_an_interpreter_takes_the_bytecode(tmp_path: Path) -> None:
    (tmp_path / "root" / "__pycache__").mkdir(parents=True)
    (tmp_path / "root" / "mod.py").write_text("X = 'source'\n")
    source = tmp_path / "other.py"
    source.write_text("X = 'bytecode'\n")
    (pyc,) = compile_files(VERSION, {"mod.py": source}, tmp_path / "scratch", never).values()
    pyc.rename(tmp_path / "root" / pyc_place("mod.py", VERSION))
    command = [sys.executable, "-c", "import mod; print(mod.X)"]
    ran = subprocess.run(command, cwd=tmp_path / "root", capture_output=True, text=True, check=True)
    assert ran.stdout == "bytecode\n"


def test_nothing_is_written_but_below_scratch(tmp_path: Path) -> None:
    sources = write(tmp_path / "sources")
    for path in sources.values():
        path.chmod(0o755)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "sources").iterdir()}
    made = compile_files(VERSION, sources, tmp_path / "scratch", never)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "sources").iterdir()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"sources", "scratch"}
    assert all(path.parent == tmp_path / "scratch" for path in made.values())
    assert {path.stat().st_mode & 0o777 for path in made.values()} == {0o644}


def test_modules_beside_the_files_do_not_disturb(tmp_path: Path) -> None:
    sources = {"var/task/json.py": tmp_path / "json.py", "var/task/py_compile.py": tmp_path / "py_compile.py"}
    for path in sources.values():
        path.write_text("raise RuntimeError\n")
    assert len(compile_files(VERSION, sources, tmp_path / "scratch", never)) == 2


def test_no_files_need_no_interpreter(tmp_path: Path) -> None:
    assert compile_files("3.99.0", {}, tmp_path / "scratch", never) == {}
    with pytest.raises(ExternalError):
        compile_files("3.99.0", {"x.py": tmp_path / "x.py"}, tmp_path / "scratch", never)


def test_compiling_can_be_stopped(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    os.mkfifo(source)  # which nobody writes to

    def stop() -> None:
        raise Stop

    with pytest.raises(Stop):
        compile_files(VERSION, {"x.py": source}, tmp_path / "scratch", stop)


def test_a_compiler_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed) as caught:
        compile_files(VERSION, {"x.py": tmp_path / "absent.py"}, tmp_path / "scratch", never)
    assert caught.value.message == f"Python {VERSION} could not compile the files: it ended with exit code 1"
    assert caught.value.details[-1].startswith("FileNotFoundError")


def test_bytecode_has_its_place() -> None:
    assert pyc_place("opt/python/a/b.c.py", "3.12.7") == "opt/python/a/__pycache__/b.c.cpython-312.pyc"
    assert pyc_place("x.py", "3.9.18") == "__pycache__/x.cpython-39.pyc"
