"""filepath.Match of Go, after which COPY chooses files: *, ?, [a-z], [^a], and a backslash.

`*` and `?` never match a slash, and `**` is two stars. (https://pkg.go.dev/path/filepath#Match)
"""

from __future__ import annotations

import re
from functools import lru_cache


class BadPattern(ValueError):
    """A pattern that Go refuses."""


def matches(pattern: str, path: str) -> bool:
    """Tells whether `pattern` matches all of `path`; raises BadPattern."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    out: list[str] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            if out[-1:] != ["[^/]*"]:  # more stars mean the same, and would be slow
                out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            text, at = _class(pattern, at)
            out.append(text)
        elif char == "\\":
            out.append(re.escape(_one(pattern, at)))
            at += 1
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """Returns the expression for a class whose bracket was read, and where it ends."""
    negated = pattern[at : at + 1] == "^"
    at += negated
    ranges: list[tuple[str, str]] = []
    while not (pattern[at : at + 1] == "]" and ranges):
        low, at = _member(pattern, at)
        high = low
        if pattern[at : at + 1] == "-":
            high, at = _member(pattern, at + 1)
        ranges.append((low, high))
    inside = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges if low <= high)
    if negated:
        return (f"[^/{inside}]", at + 1)
    return (f"(?!/)[{inside}]" if inside else r"(?!)", at + 1)


def _member(pattern: str, at: int) -> tuple[str, int]:
    char = _one(pattern, at)
    if char in "-]":
        raise BadPattern(pattern)
    if char == "\\":
        at += 1
        char = _one(pattern, at)
    if at + 1 >= len(pattern):  # the class does not end
        raise BadPattern(pattern)
    return char, at + 1


def _one(pattern: str, at: int) -> str:
    if at >= len(pattern):
        raise BadPattern(pattern)
    return pattern[at]
