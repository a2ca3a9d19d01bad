"""What a program prints, as lines that anybody may see: the last of them, without secrets.

Lines come in here before they go anywhere else. A value of several lines is
masked line by line as well, since no printed line has all of it. Shown are values
only as they are: a step that prints a secret backwards is not stopped.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

from lambdabuild.errors import escaped

KEPT: Final = 2000
"""Lines that are remembered."""
MAX_LINE: Final = 1 << 16
"""Bytes of a line that are looked at; the rest of it is dropped."""
SHOWN: Final = 400
"""Characters of a line that are shown."""

_SHORT: Final = 4
"""Bytes. A shorter line of a longer value ("}") says nothing, and would blacken much."""

_NOISE = re.compile(r"#\d+ (?:sha256:[0-9a-f]{64}|DONE \S+|CACHED|transferring .*)$")
"""What BuildKit says beside what the steps print."""

_STYLE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Transcript:
    """The lines so far. `add` takes bytes as they come; `end` completes the last line."""

    def __init__(self, secrets: Iterable[bytes] = ()) -> None:
        parts = {part for value in secrets for part in _parts(value)}
        ordered = sorted(parts, key=len, reverse=True)
        self._secrets = re.compile(b"|".join(map(re.escape, ordered))) if ordered else None
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._rest = b""

    def add(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        self._rest = self._rest[: 2 * MAX_LINE]
        for line in lines:
            self._keep(line)

    def end(self) -> None:
        line, self._rest = self._rest, b""
        if line:
            self._keep(line)

    @property
    def lines(self) -> Sequence[str]:
        """The last lines, masked, with escapes for what does not print."""
        return tuple(self._lines)

    def mask(self, text: str) -> str:
        """Returns `text` as a line of the transcript would be."""
        data = text.encode(errors="surrogateescape")
        if self._secrets:
            data = self._secrets.sub(b"***", data)
        return escaped(_STYLE.sub("", data.decode(errors="replace")).expandtabs())

    def _keep(self, line: bytes) -> None:
        text = self.mask(line.decode(errors="surrogateescape")).rstrip()
        if text and not _NOISE.match(text):
            self._lines.append(text[:SHOWN])


def _parts(value: bytes) -> Iterable[bytes]:
    """Returns what of a value must not be printed."""
    stripped = value.strip()
    yield from (value, stripped) if stripped else ()
    yield from (line for line in map(bytes.strip, stripped.splitlines()) if len(line) >= _SHORT)
