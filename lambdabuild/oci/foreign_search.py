"""Bytes that must not be in a layer, looked for in its plain tar: contents, names, attributes.

Absent: what is compressed or encoded. A secret in base64 is not found.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from pathlib import Path

from lambdabuild.oci.conformance.members import members


def find(tar: Path, needles: Iterable[bytes]) -> str | None:
    """Returns the name of an entry that has one of `needles` in it, or None.

    A file's bytes lie together in a tar, so the whole is searched at once.
    """
    with tar.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for needle in needles:
            place = data.find(needle)
            if place >= 0:
                return _owner(tar, place)
    return None


def _owner(tar: Path, place: int) -> str:
    """Returns the name of the entry whose header or content is at `place`."""
    with tar.open("rb") as file:
        for member in members(file):
            if place < member.offset_data + max(member.size, 0):
                return member.name
    return "what follows the last entry"
