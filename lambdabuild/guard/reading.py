"""The text of a file -> the lines that hold credentials; never the credentials.

Detectors look for shapes alone, so what has the shape and is a placeholder, a part of
something longer, or the bare name of a key's header is taken out again.
"""

from __future__ import annotations

import codecs
import importlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple

from lambdabuild.guard.kinds import DETECTORS

if TYPE_CHECKING:
    from detect_secrets.plugins.base import RegexBasedDetector

RELEASE: Final = 1
"""Counts up whenever this module finds something else in equal bytes."""

MAX_BYTES: Final = 16 << 20
"""How much of a file is read: what people write is shorter, and data has no end."""

_BINARY_IN = 8192

_PLACEHOLDER = re.compile(
    r"example|(.)\1{5}|0?123456789|abcdefghij|your[-_]|changeme|placeholder|dummy|redacted", re.IGNORECASE
)
_KEY_MATERIAL = re.compile(r"[A-Za-z0-9+/]{32}")
_KEY_HEADERS = 8
"""Lines between the first one of a key and its bytes, at most."""


class Spot(NamedTuple):
    """A line, counted from 1, and the kind of what is in it."""

    line: int
    kind: str


def text_of(pieces: Iterable[bytes]) -> str:
    """Returns the text that `pieces` are, as far as it is read; "" for what is none."""
    data = bytearray()
    for piece in pieces:  # to the end: only then is it certain that the bytes are the right ones
        data += piece[: MAX_BYTES - len(data)]
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    return "" if b"\0" in data[:_BINARY_IN] else data.decode("utf-8", "replace")


def spots(text: str, detectors: Iterable[str]) -> tuple[Spot, ...]:
    """Returns where something is that one of `detectors` finds, in order, each line and kind once."""
    found = {Spot(text.count("\n", 0, at) + 1, kind) for kind in detectors for at in _found(text, kind)}
    return tuple(sorted(found))


def _found(text: str, kind: str) -> Iterator[int]:
    marks = DETECTORS[kind].marks
    if marks and not any(mark in text for mark in marks):
        return
    plugin = _plugin(kind)
    for expression in plugin.denylist:
        for match in expression.finditer(text):
            if any(plugin.analyze_string(match[0])) and _is_real(kind, match):
                yield match.start()


@cache
def _plugin(kind: str) -> RegexBasedDetector:
    # Late, since it takes most of a second, and a build whose files are known asks for none.
    detector = DETECTORS[kind]
    module = importlib.import_module(f"detect_secrets.plugins.{detector.module}")
    plugin: RegexBasedDetector = getattr(module, detector.name)()
    return plugin


def _is_real(kind: str, match: re.Match[str]) -> bool:
    """Tells whether a match has more than the shape of a credential."""
    if kind == "private-key":
        return _has_material(match)
    if _PLACEHOLDER.search(match[0]):
        return False
    if kind == "aws-key":
        return _stands_alone(match) and not re.fullmatch(r"[0-9a-fA-F]+", match[match.lastindex or 0])
    return True


def _has_material(match: re.Match[str]) -> bool:
    """Tells whether the bytes of a key follow; programs that read keys know the first line as well."""
    rest = match.string[match.end() : match.end() + 4096]
    lines = rest.replace("\\n", "\n").split("\n")[: _KEY_HEADERS + 1]
    return any(_KEY_MATERIAL.search(line) and not _PLACEHOLDER.search(line) for line in lines)


def _stands_alone(match: re.Match[str]) -> bool:
    """Tells whether a match is no part of something longer, such as a sequence of bases."""
    before, after = match.string[: match.start()][-1:], match.string[match.end() : match.end() + 1]
    return not (before.isalnum() or after.isalnum() or (match.lastindex is None and before == "/"))
