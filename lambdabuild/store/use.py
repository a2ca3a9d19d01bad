"""When a blob was last asked for, and who must wait for whom.

A blob's access time is when it was last looked up, to a few hours: it is written
then, so that it does not matter how the file system is mounted, and left alone
while it is new enough, so that most lookups write nothing. (The modification time
is the seal.) What reads the files otherwise can only make them newer.

Lookups share a lock for as long as they take, and a collection has it alone while it
looks a second time and removes. So a blob that was looked up is either gone already,
and counts as missing, or is new, and stays for a day.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

NOTED_SECONDS: Final = 6 * 3600
"""How exactly the last use is known."""

GRACE_SECONDS: Final = 24 * 3600 + NOTED_SECONDS
"""What was used since then is not removed: for a day, a build finds what it has looked up."""

_LOCK = "lock"


def note_use(path: Path, status: os.stat_result) -> None:
    """Notes that the file is used now, if that is news; `status` is what it is."""
    now = time.time_ns()
    if now - status.st_atime_ns < NOTED_SECONDS * 10**9:
        return
    with contextlib.suppress(OSError):  # somebody else's file: its owner's builds note their use
        os.utime(path, ns=(now, status.st_mtime_ns))


@contextlib.contextmanager
def looking(root: Path) -> Iterator[None]:
    """Keeps collections from removing anything meanwhile."""
    with locked(root / _LOCK, fcntl.LOCK_SH):
        yield


@contextlib.contextmanager
def removing(root: Path) -> Iterator[bool]:
    """Waits until nobody looks anything up; gives whether that could be made sure of."""
    with locked(root / _LOCK, fcntl.LOCK_EX) as alone:
        yield alone


@contextlib.contextmanager
def locked(path: Path, kind: int) -> Iterator[bool]:
    """Gives whether the file at `path`, made if need be, is locked meanwhile; kind: as flock takes it."""
    # A descriptor for each call: threads that share one would share, and lose, its lock.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError:
        yield False  # a store that we cannot write to; nobody can collect there as we
        return
    try:
        yield _lock(descriptor, kind)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind)
    except OSError:
        return False  # another has it, or a file system without locks, on which nothing is collected
    return True
