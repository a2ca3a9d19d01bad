"""Reads regular files so that a change in the middle is noticed.

A file is read between two looks at its status; if size, times or inode moved,
the bytes may be half of one version and half of another and are read again.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from typing import TypeVar

from lambdabuild.digest import CHUNK, Digest, Hasher, digest_of
from lambdabuild.tree import FileNode

T = TypeVar("T")

ATTEMPTS = 5
# O_NONBLOCK, since a fifo that took the file's place would wait for a writer for ever.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class NotRegularError(OSError):
    """The path is a fifo, a device or a socket."""


class UnstableError(OSError):
    """The file changed each time that it was read."""


def read_node(path: str) -> FileNode:
    """Returns digest and executable bit of the file at `path`; raises OSError."""
    return _stably(path, _measured)[0]


def read_plain(path: str) -> tuple[FileNode, os.stat_result]:
    """Returns the same of what is no link itself, and the status that it was read under; raises OSError."""
    return _stably(path, _measured, os.O_NOFOLLOW)


def _measured(descriptor: int, status: os.stat_result) -> tuple[FileNode, os.stat_result]:
    return FileNode(_digest(descriptor, status.st_size), bool(status.st_mode & 0o100)), status


def read_bytes(path: str) -> bytes:
    """Returns the content of the file at `path`; raises OSError."""
    return _stably(path, lambda descriptor, status: b"".join(_pieces(descriptor)))


def pieces(path: str) -> Iterator[bytes]:
    """Yields the content of the file at `path`, whatever happens to it meanwhile; raises OSError."""
    descriptor, _ = _open(path)
    try:
        yield from _pieces(descriptor)
    finally:
        os.close(descriptor)


def _stably(path: str, read: Callable[[int, os.stat_result], T], flags: int = 0) -> T:
    for _ in range(ATTEMPTS):
        descriptor, before = _open(path, flags)
        try:
            value = read(descriptor, before)
            if _identity(before) == _identity(os.fstat(descriptor)):
                return value
        finally:
            os.close(descriptor)
    raise UnstableError(f"{path} changes while it is read")


def _open(path: str, flags: int = 0) -> tuple[int, os.stat_result]:
    """Returns a descriptor of the regular file at `path`, and its status; raises OSError."""
    try:
        descriptor = os.open(path, _FLAGS | flags)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.EOPNOTSUPP):  # what Linux and macOS say of a socket
            raise NotRegularError(f"{path} is not a regular file") from None
        raise
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode):
        return descriptor, status
    os.close(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(f"{path} is a directory")
    raise NotRegularError(f"{path} is not a regular file")


def _digest(descriptor: int, size: int) -> Digest:
    """Returns the digest of the bytes from where a file is read on.

    size: what its status says. What comes in one piece of just that size is all of it, unless
          the status changes, which is looked at afterwards: most files need no second read.
    """
    first = os.read(descriptor, min(size + 1, CHUNK))
    if len(first) == size:
        return digest_of(first)
    hasher = Hasher()
    hasher.update(first)
    for piece in _pieces(descriptor):
        hasher.update(piece)
    return hasher.digest()


def _pieces(descriptor: int) -> Iterator[bytes]:
    while piece := os.read(descriptor, CHUNK):
        yield piece


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_mode)
