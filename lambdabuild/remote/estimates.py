"""How long actions take, as the builds of this machine's user saw it.

    estimates.json: {"version": 1, "seconds": [[tool, label, seconds], ...]}, the oldest first

For scheduling alone: a wrong estimate costs time, never a wrong result. So a
file that cannot be read counts as empty, and two builds that write at once may
lose what one of them learned.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

from lambdabuild.store.local import disk_errors, write_atomically

MOST = 20_000
"""Entries that are kept; the oldest go first."""

_MAX_BYTES = 16 << 20

_DEFAULTS: Mapping[str, float] = {
    "dockerfile": 120.0,
    "fetch": 2.0,
    "host_python": 5.0,
    "image": 0.2,
    "layer": 0.5,
    "pull": 5.0,
    "wheel": 20.0,
    "wheels": 3.0,
    "write": 0.1,
}
_DEFAULT = 5.0


class Estimates:
    """Seconds by (tool, label), in a file that is read when they are first asked for."""

    def __init__(self, path: Path, scratch: Path) -> None:
        """path: the file. scratch: a directory on the same file system."""
        self._path = path
        self._scratch = scratch
        self._known: dict[tuple[str, str], float] | None = None

    def seconds(self, tool: str, label: str) -> float:
        """Returns how long `tool` is going to run for `label`, estimated."""
        if self._known is None:
            self._known = _read(self._path)
        return self._known.get((tool, label), _DEFAULTS.get(tool, _DEFAULT))

    def record(self, measured: Mapping[tuple[str, str], float]) -> None:
        """Keeps measured seconds by (tool, label); raises ExternalError if they cannot be written.

        What was known counts for half of the new estimate: one slow build is no habit.
        """
        known = _read(self._path)
        for name, seconds in measured.items():
            before = known.pop(name, seconds)
            known[name] = round((before + max(0.0, seconds)) / 2, 3)
        self._known = dict(list(known.items())[-MOST:])
        entries = [[tool, label, seconds] for (tool, label), seconds in self._known.items()]
        document = json.dumps({"version": 1, "seconds": entries}, separators=(",", ":"))
        with disk_errors(self._scratch):
            self._scratch.mkdir(parents=True, exist_ok=True)
        write_atomically(self._path, document.encode(), self._scratch)


def _read(path: Path) -> dict[tuple[str, str], float]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        document = json.loads(path.read_bytes())
        return dict(_entries(document["seconds"] if document["version"] == 1 else ()))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}


def _entries(entries: object) -> Iterator[tuple[tuple[str, str], float]]:
    """Yields those entries that are some; raises TypeError or ValueError where there is no list of them."""
    for tool, label, seconds in entries if isinstance(entries, list) else ():
        fits = isinstance(tool, str) and isinstance(label, str) and isinstance(seconds, int | float)
        if fits and math.isfinite(seconds) and seconds >= 0:
            yield (tool, label), float(seconds)
