"""The house stays as docs/ARCHITECTURE.md draws it: a module imports only from rows above its own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lambdabuild"
MAX_LINES = 500

# Of the sources alone, whatever Python reads them.
pytestmark = pytest.mark.once


def rows() -> list[list[str]]:
    """Returns the rows of docs/ARCHITECTURE.md, the one that imports nothing first."""
    found = re.search(r"```rows\n(.*?)```", (ROOT / "docs" / "ARCHITECTURE.md").read_text(), re.DOTALL)
    assert found
    return [line.split() for line in found[1].splitlines()]


ROW = {name: number for number, names in enumerate(rows()) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """Returns the module or package, directly below lambdabuild/, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imports(path: Path) -> tuple[tuple[str, bool], ...]:
    """Returns (imported module, whether at module level) of a file, imports inside functions as well."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    inner = {
        id(node)
        for function in ast.walk(parsed(path))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for node in ast.walk(parsed(path)):
        level = id(node) not in inner
        if isinstance(node, ast.Import):
            yield from ((alias.name, level) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "lambdabuild":
            yield from ((f"lambdabuild.{alias.name}", level) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or "", level


def rooms_imported(path: Path) -> set[str]:
    """Returns the other rooms of the house that a file imports from."""
    names = {name.split(".")[1] for name, _ in imports(path) if name.startswith("lambdabuild.")}
    return {name for name in names if name in ROW} - {room(path)}


def test_every_module_has_its_place() -> None:
    assert {room(path) for path in FILES} == ROW.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_from_rows_above_its_own(path: Path) -> None:
    assert [other for other in sorted(rooms_imported(path)) if ROW[other] >= ROW[room(path)]] == []


def users_of(library: str, *, module_level: bool = False) -> set[str]:
    return {
        room(path)
        for path in FILES
        for name, top in imports(path)
        if name.split(".")[0] == library and (top or not module_level)
    }


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("blake3", {"digest"}),
        ("starlark", {"starlark"}),
        ("deflate", {"oci", "store"}),
        ("boto3", {"aws", "oci"}),
        ("rich", {"progress"}),
        ("click", {"cli", "commands", "ui"}),
        ("tomli", {"toml_file"}),
    ],
)
def test_a_library_is_known_in_one_place(library: str, rooms: set[str]) -> None:
    assert users_of(library) == rooms


def test_what_is_heavy_or_rarely_needed_is_imported_late() -> None:
    assert users_of("boto3", module_level=True) == set()
    assert users_of("deflate", module_level=True) == set()


def test_only_the_command_line_prints() -> None:
    printing = {
        room(path)
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    }
    assert printing == {"cli"}


def test_image_and_language_libraries_know_no_builds() -> None:
    for path in FILES:
        if room(path) in ("oci", "starlark"):
            assert rooms_imported(path) <= {"collector", "errors"}, path


def test_execution_knows_no_rules() -> None:
    for name in ("execution.py", "plan.py", "executors/local.py"):
        known = rooms_imported(PACKAGE / name)
        assert not known & {"rule", "rulebook", "target", "starlark", "configured", "loading", "analysis"}


def test_subprocesses_get_argument_lists() -> None:
    shells = [
        f"{path}:{node.lineno}"
        for path in FILES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and any(
            k.arg == "shell" and not (isinstance(k.value, ast.Constant) and k.value.value is False)
            for k in node.keywords
        )
    ]
    assert shells == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_is_one_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
