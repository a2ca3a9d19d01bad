"""A TOML file that somebody wrote by hand: its values, checked for their type, and the lines they are on.

tomli keeps no places. They are looked for in the text when there is something
to complain of: a scan by lines, which finds the nearest thing above what is
inside inline tables.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import tomli

from lambdabuild.errors import Location, UserError

_T = TypeVar("_T")
_KINDS: dict[type, str] = {str: "a string", list: "an array", dict: "a table"}
_NAME = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_NAMES = re.compile(
    rf"^[ \t]*(\[\[?)?[ \t]*({_NAME}(?:[ \t]*\.[ \t]*{_NAME})*)[ \t]*(?(1)\]|=)", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class TomlFile:
    """A file that is certainly TOML.

    path: of the file in the workspace, for errors.
    hint: of errors that have no better one, if there is one.

    `parse` makes one.
    """

    path: str
    hint: str | None
    text: str
    document: Mapping[str, Any]

    @classmethod
    def parse(cls, path: str, data: bytes, *, hint: str | None) -> TomlFile:
        """Returns the file; raises UserError if `data`, bytes of any kind, are not TOML."""
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            at = Location(path, data.count(b"\n", 0, error.start) + 1)
            raise UserError("not UTF-8", at=at, hint=hint or "save it as UTF-8, which TOML demands") from None
        try:
            return cls(path, hint, text, tomli.loads(text))
        except tomli.TOMLDecodeError as error:
            message = re.sub(r" \(at .*\)$", "", str(error))
            at = Location(path, error.lineno, error.colno)
            raise UserError(f"not TOML: {message[:1].lower()}{message[1:]}", at=at, hint=hint) from None
        except (RecursionError, ValueError):
            message = "a value is nested too deeply, or a number too long, to be read"
            raise UserError(message, at=Location(path, 1), hint=hint) from None

    def get(self, kind: type[_T], *keys: str) -> _T | None:
        """Returns what is at `keys`, or None. kind: str, list or dict.

        Raises UserError if it is of another kind, or what is above it is no table.
        """
        table: Mapping[str, Any] = self.document
        for count, key in enumerate(keys[:-1], 1):
            value = table.get(key)
            if value is None:
                return None
            table = self._typed(value, dict, keys[:count])
        value = table.get(keys[-1])
        return None if value is None else self._typed(value, kind, keys)

    def strings(self, *keys: str) -> tuple[str, ...]:
        """Returns the strings of the array at `keys`, if any; raises UserError if it is anything else."""
        items = self.get(list, *keys) or []
        for item in items:
            if not isinstance(item, str):
                raise self.refusal(f"{dotted(keys)} must be an array of strings", *keys)
        return tuple(items)

    def below(self, path: str, *keys: str) -> str:
        """Returns `path`, a string at `keys`, without `.` and `..`; "." is the directory of the file.

        Raises UserError if it is not below the directory of the file: absolute,
        for instance, or of a neighbour.
        """
        normal = posixpath.normpath(path)
        leaves = posixpath.isabs(path) or normal.split("/")[0] == ".."
        if leaves or not path or not path.isprintable() or "\\" in path:
            raise self.refusal(
                f"{dotted(keys)} is {path[:80]!r}, which is not below the directory of {self._name}",
                *keys,
                value=path,
                hint=f"keep what the package is made of below {self._name}, and name it from there with /",
            )
        return normal

    @property
    def _name(self) -> str:
        return posixpath.basename(self.path)

    def _typed(self, value: object, kind: type[_T], keys: tuple[str, ...]) -> _T:
        if not isinstance(value, kind):
            raise self.refusal(f"{dotted(keys)} must be {_KINDS[kind]}", *keys)
        return value

    @contextmanager
    def at(self, *keys: str, value: str = "") -> Iterator[None]:
        """Gives errors of the block the place of `keys` and the hint of the file, if they have none."""
        try:
            yield
        except UserError as error:
            error.hint = error.hint or self.hint
            raise error.located(self.place(*keys, value=value)) from None

    def refusal(self, message: str, *keys: str, value: str = "", hint: str | None = None) -> UserError:
        """Returns an error with the place of `keys`, or of the string `value` in what they name."""
        return UserError(message, at=self.place(*keys, value=value), hint=hint or self.hint)

    def place(self, *keys: str, value: str = "") -> Location:
        """Returns where the table or key `keys` is named, or else the nearest table above it, or line 1.

        value: a string in it, whose place is returned if it is found.
        """
        at = self._offset(keys)
        if at is None:
            return Location(self.path, 1)
        if value:
            found = (self.text.find(f"{quote}{value}{quote}", at) for quote in "\"'")
            at = min((each for each in found if each >= 0), default=at)
        return Location(self.path, self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at))

    def _offset(self, keys: tuple[str, ...]) -> int | None:
        offset = None
        table: tuple[str, ...] = ()
        most = 0  # how many of `keys` are found
        for match in _NAMES.finditer(self.text):
            parts = list(re.finditer(_NAME, match[2]))
            names = tuple(part[0].strip("\"'") for part in parts)
            table, above = (names, ()) if match[1] else (table, table)
            count = min(len(above) + len(names), len(keys))
            if count > most and (above + names)[:count] == keys[:count]:
                most = count
                offset = match.start(2) + parts[count - len(above) - 1].start()
        return offset


def dotted(keys: tuple[str, ...]) -> str:
    """Returns a key as TOML writes it: project.optional-dependencies."""
    return ".".join(keys)


def toml_string(text: str) -> str:
    """A JSON string is a TOML string, but that TOML wants DEL escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
