"""Digests of git's blobs by their names: what is known of a blob holds for ever, in any repository.

"lambdabuild blobs 1", a line end
eight bytes each, little-endian: CRC-32 of all that follows, then the sizes of two parts
names      32 bytes each: the object id, zeros behind one of SHA-1
digests    40 bytes each: BLAKE3, then the size, little-endian
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path

from lambdabuild import state
from lambdabuild.digest import Digest
from lambdabuild.remembering import write

_MAGIC = b"lambdabuild blobs 1\n"
_PARTS = 2
_NAME, _HASH, _ENTRY = 32, 32, 40

_MOST = 1_000_000
"""Blobs that are remembered: 72 MB of them."""


class KeptBlobs:
    """The digests of blobs that are known on this machine, kept at `place`."""

    def __init__(self, place: str) -> None:
        self._place = place

    @classmethod
    def of(cls, cache: Path) -> KeptBlobs:
        """Returns those of a cache directory, which are read when they are asked for."""
        return cls(f"{cache}/state/git.blobs")

    def known(self, oids: Iterable[str]) -> dict[str, Digest]:
        """Returns the digests of those of some blobs that are known."""
        entries = self._entries
        found = {oid: entries.get(_name(oid)) for oid in oids}
        return {oid: _digest(entry) for oid, entry in found.items() if entry}

    def keep(self, news: Mapping[str, Digest]) -> None:
        """Keeps the digests of blobs, as stored; where that is not possible, somebody reads them again."""
        if not news:
            return
        added = {
            _name(oid): bytes.fromhex(each.hash) + each.size.to_bytes(_ENTRY - _HASH, "little")
            for oid, each in news.items()
        }
        kept = self._entries if len(self._entries) + len(added) <= _MOST else {}
        self._entries = {**kept, **added}
        with contextlib.suppress(OSError):
            parts = (b"".join(self._entries), b"".join(self._entries.values()))
            write(self._place, state.joined(_MAGIC, parts))

    @cached_property
    def _entries(self) -> dict[bytes, bytes]:
        try:
            with open(self._place, "rb") as file:
                parts = state.parts_of(file.read(), _MAGIC, _PARTS)
        except OSError:
            return {}
        if parts is None or len(parts[0]) // _NAME != len(parts[1]) // _ENTRY:
            return {}
        return dict(zip(state.rows(parts[0], _NAME), state.rows(parts[1], _ENTRY), strict=True))


def _name(oid: str) -> bytes:
    return bytes.fromhex(oid).ljust(_NAME, b"\0")


def _digest(entry: bytes) -> Digest:
    return Digest(entry[:_HASH].hex(), int.from_bytes(entry[_HASH:], "little"))
