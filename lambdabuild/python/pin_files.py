"""Lock files of other tools -> pins: uv.lock, pylock.toml and requirements.txt.

Sources: uv's "Lockfile" page and its source (uv.lock, versions 1), PEP 751
(pylock.toml). What a package of the workspace itself is (editable, virtual, a
path) is left out without a word, what is not on an index with a note.

Absent: poetry.lock, pdm.lock and Pipfile.lock, whose tools export requirements.txt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from lambdabuild.errors import Location, UserError
from lambdabuild.python.pin_requirements import pins_of_requirements
from lambdabuild.python.pins import Pin, Pins
from lambdabuild.toml_file import TomlFile

_PYLOCK = re.compile(r"pylock(\.[^.]+)?\.toml")
_EXPORTS = {
    "poetry.lock": "poetry export -f requirements.txt -o requirements.txt",
    "pdm.lock": "pdm export -o requirements.txt",
    "Pipfile.lock": "pipenv requirements --hash > requirements.txt",
}
_OWN = ("editable", "virtual", "directory", "path")
_ELSEWHERE = ("git", "url", "vcs", "archive")
_T = TypeVar("_T")
Table = Mapping[str, Any]


def read_pins(path: Path) -> Pins:
    """Returns what the file at `path` pins; its name tells the format.

    Raises UserError, with the place, for a file that is not as its tool writes it.
    """
    if path.name in _EXPORTS:
        raise UserError(
            f"{path} has a format that is not read",
            hint=f"{_EXPORTS[path.name]}; lambdabuild lock --from requirements.txt",
        )
    if path.name == "uv.lock":
        return _toml_pins(path, "package", _pin_of_uv, hint="write it anew: uv lock")
    if _PYLOCK.fullmatch(path.name):
        return _toml_pins(path, "packages", _pin_of_pylock, hint="see PEP 751 for what it has to be")
    return pins_of_requirements(path)


def _toml_pins(path: Path, key: str, read: Callable[[Table, list[str]], Pin | None], *, hint: str) -> Pins:
    """Returns the pins that `read` makes of the tables in the array `key`; it adds notes."""
    file = TomlFile.parse(str(path), _bytes(path), hint=hint)
    if not any(version in file.document for version in ("version", "lock-version")):
        raise file.refusal("it does not say which version of its format it has")
    notes: list[str] = []
    pins = []
    header = re.compile(rf"\s*\[\[\s*{key}\s*\]\]")
    lines = [line for line, text in enumerate(file.text.split("\n"), 1) if header.match(text)]
    for number, table in enumerate(file.get(list, key) or [], 1):
        at = Location(str(path), lines[number - 1] if number <= len(lines) else 1)
        try:
            pins.append(read(table, notes))
        except (KeyError, TypeError, AttributeError):
            what = f"package {number} of the file is not as the format has it"
            raise UserError(what, at=at, hint=hint) from None
        except UserError as error:
            error.hint = hint
            raise error.located(at) from None
    return Pins(str(path), tuple(pin for pin in pins if pin), tuple(f"{path}: {note}" for note in notes))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _pin_of_uv(table: Table, notes: list[str]) -> Pin | None:
    """`source` says where it is from; forks have `resolution-markers`, of which one has to hold."""
    name, source = _typed(table["name"], str), _typed(table["source"], dict)
    if _is_aside(name, source, notes):
        return None
    markers = [_typed(marker, str) for marker in _typed(table.get("resolution-markers", []), list)]
    marker = " or ".join(f"({each})" for each in markers)
    hashes = [_typed(file["hash"], str) for file in _files(table) if "hash" in file]
    found = [each.removeprefix("sha256:") for each in hashes if each.startswith("sha256:")]
    return Pin.of(name, _typed(table["version"], str), marker, found)


def _pin_of_pylock(table: Table, notes: list[str]) -> Pin | None:
    name = _typed(table["name"], str)
    if _is_aside(name, table, notes) or "version" not in table:
        return None
    hashes = [_typed(file["hashes"], dict) for file in _files(table)]
    found = [_typed(each["sha256"], str) for each in hashes if "sha256" in each]
    return Pin.of(name, _typed(table["version"], str), _typed(table.get("marker", ""), str), found)


def _is_aside(name: str, source: Table, notes: list[str]) -> bool:
    """Returns whether the package is of the workspace, or of no index; the latter is noted."""
    for key in _ELSEWHERE:
        if key in source:
            notes.append(f"{name} is left aside: it does not come from an index ({key})")
            return True
    return any(key in source for key in _OWN)


def _files(table: Table) -> Iterator[Table]:
    if "sdist" in table:
        yield _typed(table["sdist"], dict)
    for wheel in _typed(table.get("wheels", []), list):
        yield _typed(wheel, dict)


def _typed(value: object, kind: type[_T]) -> _T:
    if not isinstance(value, kind):
        raise TypeError
    return value
