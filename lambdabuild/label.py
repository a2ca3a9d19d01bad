"""Labels name targets and files; target patterns name sets of them.

`//a/b:c` is target `c` of package `a/b`; `//a/b` is short for `//a/b:b`; `:c`
is in the package where it is written; `@python` is the external image of that
name, which WORKSPACE.toml declares. Nothing here knows which exist.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lambdabuild.errors import Location, UserError

MAX_NAME = 255
"""Bytes that a file's or directory's name may have on the file systems there are."""

EXTERNAL = "@"
"""The package of external images. No directory can be a package of that name."""

_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)

_HINT = "write //package:name, or :name for a target of this package"
_ELSEWHERE = "sources lie in the workspace; write //package:file for one of another package"


class Label(NamedTuple):
    """A target or a source file. Sorts by package, then by name.

    package: workspace-relative directory, "/" between parts, "" for the root; EXTERNAL for an external image.
    name:    target's name, or a file's path relative to the package.
    """

    package: str
    name: str

    def __str__(self) -> str:
        return f"@{self.name}" if self.external else f"//{self.package}:{self.name}"

    @property
    def external(self) -> bool:
        """Whether it names an external image."""
        return self.package == EXTERNAL

    @property
    def short(self) -> str:
        """The label as people write it: `//a/b` for `//a/b:b`."""
        last = self.package.rpartition("/")[2]
        return f"//{self.package}" if self.package and last == self.name else str(self)

    @property
    def path(self) -> str:
        """Where the file of this name would lie in the workspace."""
        return f"{self.package}/{self.name}" if self.package else self.name


def parse_label(text: str, package: str | None = None, *, at: Location | None = None) -> Label:
    """Returns the label that `text` names when it is written in `package`.

    With `package` None only absolute labels are accepted. Raises UserError.
    """
    if text.startswith("@"):
        return Label(EXTERNAL, _image_name(text, "a label", at))
    if text.startswith("//"):
        package, colon, name = text[2:].partition(":")
        if not colon:
            name = package.rpartition("/")[2]
    elif package is None:
        raise UserError(f"{text!r} is not an absolute label", at=at, hint="write //package:name")
    else:
        name = text.removeprefix(":")
    problem = package_problem(package) or name_problem(name)
    if problem:
        leaves = name.startswith(("/", "../"))
        raise UserError(f"{text!r} is not a label: {problem}", at=at, hint=_ELSEWHERE if leaves else _HINT)
    return Label(package, name)


def image_name_problem(name: str) -> str | None:
    """Returns why `name` cannot name an external image, or None."""
    if name in ("all", "auto"):
        return f"{name!r} has a meaning of its own"
    if not _IMAGE_NAME.fullmatch(name):
        return "an external image's name has letters, digits, '.', '_' and '-', at most 64, no sign first"
    return None


def _image_name(text: str, what: str, at: Location | None = None) -> str:
    name = text.removeprefix("@")
    problem = image_name_problem(name)
    if problem:
        raise UserError(
            f"{text!r} is not {what}: {problem}",
            at=at,
            hint="@ begins the name of an external image, such as @python; write //package:name for a target",
        )
    return name


def package_problem(package: str) -> str | None:
    """Returns why `package` cannot be a package's name, or None."""
    if package == "" or _is_plain(package):
        return None
    if "..." in package.split("/"):
        return f"the package {package!r} has a '...' part, which ends a target pattern and nothing else"
    return _path_problem(package, "the package")


def name_problem(name: str) -> str | None:
    """Returns why `name` cannot name a target or file of a package, or None."""
    if name == "":
        return "the name is empty"
    if _is_plain(name):
        return None
    return _path_problem(name, "the name")


_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")


def _is_plain(path: str) -> bool:
    """Tells of most paths, at once, that nothing is wrong with them; tells nothing of the others."""
    return len(path) <= MAX_NAME and _PLAIN.fullmatch(path) is not None


def _path_problem(path: str, what: str) -> str | None:
    if path.startswith("/"):
        return f"{what} {path!r} is absolute"
    for part in path.split("/"):
        if part == "..":
            return f"{what} {path!r} leaves its directory"
        if part in ("", "."):
            return f"{what} {path!r} has an empty or '.' part"
    if is_text(path) and max(map(_length, path.split("/"))) > MAX_NAME:
        return f"a part of it is longer than {MAX_NAME} bytes"
    if ":" in path or "\\" in path or path.startswith("@"):
        return f"{what} {path!r} has a character that labels cannot have"
    if not is_text(path):
        return f"{what} {path!r} has a control character or is not UTF-8"
    return None


# Controls, what is left of bytes that are not UTF-8 (surrogates), line and paragraph separators,
# and what reverses the direction of the text around it in a terminal.
_NO_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028-\u202e\u2066-\u2069]")


def is_text(path: str) -> bool:
    """Tells whether `path` can be printed and stored as it is."""
    return _NO_TEXT.search(path) is None


def is_relative_path(path: str) -> bool:
    """Tells whether `path` is printable, relative and stays below its start: a/b, not ../b, a//b or /a."""
    if _is_plain(path):
        return True
    parts = path.split("/")
    return is_text(path) and not {"", ".", ".."} & set(parts) and max(map(_length, parts)) <= MAX_NAME


def _length(part: str) -> int:
    return len(part.encode())


class TargetPattern(NamedTuple):
    """A set of targets.

    package:   the package, or the directory below which packages lie.
    name:      a target's name; "all" or "*" for all of them.
    recursive: whether packages below `package` count (`//a/...`).
    negative:  whether the set is taken away from what earlier patterns gave.
    """

    package: str
    name: str
    recursive: bool = False
    negative: bool = False

    @property
    def wildcard(self) -> bool:
        return self.recursive or self.name in ("all", "*")

    @property
    def label(self) -> Label:
        """The one label that a pattern without wildcard names."""
        return Label(self.package, self.name)

    def __str__(self) -> str:
        sign = "-" if self.negative else ""
        if self.package == EXTERNAL:
            return f"{sign}{self.label}"
        if not self.recursive:
            return f"{sign}//{self.package}:{self.name}"
        below = f"{self.package}/..." if self.package else "..."
        return f"{sign}//{below}" + ("" if self.name == "all" else f":{self.name}")


def parse_pattern(text: str, package: str = "") -> TargetPattern:
    """Returns the pattern that `text` names, written in the directory `package`.

    `a/b:c`, `:c`, `...` and `a/...` are relative to `package`, as they are on
    a command line typed there. Raises UserError.
    """
    negative = text.startswith("-")
    body = text[1:] if negative else text
    if body.startswith("./") and body[2:3] not in ("", "/"):
        body = body[2:]  # as shells complete it
    if body.startswith("@"):
        return TargetPattern(EXTERNAL, _image_name(body, "a target pattern"), negative=negative)
    if body.startswith("//"):
        where, colon, name = body[2:].partition(":")
    else:
        where, colon, name = body.partition(":")
        if not where.startswith(("/", "@")):
            where = "/".join(filter(None, (package, where)))
        if not body:
            raise UserError("an empty string is not a target pattern", hint="write //package:name or //...")
    recursive = where == "..." or where.endswith("/...")
    if recursive:
        where = where.removesuffix("...").removesuffix("/")
        if colon and name not in ("all", "*"):
            raise UserError(
                f"{text!r} is not a target pattern: after '...' only ':all' and ':*' can follow",
                hint=f"write {'//' + where + '/...' if where else '//...'}",
            )
    name = name if colon else "all" if recursive else where.rpartition("/")[2]
    problem = package_problem(where) or (None if recursive else name_problem(name))
    if problem:
        raise UserError(
            f"{text!r} is not a target pattern: {problem}",
            hint="write //package:name, //package:all or //package/...",
        )
    return TargetPattern(where, name, recursive, negative)
