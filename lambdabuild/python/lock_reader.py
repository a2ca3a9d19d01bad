"""The bytes of python.lock -> a `Lock`; lock_file has the format.

tomli keeps no places, so what is wrong is looked for in the text: `_Section`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

from lambdabuild.errors import Location, UserError
from lambdabuild.python.lock import BuildLock, Lock, LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import normalised
from lambdabuild.toml_file import TomlFile

FILE_NAME = "python.lock"
VERSION = 1
HINT = "restore it from version control, or write it anew: lambdabuild lock --upgrade-all"

_T = TypeVar("_T")
_KEYS = ("version", "combinations", "requirements", "package", "build")
_BUILD_KEYS = ("requires", "package")
_BUILD_PACKAGE_KEYS = ("name", "version", "requires", "extras", "files")
_PACKAGE_KEYS = (*_BUILD_PACKAGE_KEYS, "combinations", "build")
_FILE_KEYS = ("name", "size", "sha256")
_HEADER = re.compile(
    r"""\s*\[\[\s*(?P<table>["']?(?:package|build)["']?(?:\s*\.\s*["']?package["']?)?)\s*\]\]"""
)


def parse_lock(data: bytes) -> Lock:
    """Returns the lock in the bytes of a file.

    Raises UserError, with the line and what to do, for anything that is not a
    lock: bytes of any kind are safe to pass.
    """
    file = TomlFile.parse(FILE_NAME, data, hint=HINT)
    return _Reader(file.text.split("\n")).lock(dict(file.document))


class _Section:
    """The lines of a table, and of the arrays in it, to tell where something stands.

    start, end: of `lines`, from 0; equal for a table that has no header of its own.
    """

    def __init__(self, lines: Sequence[str], start: int, end: int) -> None:
        self._lines, self._start, self._end = lines, start, end

    @contextmanager
    def at(self, key: str = "", value: str = "") -> Iterator[None]:
        """Gives errors their line, if they have none, and the hint."""
        try:
            yield
        except UserError as error:
            error.hint = HINT
            raise error.located(self.place(key, value)) from None

    def place(self, key: str = "", value: str = "") -> Location:
        """Returns where `value` of `key` stands, or what of it is found."""
        line = self._start
        for text, before in ((key, r"\s*[\"']?"), (value, ".*")):
            if text:
                wanted = re.compile(before + re.escape(text))
                found = (at for at in range(line, self._end) if wanted.match(self._lines[at]))
                line = next(found, line)
        return Location(FILE_NAME, line + 1)

    def check_keys(self, table: dict[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            with self.at(key):
                _check_key(key, known)

    def strings(self, table: dict[str, Any], key: str) -> list[str]:
        items = self.typed(table, key, list) if key in table else []
        for item in items:
            with self.at(key):
                _typed(item, str, f"what {key} lists")
        return items

    def requirements(self, table: dict[str, Any], key: str) -> list[str]:
        texts = self.strings(table, key)
        for text in texts:
            with self.at(key, text):
                normalised(text)
        return texts

    def combinations(self, table: dict[str, Any]) -> list[Combination]:
        found = []
        for text in self.strings(table, "combinations"):
            with self.at("combinations", text):
                found.append(Combination.parse(text))
        return found

    def typed(self, table: dict[str, Any], key: str, kind: type[_T]) -> _T:
        with self.at(key):
            return _typed(table.get(key), kind, key)


class _Reader:
    """Checks a parsed document."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        headers = [(at, match["table"]) for at, line in enumerate(lines) if (match := _HEADER.match(line))]
        starts = [0, *(at for at, _ in headers), len(lines)]
        self._top, *sections = (_Section(lines, start, end) for start, end in pairwise(starts))
        self._sections: dict[str, list[_Section]] = {}
        for (_, table), section in zip(headers, sections, strict=True):
            self._sections.setdefault(re.sub(r"[\s\"']", "", table), []).append(section)

    def _section(self, table: str, index: int) -> _Section:
        """Returns the lines of the table with that number, or line 1 for tables in one array."""
        found = self._sections.get(table, [])
        return found[index] if index < len(found) else _Section(self._lines, 0, 0)

    def lock(self, document: dict[str, Any]) -> Lock:
        top = self._top
        self._check_version(document.get("version"))
        top.check_keys(document, _KEYS)
        combinations = top.combinations(document)
        requirements = top.requirements(document, "requirements")
        by_name: dict[str, list[LockedPackage]] = {}
        for index, table in enumerate(_tables(top, document, "package")):
            section = self._section("package", index)
            with section.at():
                package = _package(section, _typed(table, dict, "package"), _PACKAGE_KEYS)
                same_name = by_name.setdefault(package.name, [])
                same_name.append(package)
                Lock.of(combinations, (), same_name)  # so that a contradiction has a line
        builds = self._builds(document)
        with top.at():
            packages = [each for group in by_name.values() for each in group]
            return Lock.of(combinations, requirements, packages, builds)

    def _builds(self, document: dict[str, Any]) -> list[BuildLock]:
        builds: list[BuildLock] = []
        count = 0  # of packages in all of them
        for index, table in enumerate(_tables(self._top, document, "build")):
            section = self._section("build", index)
            with section.at():
                build = _typed(table, dict, "build")
                section.check_keys(build, _BUILD_KEYS)
                requires = section.requirements(build, "requires")
                packages: list[LockedPackage] = []
                for each in _tables(section, build, "package"):
                    below = self._section("build.package", count)
                    with below.at():
                        each = _typed(each, dict, "package")
                        packages.append(_package(below, each, _BUILD_PACKAGE_KEYS))
                        BuildLock.of(requires, packages)
                    count += 1
                builds.append(BuildLock.of(requires, packages))
                Lock.of((), (), (), builds)
        return builds

    def _check_version(self, version: object) -> None:
        at = self._top.place("version")
        if type(version) is not int or version < 1:
            raise UserError(f"there is no `version = {VERSION}`, the version of the format", at=at, hint=HINT)
        if version > VERSION:
            raise UserError(
                f"the format has version {version}, and this lambdabuild knows none above {VERSION}",
                at=at,
                hint="upgrade it: pip install --upgrade lambdabuild",
            )


def _tables(section: _Section, table: dict[str, Any], key: str) -> list[Any]:
    return section.typed(table, key, list) if key in table else []


def _package(section: _Section, table: dict[str, Any], known: tuple[str, ...]) -> LockedPackage:
    section.check_keys(table, known)
    files = []
    for item in section.typed(table, "files", list):
        name = item.get("name") if type(item) is dict else None
        with section.at("files", name if type(name) is str else ""):
            files.append(_locked_file(item))
    return LockedPackage.of(
        section.typed(table, "name", str),
        section.typed(table, "version", str),
        files,
        requires=section.requirements(table, "requires"),
        extras=section.strings(table, "extras"),
        combinations=section.combinations(table),
        build=section.requirements(table, "build"),
    )


def _check_key(key: str, known: tuple[str, ...]) -> None:
    if key not in known:
        raise UserError(f"unknown key {key[:80]!r}; there are {', '.join(known)}")


def _typed(value: object, kind: type[_T], what: str) -> _T:
    """Returns `value`, if it is exactly of `kind`: a bool is no int."""
    if type(value) is not kind:
        names = {str: "a string", list: "an array", dict: "a table", int: "a whole number"}
        raise UserError(f"{what} must be {names[kind]}" + (", and is missing" if value is None else ""))
    return value


def _locked_file(item: object) -> LockedFile:
    table = _typed(item, dict, "what files lists")
    for key in table:
        _check_key(key, _FILE_KEYS)
    return LockedFile.of(
        _typed(table.get("name"), str, "name of a file"),
        _typed(table.get("size"), int, "size of a file"),
        _typed(table.get("sha256"), str, "sha256 of a file"),
    )
