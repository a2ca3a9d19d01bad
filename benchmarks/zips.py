"""How long a zip file of some files is, without writing it: most of them are the same ones each time."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

_LOCAL, _CENTRAL, _END = 30, 46, 22
"""Bytes of an entry's two headers without its name, and of the end (APPNOTE 4.3)."""


def zip_size(files: Iterable[tuple[str, Path]]) -> int:
    """Returns the bytes of a zip with these files, (name, path) each, deflated at level 6."""
    entries = (
        _LOCAL + _CENTRAL + 2 * len(name.encode()) + _deflated(path, path.stat().st_mtime_ns)
        for name, path in files
    )
    return _END + sum(entries)


@cache
def _deflated(path: Path, changed: int) -> int:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return len(packer.compress(path.read_bytes()) + packer.flush())
