"""Globs over one package.

`*` stands for any characters but "/", `?` for one of them, and `**`, as a whole
part, for any number of directories. A glob never enters a directory with a
BUILD file (another package) or a WORKSPACE.toml (another workspace), nor those
that patterns do not enter; it never gives the package's own BUILD file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lambdabuild.errors import UserError
from lambdabuild.label import is_text
from lambdabuild.sources.view import BUILD_FILES, Kind, SourceError, View

_MARKERS = (*BUILD_FILES, "WORKSPACE.toml")

# A name that only wildcards match.
_ANY = "\0" * 9


def glob(tree: View, package: str, include: Sequence[str], exclude: Sequence[str] = ()) -> tuple[str, ...]:
    """Returns the files of `package` that match, as sorted paths relative to it.

    Raises UserError for a bad pattern, a name that is not UTF-8, or a link to
    a directory on the way.
    """
    excluded = [_compile(pattern) for pattern in exclude]
    found: set[str] = set()
    for pattern in include:
        _check(pattern)
        for path in _walk(tree, package, "", _parts(pattern), excluded):
            if not any(regex.fullmatch(path) for regex in excluded):
                found.add(path)
    for path in found:
        if not is_text(path):
            raise SourceError(
                f"a file's name is not UTF-8 or has a control character: {path!r} in //{package}",
                hint="rename it, or leave it out with exclude",
            )
        if ":" in path or "\\" in path or path.startswith("@"):
            raise SourceError(
                f"a file's name has a character that labels cannot have: {path!r} in //{package}",
                hint="rename it, or leave it out with exclude",
            )
    return tuple(sorted(found))


def matcher(pattern: str) -> re.Pattern[str]:
    """Returns what matches the paths that `pattern` stands for; raises UserError for a bad one."""
    return _compile(pattern)


def _walk(
    tree: View, package: str, directory: str, parts: tuple[str, ...], excluded: list[re.Pattern[str]]
) -> Iterator[str]:
    """Yields the paths below `directory` (relative to `package`) that `parts` match."""
    place = "/".join(filter(None, (package, directory)))
    if directory and any(tree.outline(place).get(each) in (Kind.FILE, Kind.LINK) for each in _MARKERS):
        return
    listing = tree.listing(place)
    first, *more = parts
    rest = tuple(more)
    if first == "**" and rest:
        yield from _walk(tree, package, directory, rest, excluded)
    regex = _compile_part("*" if first == "**" else first)
    wants_directory = bool(rest) or first == "**"
    for name, entry in listing.items():
        if not regex.fullmatch(name):
            continue
        path = f"{directory}/{name}" if directory else name
        kind: Kind | None = entry
        if entry is Kind.LINK:
            kind = _led_to(tree, package, path, wants_directory, excluded)
        if kind is Kind.DIRECTORY and wants_directory and tree.enters(name):
            yield from _walk(tree, package, path, parts if first == "**" else rest, excluded)
        elif kind is Kind.FILE and not rest and not (not directory and name in _MARKERS):
            yield path
        elif kind is Kind.OTHER and not rest and not _is_excluded(path, excluded):
            raise SourceError(
                f"{package}/{path} is a fifo, a device or a socket", hint="leave it out with exclude"
            )


def _led_to(
    tree: View, package: str, path: str, wants_directory: bool, excluded: list[re.Pattern[str]]
) -> Kind | None:
    """Returns what the link at `path` leads to; refuses one to a directory that would be entered."""
    full = f"{package}/{path}" if package else path
    if _is_excluded(path, excluded):
        return None
    if not tree.enters(path.rpartition("/")[2]) and not tree.leads_to_file(full):
        return None  # .venv, node_modules, an editor's .#lock
    kind = tree.kind(full)
    if kind is None:
        raise SourceError(
            f"{full} is a link that leads nowhere", hint="mend it, or leave it out with exclude"
        )
    if kind is Kind.DIRECTORY and wants_directory:
        raise SourceError(
            f"{full} is a link to a directory, which a glob does not follow",
            hint=f'name the files behind it, or leave it out with exclude = ["{path}/**"]',
        )
    return kind


def _is_excluded(path: str, excluded: list[re.Pattern[str]]) -> bool:
    """Tells whether one of the patterns leaves out `path` itself or whatever could lie below it."""
    below = (f"{path}/{_ANY}", f"{path}/{_ANY}/{_ANY}")
    return any(regex.fullmatch(path) or all(map(regex.fullmatch, below)) for regex in excluded)


def _check(pattern: str) -> None:
    parts = pattern.split("/")
    if pattern.startswith("/") or {"", ".", ".."} & set(parts):
        raise UserError(
            f"glob pattern {pattern!r} must be a relative path without empty, '.' or '..' parts",
            hint="a glob stays in its package; name files of other packages by label",
        )
    if any("**" in part and part != "**" for part in parts):
        raise UserError(
            f"glob pattern {pattern!r}: '**' must stand alone between slashes", hint="write **/*.py"
        )


def _parts(pattern: str) -> tuple[str, ...]:
    """Returns the parts of `pattern`; runs of `**` are one."""
    parts: list[str] = []
    for part in pattern.split("/"):
        if part != "**" or parts[-1:] != ["**"]:
            parts.append(part)
    return tuple(parts)


@lru_cache(maxsize=1024)
def _compile_part(part: str) -> re.Pattern[str]:
    return re.compile(_part_regex(part), re.DOTALL)


@lru_cache(maxsize=1024)
def _compile(pattern: str) -> re.Pattern[str]:
    _check(pattern)
    parts = _parts(pattern)
    regex = ""
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            regex += ".*" if last else "(?:[^/]+/)*"
        else:
            regex += _part_regex(part) + ("" if last else "/")
    return re.compile(regex, re.DOTALL)


def _part_regex(part: str) -> str:
    """Returns a pattern that takes time linear in the name: what a star has passed over stays passed over."""
    first, *pieces = ("".join("[^/]" if c == "?" else re.escape(c) for c in p) for p in part.split("*"))
    if not pieces:
        return first
    *inner, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in inner if piece) + f"[^/]*{last}"
