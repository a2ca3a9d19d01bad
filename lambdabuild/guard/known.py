"""What was found in which bytes: one small file, to which each look at new bytes adds a line.

    <root>/guard/<16 hex>    for one set of detectors, in their version
    <64 hex> -               nothing was found in the bytes of that digest
    <64 hex> 3:aws-key,…     something was: lines and kinds, never its text

A line that is torn or strange counts as not there. What is written goes out in one
call at the end of the file, so that processes can share it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from lambdabuild.digest import Canonical, Digest, key_of
from lambdabuild.guard.kinds import DETECTORS
from lambdabuild.guard.reading import RELEASE, Spot

MAX_BYTES: Final = 32 << 20
"""When the file is begun anew: it has half a million lines then, most of them of files long gone."""

_LINE = re.compile(r"([0-9a-f]{64}) (-|\d+:[a-z0-9-]+(?:,\d+:[a-z0-9-]+)*)")


class Known:
    """What is known for one set of detectors. Nothing depends on it but time: it may be removed."""

    def __init__(self, root: Path, detectors: tuple[str, ...]) -> None:
        from importlib.metadata import version  # for those from whose machines something leaves

        library = version("detect-secrets")
        document: Canonical = {"detectors": sorted(detectors), "library": library, "release": RELEASE}
        self._path = root / "guard" / key_of("guard", document)[:16]
        self._found: dict[str, tuple[Spot, ...]] | None = None
        self._news: dict[str, tuple[Spot, ...]] = {}

    def get(self, digest: Digest) -> tuple[Spot, ...] | None:
        """Returns what is in the bytes of that digest, or None if nobody has looked."""
        if self._found is None:
            self._found = dict(_read(self._path))
        return self._found.get(digest.hash)

    def note(self, digest: Digest, spots: tuple[Spot, ...]) -> None:
        """Remembers what is in the bytes of that digest."""
        assert self._found is not None  # somebody asked first
        self._found[digest.hash] = self._news[digest.hash] = spots

    def save(self) -> None:
        """Writes what is new. A disk that refuses costs the next build time, and nothing else."""
        if not self._news:
            return
        text = "".join(f"{hash_} {_printed(spots)}\n" for hash_, spots in self._news.items())
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            begin = os.O_TRUNC if self._path.exists() and self._path.stat().st_size > MAX_BYTES else 0
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | begin, 0o644)
            try:
                os.write(descriptor, text.encode())
            finally:
                os.close(descriptor)
        self._news = {}


def _printed(spots: tuple[Spot, ...]) -> str:
    return ",".join(f"{spot.line}:{spot.kind}" for spot in spots) or "-"


def _read(path: Path) -> Mapping[str, tuple[Spot, ...]]:
    try:
        lines = path.read_text("utf-8", "replace").split("\n")
    except OSError:
        return {}
    matches = (_LINE.fullmatch(line) for line in lines[:-1])
    return {match[1]: spots for match in matches if match and (spots := _parsed(match[2])) is not None}


def _parsed(text: str) -> tuple[Spot, ...] | None:
    if text == "-":
        return ()
    pairs = [item.split(":") for item in text.split(",")]
    return tuple(Spot(int(line), kind) for line, kind in pairs) if _are_kinds(pairs) else None


def _are_kinds(pairs: list[list[str]]) -> bool:
    return all(kind in DETECTORS for _, kind in pairs)
