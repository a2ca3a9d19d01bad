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

_MOST_FILES = 48
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What was told, and what the next answer can be made of.

    pieces:  whether a piece went to stderr, and its text.
    held:    names of the store's files that it needs.
    basis:   what State says of it.
    earlier: the answer that this one was made of, if one was.
    """

    pieces: Sequence[tuple[bool, str]]
    held: Collection[str] = ()
    basis: bytes = b""
    earlier: noop.Doubt | None = None


def remember(arguments: Sequence[str], root: Path, ground: Ground, answer: Answer, began: Moment) -> None:
    """Keeps the answer to a command line.

    began: a moment before anything was read.
    """
    asked, cache = noop.question(arguments), noop.cache_directory()
    pieces = [f"{2 if error else 1}{text.replace(_RESET, '')}" for error, text in answer.pieces]
    if asked is None or not cache or not began.is_regular(Moment.now()):
        return
    if any("\0" in piece or "\x1b" in piece for piece in pieces):
        return
    with contextlib.suppress(OSError, UnicodeEncodeError, struct.error):
        paths, statuses = _stands_on(root, ground, answer.earlier, began.wall_ns)
        told = "".join(f"{piece}\0" for piece in pieces).encode()
        held = "".join(f"{name}\0" for name in sorted(answer.held)).encode()
        kept = state.State(asked, os.fsencode(root), paths, statuses, told, held, answer.basis)
        write(state.place(cache, asked), kept.encode())


def _stands_on(root: Path, ground: Ground, earlier: noop.Doubt | None, began_ns: int) -> tuple[bytes, bytes]:
    """Returns paths and statuses of all that an answer stands on."""
    read = _with_directories(ground.read)
    if not earlier:
        read.update(_own_files())
    known = {os.fsencode(path): status for path, status in _statuses(root, read, ground.made, began_ns)}
    paths, statuses = bytearray(), bytearray()
    if earlier:
        gone = {number for number in earlier.changed if earlier.paths[number] not in known}
        left = [path for number, path in enumerate(earlier.paths) if number not in gone]
        paths = bytearray(b"\0".join([*left, b""]))
        statuses = bytearray(earlier.kept.statuses)
        for number in sorted(gone, reverse=True):
            del statuses[number * state.BYTES : (number + 1) * state.BYTES]
        for number, path in enumerate(left):
            if status := known.pop(path, None):
                start = number * state.BYTES
                statuses[start : start + state.BYTES] = state.packed(list(status))
    paths += b"".join(path + b"\0" for path in known)
    statuses += state.packed([number for status in known.values() for number in status])
    return bytes(paths), bytes(statuses)


def _statuses(
    root: Path, read: Iterable[str], made: Collection[str], began_ns: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields the statuses of all that exists; raises OSError if something made does not."""
    look = Looker(root)
    for path in sorted(set(read) - set(made)):
        if status := look(path, began_ns):
            yield path, status
    changed = [os.lstat(os.path.join(root, path)).st_ctime_ns for path in made]
    time.sleep(max(0, min(2 * TICK, max(changed, default=0) + 2 * TICK - time.time_ns())) / 1e9)
    looked_ns = time.time_ns()
    for path in made:
        yield path, look(path, looked_ns) or _UNKNOWN


class Looker:
    """Looks at statuses, and knows which can be believed."""

    def __init__(self, root: Path | str) -> None:
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
        certain = self.is_certain(place, found.st_dev, found.st_ctime_ns, looked_ns)
        return state.status_of(found) if certain else _UNKNOWN

    def is_certain(self, place: str, device: int, change_ns: int, looked_ns: int) -> bool:
        """Tells whether what changes at `place` after `looked_ns` gets another status."""
        if device not in self._devices:
            self._devices[device] = self._believed(place)
        return self._devices[device] and settled(change_ns, looked_ns)


def _with_directories(paths: Iterable[str]) -> set[str]:
    """Returns `paths` and the directories that they lie in, up to the root of the workspace or all files.

    What is there outside the workspace comes alone: others come and go beside it.
    """
    seen: set[str] = set()
    for path in paths:
        each = path or "."
        if each.startswith("/") and os.path.lexists(each):
            seen.add(each)
        while each not in seen:
            seen.add(each)
            each = os.path.dirname(each) or "."
    return seen


def _own_files() -> Iterator[str]:
    """Yields what lambdabuild itself is made of, and the directories that say which libraries are there."""
    from lambdabuild.rulebook import rules_directory  # which has evaluated something then

    package = os.path.dirname(lambdabuild.__file__)
    for top in (package, str(rules_directory())):
        for directory, _, names in os.walk(top):
            yield from (f"{directory}/{name}" for name in names if name.endswith((".py", ".star", ".bzl")))
    yield from (each for each in sys.path if each.endswith("-packages") and os.path.isdir(each))


def write(place: str, data: bytes) -> None:
    """Writes a file beside the states, and removes those that were written longest ago; raises OSError."""
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
    for _, path in ages[:-_MOST_FILES]:
        os.unlink(path)
