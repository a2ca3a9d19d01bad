"""What nobody has used for longest leaves the local store, until it has the size that it may have.

Counted are the bytes that leave the disk with a blob: one that lambdabuild-out links as well
stays, since to remove it would free nothing. Results whose outputs were removed go, with the
documents of their keys; so do results and states of targets that are OLD and of no use.

Nothing is ever wrong in between: a result without its blobs counts as missing, a blob without
its result is adopted or made again. Directories stay, for somebody may be about to write there.
Absent: environments of build backends, copies of the remote store's index; `lambdabuild clean
--cache` removes all.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from lambdabuild.store.use import GRACE_SECONDS, locked, removing

GB: Final = 10**9

EVERY_SECONDS: Final = 24 * 3600
"""How often builds collect."""

OLD_SECONDS: Final = 90 * 24 * 3600

_BATCH = 64
"""Blobs that are removed while lookups wait."""

_LOW = 0.9
"""The part of the limit that is left, so that the next build is not over it again."""

_STAMP = "collected"
_LOCK = "collecting"
_DIGEST = re.compile(rb'"([0-9a-f]{64})/[0-9]+"')


class Blob(NamedTuple):
    """A file of the content store.

    used:  by `use.note_use`, in nanoseconds.
    bytes: on the disk.
    """

    used: int
    bytes: int
    path: str


@dataclass(frozen=True, slots=True)
class Collected:
    """What was removed: blobs with their bytes, and other files; and the bytes of blobs that are left."""

    blobs: int = 0
    freed: int = 0
    documents: int = 0
    kept: int = 0


def is_due(root: Path) -> bool:
    """Tells whether the last collection was long ago."""
    try:
        return time.time() - (root / _STAMP).stat().st_mtime > EVERY_SECONDS
    except OSError:
        return True


def collect(root: Path, limit: int, *, grace: float = GRACE_SECONDS) -> Collected | None:
    """Makes the store at `root` as small as `limit` bytes, but for what was used lately.

    grace: seconds since the last use for which a blob stays whatever the limit.

    Returns None if another process is at it, or nothing can be locked there.
    """
    with locked(root / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
        if not alone:
            return None
        with contextlib.suppress(OSError):
            (root / _STAMP).touch()
        blobs = list(scan(root))
        total = sum(blob.bytes for blob in blobs)
        before = time.time_ns() - int(grace * 10**9)
        removed = remove(root, choose(blobs, total, limit, before), before)
        freed = sum(blob.bytes for blob in removed)
        documents = _forget(root, {_name(blob.path) for blob in removed})
        return Collected(len(removed), freed, documents, total - freed)


def scan(root: Path) -> Iterator[Blob]:
    """Yields the blobs that only the store keeps."""
    for path, status in _files(f"{root}/cas"):
        if status.st_nlink == 1:
            yield Blob(status.st_atime_ns, status.st_blocks * 512, path)


def choose(blobs: Iterable[Blob], total: int, limit: int, before: int) -> list[Blob]:
    """Returns what has to go, the longest unused first, so that `total` bytes come down to `limit`."""
    if total <= limit:
        return []
    chosen: list[Blob] = []
    excess = total - int(limit * _LOW)
    for blob in sorted(blobs):
        if excess <= 0 or blob.used >= before:
            break
        chosen.append(blob)
        excess -= blob.bytes
    return chosen


def remove(root: Path, blobs: Sequence[Blob], before: int) -> list[Blob]:
    """Removes those of `blobs` that were not used or linked meanwhile; returns them."""
    removed: list[Blob] = []
    for start in range(0, len(blobs), _BATCH):
        with removing(root) as alone:
            if not alone:
                break
            removed += [blob for blob in blobs[start : start + _BATCH] if _removed(blob, before)]
    return removed


def _removed(blob: Blob, before: int) -> bool:
    try:
        status = os.stat(blob.path)
        if status.st_atime_ns >= before or status.st_nlink != 1:
            return False
        os.unlink(blob.path)
    except OSError:
        return False
    return True


def _forget(root: Path, gone: set[str]) -> int:
    """Removes results that name blobs which are gone, and what is old; returns how many files."""
    old = time.time() - OLD_SECONDS
    forgotten = 0
    for path, status in _files(f"{root}/ac"):
        if _is_useless(path, gone, root if status.st_mtime < old else None):
            forgotten += _unlink(path) + _unlink(f"{root}/keys/{_name(path, '/')}")
    for path, status in _files(f"{root}/keys"):
        if status.st_mtime < old and not os.path.exists(f"{root}/ac/{_name(path, '/')}"):
            forgotten += _unlink(path)
    for kind in ("history", "guard"):
        forgotten += sum(_unlink(path) for path, status in _files(f"{root}/{kind}") if status.st_mtime < old)
    return forgotten


def _is_useless(path: str, gone: set[str], root: Path | None) -> bool:
    """Tells whether the result at `path` names a blob that is `gone`, or one that `root`, if given, lacks."""
    if not gone and root is None:
        return False
    names = _outputs(path)
    if names & gone:
        return True
    return root is not None and any(not os.path.exists(f"{root}/cas/{n[:2]}/{n[2:]}") for n in names)


def _outputs(path: str) -> set[str]:
    """Returns the hashes of the blobs that the result at `path` names."""
    try:
        with open(path, "rb") as file:
            return {match[1].decode() for match in _DIGEST.finditer(file.read())}
    except OSError:
        return set()


def _files(directory: str) -> Iterator[tuple[str, os.stat_result]]:
    """Yields the files below a directory; what vanishes meanwhile is left out."""
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
                continue
            with contextlib.suppress(OSError):
                yield entry.path, entry.stat(follow_symlinks=False)


def _name(path: str, between: str = "") -> str:
    """Returns the hash that a file of two levels is named by."""
    first, second = path.rsplit("/", 2)[1:]
    return f"{first}{between}{second}"


def _unlink(path: str) -> int:
    with contextlib.suppress(OSError):
        os.unlink(path)
        return 1
    return 0
