"""Keeps an answer with the statuses of all that it stands on, for `noop` to find.

The statuses are looked at when everything is done, which is right for what has
not changed since the start: a status whose change time is older than that is the
one that was read under. Anything younger is written down as to be read again, as
is what lies on a file system that cannot be believed. A clock that jumped, or a
directory that cannot be written to, keeps nothing, and says nothing.
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import lambdabuild
from lambdabuild import noop, state
from lambdabuild.clock import TICK, Moment, settled
from lambdabuild.mounts import lasting
from lambdabuild.rulebook import rules_directory

MOST_STATES = 32
_RESET = "\x1b[0m"
_UNKNOWN = (0,) * state.NUMBERS


@dataclass(frozen=True, slots=True)
class Ground:
    """What an answer stands on.

    read: paths that were listed, read, or asked for, relative to the workspace or absolute.
    made: paths that the answer left behind, or found in place: outputs, directories of the store.
    """

    read: Collection[str]
    made: Collection[str] = ()


def remember(
    arguments: Sequence[str], root: Path, ground: Ground, answer: Iterable[tuple[bool, str]], began: Moment
) -> None:
    """Keeps what was printed for a command line.

    answer: whether it went to stderr, and the text.
    began:  a moment before anything was read.
    """
    asked, cache = noop.question(arguments), noop.cache_directory()
    pieces = [f"{2 if error else 1}{text.replace(_RESET, '')}" for error, text in answer]
    if asked is None or not cache or not began.is_regular(Moment.now()):
        return
    if any("\0" in piece or "\x1b" in piece for piece in pieces):
        return
    with contextlib.suppress(OSError, UnicodeEncodeError, struct.error):
        known = _statuses(root, ground, began.wall_ns)
        kept = state.State(
            asked,
            os.fsencode(root),
            b"".join(os.fsencode(path) + b"\0" for path in known),
            state.packed([number for status in known.values() for number in status]),
            "".join(f"{piece}\0" for piece in pieces).encode(),
        )
        _write(state.place(cache, asked), kept.encode())


def _statuses(root: Path, ground: Ground, began_ns: int) -> dict[str, tuple[int, ...]]:
    """Returns the statuses of all that exists of `ground`; raises OSError if something made does not."""
    look = _Looker(root)
    read = sorted(_with_directories({*ground.read, *_own_files()}))
    known = {path: status for path in read if (status := look(path, began_ns))}
    made = [os.lstat(root / path).st_ctime_ns for path in ground.made]
    time.sleep(max(0, min(2 * TICK, max(made, default=0) + 2 * TICK - time.time_ns())) / 1e9)
    looked_ns = time.time_ns()
    for path in ground.made:
        known[path] = look(path, looked_ns) or _UNKNOWN
    return known


class _Looker:
    """Looks at statuses, and knows which can be believed."""

    def __init__(self, root: Path) -> None:
        self._prefix = f"{root}/"
        self._believed = lasting()
        self._devices: dict[int, bool] = {}

    def __call__(self, path: str, looked_ns: int) -> tuple[int, ...] | None:
        """Returns the status of `path`, or zeros if it could change after `looked_ns` and not show it.

        None if it is absent, which the status of its directory tells.
        """
        place = path if path.startswith("/") else self._prefix + path
        try:
            found = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return None
        if found.st_dev not in self._devices:
            self._devices[found.st_dev] = self._believed(place)
        certain = self._devices[found.st_dev] and settled(found.st_ctime_ns, looked_ns)
        return state.status_of(found) if certain else _UNKNOWN


def _with_directories(paths: Iterable[str]) -> set[str]:
    """Returns `paths` and the directories that they lie in, up to the root of the workspace or all files."""
    seen: set[str] = set()
    for path in paths:
        each = path or "."
        while each not in seen:
            seen.add(each)
            each = os.path.dirname(each) or "."
    return seen


def _own_files() -> Iterator[str]:
    """Yields what lambdabuild itself is made of, and the directories that say which libraries are there."""
    package = os.path.dirname(lambdabuild.__file__)
    for top in (package, str(rules_directory())):
        for directory, _, names in os.walk(top):
            yield from (f"{directory}/{name}" for name in names if name.endswith((".py", ".star", ".bzl")))
    yield from (each for each in sys.path if each.endswith("-packages") and os.path.isdir(each))


def _write(place: str, data: bytes) -> None:
    """Writes a state, and removes those that were written longest ago."""
    directory = os.path.dirname(place)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=directory)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.replace(name, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    ages = sorted((entry.stat().st_mtime_ns, entry.path) for entry in os.scandir(directory))
    for _, path in ages[:-MOST_STATES]:
        os.unlink(path)
