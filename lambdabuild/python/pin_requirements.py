"""requirements.txt -> pins.

As pip's documentation has it ("Requirements File Format"): lines that are
continued with a backslash, comments, options. What is pinned with `==` counts,
with or without --hash; -r and -c lead to further files beside or below the first.

Absent: environment variables, files by URL, other options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from lambdabuild.errors import Location, UserError
from lambdabuild.python.pins import Pin, Pins
from lambdabuild.python.requirements import parse_requirement

_COMMENT = re.compile(r"(^|\s+)#.*$")
_HASH = re.compile(r"--hash[=\s]\s*([a-z0-9]+):(\S+)")
_INCLUDE = re.compile(r"(?:-r|-c|--requirement|--constraint)(?:[=\s]\s*|(?<=-[rc]))(?P<path>\S.*)")
_EDITABLE = re.compile(r"(?:-e|--editable)\b")
_ELSEWHERE = re.compile(
    r"(?:[a-z][a-z0-9+.-]*://|file:|\.{0,2}/|\.\\|[^\s;\[]+\s*(?:\[[^\]]*\])?\s*@)", re.IGNORECASE
)
_ARCHIVES = (".whl", ".zip", ".tar.gz")


class _Line(NamedTuple):
    """A line, together with those that continue it. number: of the first, from 1."""

    number: int
    text: str


def pins_of_requirements(path: Path) -> Pins:
    """Returns what a requirements.txt pins, and what the files that it includes pin.

    Raises UserError, with file and line, for what is malformed, and for a file
    outside of the directory of the first.
    """
    reader = _Reader(path)
    reader.read(path)
    return Pins(str(path), tuple(reader.pins), tuple(reader.notes))


class _Reader:
    def __init__(self, first: Path) -> None:
        self._root = first.resolve().parent
        self._seen: set[Path] = set()
        self.pins: dict[Pin, None] = {}
        self.notes: list[str] = []

    def read(self, path: Path) -> None:
        real = path.resolve()
        if real in self._seen:
            return
        self._seen.add(real)
        for line in _lines(_text(path)):
            at = Location(str(path), line.number)
            try:
                self._take(path, line.text, at)
            except UserError as error:
                raise error.located(at) from None

    def _take(self, path: Path, text: str, at: Location) -> None:
        if included := _INCLUDE.fullmatch(text):
            self._include(path, included["path"].strip("\"'"), at)
        elif _EDITABLE.match(text) or _is_elsewhere(text):
            self.notes.append(f"{at}: left aside, since it does not come from an index: {_short(text)}")
        elif not text.startswith("-"):
            requirement = parse_requirement(re.split(r"\s--", text, maxsplit=1)[0])
            version = _exact(requirement)
            if version is None:
                self.notes.append(f"{at}: left aside, since it names no single version: {_short(text)}")
                return
            hashes = [value for algorithm, value in _HASH.findall(text) if algorithm == "sha256"]
            marker = str(requirement.marker or "")
            self.pins[Pin.of(requirement.name, version, marker, hashes)] = None

    def _include(self, path: Path, name: str, at: Location) -> None:
        if "://" in name:
            self.notes.append(f"{at}: left aside, since it is no file here: {_short(name)}")
            return
        if not name.isprintable():
            raise UserError(f"{_short(name)} is not the path of a file")
        target = path.parent / name
        if not target.resolve().is_relative_to(self._root):
            raise UserError(
                f"{name} is outside of {self._root}, and would not be part of what is taken over",
                hint="move it beside the file that includes it, or take it over by itself",
            )
        self.read(target)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 at byte {error.start}", at=Location(str(path))) from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def _lines(text: str) -> Iterator[_Line]:
    """Yields the lines that say something, without comments. A comment ends a continued line."""
    parts: list[str] = []
    start = 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start if parts else number
        bare = _COMMENT.sub("", line)
        parts.append(bare.rstrip("\\"))
        if not bare.endswith("\\"):
            yield from _joined(start, parts)
            parts = []
    yield from _joined(start, parts)


def _joined(number: int, parts: list[str]) -> Iterator[_Line]:
    text = " ".join(part.strip() for part in parts).strip()
    if text:
        yield _Line(number, text)


def _is_elsewhere(text: str) -> bool:
    first = text.split(";")[0].split(" --")[0].strip()
    return bool(_ELSEWHERE.match(text)) or first.endswith(_ARCHIVES)


def _exact(requirement: Requirement) -> str | None:
    """Returns the one version that fits, or None."""
    clauses = [*requirement.specifier]
    if len(clauses) != 1 or clauses[0].operator not in ("==", "===") or clauses[0].version.endswith(".*"):
        return None
    return str(clauses[0].version)


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:80] + "…")
