"""Digests of sources by the status that they were read under: what looks as it did is not read again.

`noop` and `recalling` know what has changed since the same was asked. This is
for every other question: of other targets, after settings or rules have changed,
or of a command whose answers are not kept. Believed is what they believe, of the
same file systems, by the same clocks. It is data and no program.

    "lambdabuild digests 1", a line end
    eight bytes each, little-endian: CRC-32 of all that follows, then the sizes of four parts
    root         the workspace, which paths are seen from
    paths        of plain files in plain directories, each followed by a zero byte
    statuses     of each path six numbers, as in `state`
    digests      of each path 32 bytes: BLAKE3
"""

from __future__ import annotations

import contextlib
import os
import stat
from binascii import crc32
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from lambdabuild import state
from lambdabuild.clock import Moment
from lambdabuild.remembering import Looker, write
from lambdabuild.sources.many import Status, node_of
from lambdabuild.tree import FileNode

_MAGIC = b"lambdabuild digests 1\n"
_PARTS = 4
_HASH = 32

_SHARE = 50
"""One in so many is read again and again before the file is written anew."""


class KeptDigests:
    """The digests that are known of a workspace at `root`, kept at `place`."""

    def __init__(self, place: str, root: str) -> None:
        self._place = place
        self._root = root
        self._used: set[str] = set()

    @classmethod
    def of(cls, cache: Path, root: Path) -> KeptDigests:
        """Returns those of a workspace in a cache directory, which are read when they are asked for."""
        name = crc32(os.fsencode(root))
        return cls(f"{cache}/state/{name:08x}.digests", str(root))

    def node(self, path: str) -> FileNode | None:
        """Returns the node of the plain file at `path`, in a plain directory, if its digest is known."""
        entry = self._entries.get(path)
        if entry is None:
            return None
        try:
            found = os.lstat(f"{self._root}/{path}")
        except OSError:
            return None
        status = state.status_of(found)
        if _packed(status) != entry[0] or not stat.S_ISREG(found.st_mode):
            return None
        self._used.add(path)
        return node_of(entry[1].hex(), status)

    def keep(self, read: Sequence[tuple[str, str, Status]], began: Moment) -> None:
        """Keeps digests of files that have been read, as far as their statuses can be believed.

        read:  path, hash, and the status that the file was read under.
        began: a moment before the first of them was read.
        """
        if len(read) <= len(self._entries) // _SHARE or not began.is_regular(Moment.now()):
            return
        looker = Looker(self._root)
        news = {
            path: (packed, bytes.fromhex(hash_))
            for path, hash_, status in read
            if looker.is_certain(
                f"{self._root}/{path}", status[state.DEVICE], status[state.CHANGED], began.wall_ns
            )
            and (packed := _packed(status))
        }
        kept = self._entries
        if len(kept) > 2 * (len(self._used) + len(read)):  # most are of files that nobody asks for
            kept = {path: kept[path] for path in self._used}
        if news:
            self._entries = {**kept, **news}
            with contextlib.suppress(OSError):
                self._write()

    @cached_property
    def _entries(self) -> dict[str, tuple[bytes, bytes]]:
        try:
            with open(self._place, "rb") as file:
                parts = state.parts_of(file.read(), _MAGIC, _PARTS)
        except OSError:
            return {}
        if parts is None:
            return {}
        root, names, statuses, hashes = parts
        paths = os.fsdecode(names).split("\0")[:-1]
        if (os.fsdecode(root), len(statuses), len(hashes)) != (
            self._root,
            len(paths) * state.BYTES,
            len(paths) * _HASH,
        ):
            return {}
        entries = zip(state.rows(statuses, state.BYTES), state.rows(hashes, _HASH), strict=True)
        return dict(zip(paths, entries, strict=True))

    def _write(self) -> None:
        entries = self._entries
        parts = (
            os.fsencode(self._root),
            os.fsencode("".join(f"{path}\0" for path in entries)),
            b"".join(status for status, _ in entries.values()),
            b"".join(hash_ for _, hash_ in entries.values()),
        )
        write(self._place, state.joined(_MAGIC, parts))


def _packed(status: Status) -> bytes:
    """Returns the bytes of a status; none for one that no file can hold: a time before 1970."""
    try:
        return state.packed(list(status))
    except state.StatusError:
        return b""
