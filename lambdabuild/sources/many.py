"""Reads many files, on every core.

For small files nearly all of the time is the interpreter's own, so threads would
wait for each other: forked processes take parts of the list, whoever is free
the next one. All read with the same function, which notices files that change
under it. Absent: errors. What cannot be read so, for whatever reason, is left to
those who ask for it by name and say what is wrong with it.
"""

from __future__ import annotations

import contextlib
import gc
import marshal
import math
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from lambdabuild.digest import Digest
from lambdabuild.sources.stable import read_plain
from lambdabuild.state import MODE, SIZE, status_of
from lambdabuild.tree import FileNode

_ALONE = 0.01
"""Seconds after which helpers are worth what they cost."""

_MOST_PROCESSES = 8
_MOST_PARTS = 512
"""Their numbers, of four bytes, fit into any pipe at once."""

Status: TypeAlias = tuple[int, ...]
"""What `state.status_of` makes of a status."""

_Part: TypeAlias = tuple[list[str], list[Status]]
"""Of each file of a part its hash and status; both are empty if it was not read."""

_NOT_READ: tuple[str, Status] = ("", ())


def read_nodes(
    paths: Sequence[str], processes: int | None = None
) -> Iterator[tuple[FileNode, Status] | None]:
    """Yields for each of `paths` what `read_plain` returns, or None if it raises.

    processes: how many read; without, as many as there are cores, if one alone takes long.
    """
    parts = _Parts(paths)
    try:
        found = {} if processes else parts.read(_ALONE)
        if len(found) < parts.count:
            found.update(_together(parts, processes or min(_cores(), _MOST_PROCESSES)))
    finally:
        parts.close()
    for number in range(parts.count):
        if number in found:
            yield from _nodes(found[number])
        else:
            yield from [None] * len(parts.paths(number))


def _together(parts: _Parts, processes: int) -> dict[int, _Part]:
    """Returns what several processes, of which this is one, have read."""
    if not _is_alone():
        processes = 1  # another thread may hold a lock that a fork would wait for
    helpers: list[_Helper] = []
    try:
        with contextlib.suppress(OSError):  # no more processes are to be had
            for _ in range(processes - 1):
                helpers.append(_Helper(parts))  # noqa: PERF401 - those before the failure are kept
        found = parts.read()
        for helper in helpers:
            found.update(helper.report())
        return found
    finally:
        for helper in helpers:
            helper.end()


class _Parts:
    """A list of paths, cut into parts that whoever reads them takes one by one, in any process."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self._length = -(-len(paths) // _MOST_PARTS) or 1
        self.count = -(-len(paths) // self._length)
        self._queue, writer = os.pipe()
        # All numbers are there before anybody reads: each read gets one of them, or the end.
        os.write(writer, b"".join(number.to_bytes(4) for number in range(self.count)))
        os.close(writer)

    def paths(self, number: int) -> Sequence[str]:
        return self._paths[number * self._length : (number + 1) * self._length]

    def read(self, seconds: float = math.inf) -> dict[int, _Part]:
        """Returns the parts that nobody else has taken, read; stops taking more after some seconds."""
        found = {}
        end = time.monotonic() + seconds
        while time.monotonic() < end and (word := os.read(self._queue, 4)):
            number = int.from_bytes(word)
            hashes, statuses = zip(*map(_read, self.paths(number)), strict=True)
            found[number] = ([*hashes], [*statuses])
        return found

    def close(self) -> None:
        os.close(self._queue)


class _Helper:
    """A process that reads parts as well."""

    def __init__(self, parts: _Parts) -> None:
        self._running = True
        self._reader, writer = os.pipe()
        try:
            self._child = os.fork()
        except OSError:
            os.close(self._reader)
            raise
        else:
            if self._child == 0:
                _help(parts, writer)
        finally:
            os.close(writer)

    def report(self) -> dict[int, _Part]:
        """Returns what it has read; nothing if it did not come to a good end."""
        with open(self._reader, "rb", closefd=False) as pipe:
            data = pipe.read()
        self._running = False
        if os.waitpid(self._child, 0)[1]:
            return {}
        found: dict[int, _Part] = marshal.loads(data)  # noqa: S302 - written by _help
        return found

    def end(self) -> None:
        """Ends it if it has not ended."""
        os.close(self._reader)
        if self._running:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)


def _help(parts: _Parts, writer: int) -> None:
    """Reads parts, and writes all that it has read to a pipe at once. Never returns."""
    code = 1
    try:
        gc.disable()  # it would write to all that is shared with the parent, and so copy it
        with contextlib.suppress(OSError), open(writer, "wb") as pipe:
            pipe.write(marshal.dumps(parts.read()))
            code = 0
    finally:
        os._exit(code)


def _read(path: str) -> tuple[str, Status]:
    try:
        node, status = read_plain(path)
    except (OSError, ValueError):
        return _NOT_READ
    return (node.digest.hash, status_of(status)) if node.digest.size == status.st_size else _NOT_READ


def _nodes(part: _Part) -> Iterator[tuple[FileNode, Status] | None]:
    for hash_, status in zip(*part, strict=True):
        yield (node_of(hash_, status), status) if hash_ else None


def node_of(hash_: str, status: Status) -> FileNode:
    """Returns the node of a file whose content has that hash."""
    return FileNode(Digest(hash_, status[SIZE]), bool(status[MODE] & 0o100))


def _is_alone() -> bool:
    return threading.active_count() == 1


def _cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
