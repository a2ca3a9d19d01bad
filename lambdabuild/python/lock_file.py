"""python.lock: a `Lock` as TOML, and back.

    version = 1
    combinations = ["python 3.12, glibc 2.34, linux/amd64"]
    requirements = ["boto3>=1.34"]

    [[package]]
    name = "boto3"
    version = "1.34.0"
    requires = ["botocore<1.35.0,>=1.34.0"]         # left out where there are none
    extras = []                                     # left out likewise
    combinations = []                               # left out where it is for all
    files = [{ name = "…", size = 139000, sha256 = "…" }]

One entry a line, so that a merge or a review sees single packages. `print_lock`
gives equal bytes for equal locks, on any machine and with any library;
`parse_lock` takes any TOML that says the same.

Absent: reading and writing the file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import tomli

from lambdabuild.errors import Location, UserError
from lambdabuild.python.lock import Lock, LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import normalised

FILE_NAME = "python.lock"
VERSION = 1
HINT = "write it anew: lambdabuild lock"
HEADER = "# Made by `lambdabuild lock` from the requirements of the workspace; change those, not this file.\n"

_T = TypeVar("_T")
_KEYS = ("version", "combinations", "requirements", "package")
_PACKAGE_KEYS = ("name", "version", "requires", "extras", "combinations", "files")
_FILE_KEYS = ("name", "size", "sha256")
_PACKAGE = re.compile(r"""\s*\[\[\s*(?:package|"package"|'package')\s*\]\]""")


def print_lock(lock: Lock) -> bytes:
    """Returns the lock as the bytes of a file."""
    parts = [HEADER, f"version = {VERSION}\n"]
    parts.append(_array("combinations", map(_string, map(str, lock.combinations))))
    parts.append(_array("requirements", map(_string, lock.requirements)))
    for package in lock.packages:
        parts.append(f"\n[[package]]\nname = {_string(package.name)}\nversion = {_string(package.version)}\n")
        for key, values in (
            ("requires", package.requires),
            ("extras", package.extras),
            ("combinations", tuple(map(str, package.combinations))),
        ):
            if values:
                parts.append(_array(key, map(_string, values)))
        parts.append(_array("files", map(_file, package.files)))
    return "".join(parts).encode()


def _array(key: str, items: Iterable[str]) -> str:
    lines = "".join(f"    {item},\n" for item in items)
    return f"{key} = [\n{lines}]\n" if lines else f"{key} = []\n"


def _file(file: LockedFile) -> str:
    return f"{{ name = {_string(file.name)}, size = {file.size}, sha256 = {_string(file.sha256)} }}"


def _string(text: str) -> str:
    """A JSON string of printable text, and a Lock holds no other, is a TOML string."""
    return json.dumps(text, ensure_ascii=False)


def parse_lock(data: bytes) -> Lock:
    """Returns the lock in the bytes of a file.

    Raises UserError, with the line and what to do, for anything that is not a
    lock: bytes of any kind are safe to pass.
    """
    text, document = _load(data)
    return _Reader(text).lock(document)


def _load(data: bytes) -> tuple[str, dict[str, Any]]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        at = Location(FILE_NAME, data.count(b"\n", 0, error.start) + 1)
        raise UserError("not UTF-8", at=at, hint=HINT) from None
    try:
        return text, tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        message = re.sub(r" \(at .*\)$", "", str(error))
        at = Location(FILE_NAME, error.lineno, error.colno)
        raise UserError(f"not TOML: {message[:1].lower()}{message[1:]}", at=at, hint=HINT) from None
    except (RecursionError, ValueError):
        message = "a value is nested too deeply, or a number too long, to be read"
        raise UserError(message, at=Location(FILE_NAME, 1), hint=HINT) from None


class _Reader:
    """Checks a parsed document, and finds the lines of what is wrong in its text."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._headers = [index for index, line in enumerate(self._lines) if _PACKAGE.match(line)]

    def lock(self, document: dict[str, Any]) -> Lock:
        self._check_version(document.get("version"))
        self._check_keys(document, _KEYS, None)
        combinations = self._combinations(document, None)
        requirements = self._strings(document, "requirements", None)
        for text in requirements:
            with self._at(None, "requirements", text):
                normalised(text)
        with self._at(None, "package"):
            tables = _typed(document.get("package", []), list, "package")
        by_name: dict[str, list[LockedPackage]] = {}
        for index, table in enumerate(tables):
            with self._at(index):
                package = self._package(_typed(table, dict, "package"), index)
                same_name = by_name.setdefault(package.name, [])
                same_name.append(package)
                Lock.of(combinations, (), same_name)  # so that a contradiction has a line
        with self._at(None):
            return Lock.of(combinations, requirements, [each for group in by_name.values() for each in group])

    def _check_version(self, version: object) -> None:
        at = self._place(None, "version")
        if type(version) is not int or version < 1:
            raise UserError(f"there is no `version = {VERSION}`, the version of the format", at=at, hint=HINT)
        if version > VERSION:
            raise UserError(
                f"the format has version {version}, and this lambdabuild knows none above {VERSION}",
                at=at,
                hint="upgrade it: pip install --upgrade lambdabuild",
            )

    def _check_keys(self, table: dict[str, Any], known: tuple[str, ...], index: int | None) -> None:
        for key in table:
            with self._at(index, key):
                _check_key(key, known)

    def _package(self, table: dict[str, Any], index: int) -> LockedPackage:
        self._check_keys(table, _PACKAGE_KEYS, index)
        requires = self._strings(table, "requires", index)
        files = []
        for item in self._typed(table, "files", list, index):
            name = item.get("name") if type(item) is dict else None
            with self._at(index, "files", name if type(name) is str else ""):
                files.append(_locked_file(item))
        try:
            return LockedPackage.of(
                self._typed(table, "name", str, index),
                self._typed(table, "version", str, index),
                files,
                requires=requires,
                extras=self._strings(table, "extras", index),
                combinations=self._combinations(table, index),
            )
        except UserError:
            for text in requires:  # is it one of them? then it has a line
                with self._at(index, "requires", text):
                    normalised(text)
            raise

    def _combinations(self, table: dict[str, Any], index: int | None) -> list[Combination]:
        found = []
        for text in self._strings(table, "combinations", index):
            with self._at(index, "combinations", text):
                found.append(Combination.parse(text))
        return found

    def _strings(self, table: dict[str, Any], key: str, index: int | None) -> list[str]:
        items = self._typed(table, key, list, index) if key in table else []
        for item in items:
            with self._at(index, key):
                _typed(item, str, f"what {key} lists")
        return items

    def _typed(self, table: dict[str, Any], key: str, kind: type[_T], index: int | None) -> _T:
        with self._at(index, key):
            return _typed(table.get(key), kind, key)

    @contextmanager
    def _at(self, index: int | None, key: str = "", value: str = "") -> Iterator[None]:
        """Gives errors their line, if they have none, and the hint.

        index: of the package they are in, None outside of packages.
        """
        try:
            yield
        except UserError as error:
            error.hint = HINT
            raise error.located(self._place(index, key, value)) from None

    def _place(self, index: int | None, key: str = "", value: str = "") -> Location:
        """Returns where `value` of `key` stands, or what of it is found: tomli keeps no places."""
        starts = [0, *self._headers, len(self._lines)]
        number = 0 if index is None else index + 1
        if number + 1 >= len(starts):  # packages written as one array
            return Location(FILE_NAME, 1)
        line, end = starts[number], starts[number + 1]
        for text, before in ((key, r"\s*[\"']?"), (value, ".*")):
            if text:
                wanted = re.compile(before + re.escape(text))
                line = next((at for at in range(line, end) if wanted.match(self._lines[at])), line)
        return Location(FILE_NAME, line + 1)


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
