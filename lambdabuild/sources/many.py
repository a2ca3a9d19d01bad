"""Reads many files, on every core.

For small files nearly all of the time is the interpreter's own, so threads would
wait for each other: forked processes take parts of the list, whoever is free
the next one. All read with the same function, which notices files that change
under it. Absent: errors. What cannot be read so, for whatever reason, is left to
those who ask for it by name and say what is wrong with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import marshal
import os
import select
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

from lambdabuild.digest import Digest
from lambdabuild.sources.stable import read_plain
from lambdabuild.state import MODE, SIZE, status_of
from lambdabuild.tree import FileNode

_ALONE = 0.01
"""Seconds after which helpers are worth what they cost."""

_MOST_PROCESSES = 8
_MOST_PARTS = 512
"""Their numbers, of four bytes, fit into any pipe at once."""

_HEARD_AT_ONCE = 1 << 20
"""Bytes that a pipe holds, where that can be chosen."""

Status: TypeAlias = tuple[int, ...]
"""What `state.status_of` makes of a status."""

_Part: TypeAlias = Sequence[list[Any]]
"""Of each file of a part the hash, and the status; both are empty if it was not read."""

_NOT_READ: tuple[str, Status] = ("", ())


def read_nodes(
    paths: Sequence[str], processes: int | None = None
) -> Iterator[tuple[FileNode, Status] | None]:
    """Yields for each of `paths`, in order, what `read_plain` returns, or None if it raises.

    While somebody is busy with what was yielded, helpers read on.

    processes: how many read; without, as many as there are cores, if one alone takes long.
    """
    parts = _Parts(paths)
    helpers: list[_Helper] = []
    found: dict[int, _Part] = {}
    try:
        end = time.monotonic() + (0 if processes else _ALONE)
        while time.monotonic() < end and (number := parts.take()) is not None:
            found[number] = parts.read(number)
        if len(found) < parts.count:
            _gather(helpers, parts, (processes or min(_cores(), _MOST_PROCESSES)) - 1)
        for number in range(parts.count):
            yield from _nodes(_awaited(number, parts, helpers, found), len(parts.paths(number)))
    finally:
        for helper in helpers:
            helper.end()
        parts.close()


def _gather(helpers: list[_Helper], parts: _Parts, count: int) -> None:
    """Adds helpers, as far as they can be had."""
    if _is_alone():  # another thread may hold a lock that a fork would wait for
        with contextlib.suppress(OSError):
            for _ in range(count):
                helpers.append(_Helper(parts))  # noqa: PERF401 - those before the failure are kept


def _awaited(number: int, parts: _Parts, helpers: Sequence[_Helper], found: dict[int, _Part]) -> _Part:
    """Returns a part, and reads others for as long as it is with a helper; one that died leaves nothing.

    found: parts that were read before they were asked for.
    """
    while number not in found:
        at_work = _listen(helpers, found, wait=False)
        if number in found:
            break
        if (mine := parts.take()) is not None:
            found[mine] = parts.read(mine)
        elif at_work:
            _listen(helpers, found, wait=True)
        else:
            return [], []
    return found.pop(number)


def _listen(helpers: Sequence[_Helper], found: dict[int, _Part], *, wait: bool) -> bool:
    """Takes what helpers have read since; tells whether any of them was at work."""
    at_work = {helper.reader: helper for helper in helpers if helper.is_at_work}
    if at_work:
        poll = select.poll()
        for reader in at_work:
            poll.register(reader, select.POLLIN)
        for reader, _ in poll.poll(None if wait else 0):
            found.update(at_work[reader].news())
    return bool(at_work)


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

    def take(self) -> int | None:
        """Returns the number of the first part that nobody has taken."""
        word = os.read(self._queue, 4)
        return int.from_bytes(word) if word else None

    def read(self, number: int) -> _Part:
        hashes, statuses = zip(*map(_read, self.paths(number)), strict=True)
        return [*hashes], [*statuses]

    def close(self) -> None:
        os.close(self._queue)


class _Helper:
    """A process that reads parts as well.

    reader:     where it tells of them.
    is_at_work: whether more may come.
    """

    def __init__(self, parts: _Parts) -> None:
        self.is_at_work = True
        self._heard = b""
        self.reader, writer = os.pipe()
        try:
            self._child = os.fork()
        except OSError:
            os.close(self.reader)
            raise
        else:
            if self._child == 0:
                _help(parts, writer)
        finally:
            os.close(writer)
        with contextlib.suppress(AttributeError, OSError):  # it reads on while nobody listens
            fcntl.fcntl(self.reader, fcntl.F_SETPIPE_SZ, _HEARD_AT_ONCE)

    def news(self) -> dict[int, _Part]:
        """Returns the parts that it has read since; waits for the first word of it."""
        data = os.read(self.reader, _HEARD_AT_ONCE)
        if not data:
            os.waitpid(self._child, 0)
            self.is_at_work = False
        whole, self._heard = _split(self._heard + data)
        found: dict[int, _Part] = {}
        for each in whole:
            number, *found[number] = marshal.loads(each)  # noqa: S302 - written by _help
        return found

    def end(self) -> None:
        """Ends it if it has not ended."""
        os.close(self.reader)
        if self.is_at_work:
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)


def _split(said: bytes) -> tuple[list[bytes], bytes]:
    """Returns all that was said to its end, each behind its size, and the rest."""
    whole, start = [], 0
    while start + 4 <= len(said):
        end = start + 4 + int.from_bytes(said[start : start + 4])
        if end > len(said):
            break
        whole.append(said[start + 4 : end])
        start = end
    return whole, said[start:]


def _help(parts: _Parts, writer: int) -> None:
    """Reads parts, and writes each to a pipe, with its size before it. Never returns."""
    try:
        gc.disable()  # it would write to all that is shared with the parent, and so copy it
        with open(writer, "wb") as pipe:
            while (number := parts.take()) is not None:
                said = marshal.dumps((number, *parts.read(number)))
                pipe.write(len(said).to_bytes(4) + said)
                pipe.flush()
    finally:
        os._exit(0)


def _read(path: str) -> tuple[str, Status]:
    try:
        node, status = read_plain(path)
    except (OSError, ValueError):
        return _NOT_READ
    return (node.digest.hash, status_of(status)) if node.digest.size == status.st_size else _NOT_READ


def _nodes(part: _Part, count: int) -> Iterator[tuple[FileNode, Status] | None]:
    for hash_, status in zip(*part, strict=True):
        yield (node_of(hash_, status), status) if hash_ else None
    yield from [None] * (count - len(part[0]))


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
