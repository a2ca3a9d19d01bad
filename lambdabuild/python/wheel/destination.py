"""The tree as `installer` writes it."""

from __future__ import annotations

import base64
import csv
import errno
import hashlib
import io
import os
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from installer.destinations import WheelDestination
from installer.records import Hash, RecordEntry
from installer.utils import Scheme

from lambdabuild.errors import ExternalError
from lambdabuild.python.wheel.checks import refuse

_SCRIPT: Final = """\
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from {module} import {first}

if __name__ == "__main__":
    sys.exit({attr}())
"""

_SHEBANG: Final = b"#!/usr/bin/env python3\n"


class Tree(WheelDestination):
    """A tree that is being made; its root need not be there."""

    def __init__(self, wheel: Path, into: Path) -> None:
        self._wheel, self._into = wheel, into
        self._directories: set[str] = set()

    def write_script(self, name: str, module: str, attr: str, section: str) -> RecordEntry:
        if not attr or not re.fullmatch(r"[^/\\\x00-\x1f\x7f]+", name) or name in (".", ".."):
            refuse(self._wheel, "is no name for a script", name)
        text = _SCRIPT.format(module=module, first=attr.partition(".")[0], attr=attr)
        return self._write(f"bin/{name}", [_SHEBANG, text.encode()], True)

    def write_file(
        self, scheme: str, path: str | os.PathLike[str], stream: BinaryIO, is_executable: bool
    ) -> RecordEntry:
        pieces = iter(partial(stream.read, 1 << 18), b"")
        if scheme == "scripts":
            return self._write(f"bin/{os.fspath(path)}", _with_shebang(pieces), True)
        return self._write(os.fspath(path), pieces, is_executable)

    def finalize_installation(
        self, scheme: str, record_file_path: str, records: Iterable[tuple[Scheme, RecordEntry]]
    ) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(sorted(record.to_row() for _, record in records))
        self._write(record_file_path, [text.getvalue().encode()], False)

    def _write(self, path: str, pieces: Iterable[bytes], executable: bool) -> RecordEntry:
        hasher, size = hashlib.sha256(), 0
        try:
            self._make_directory(path.rpartition("/")[0])
            with open(self._into / path, "xb") as out:
                for piece in pieces:
                    hasher.update(piece)
                    size += out.write(piece)
                os.fchmod(out.fileno(), 0o755 if executable else 0o644)
        except (FileExistsError, NotADirectoryError):
            refuse(self._wheel, "has the place of another of its files, or differs only in case", path)
        except OSError as error:
            raise ExternalError(
                f"cannot write {path!r} of {self._wheel.name}: {error.strerror}",
                hint="df -h; df -i" if error.errno == errno.ENOSPC else None,
            ) from error
        return RecordEntry(path, Hash("sha256", encoded(hasher.digest())), size)

    def _make_directory(self, path: str) -> None:
        if path in self._directories:
            return
        if path:
            self._make_directory(path.rpartition("/")[0])
            os.mkdir(self._into / path)
        else:
            self._into.mkdir(parents=True, exist_ok=True)
        (self._into / path).chmod(0o755)
        self._directories.add(path)


def encoded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _with_shebang(pieces: Iterable[bytes]) -> Iterator[bytes]:
    for number, piece in enumerate(pieces):
        if number == 0 and piece.startswith(b"#!python"):
            yield _SHEBANG
            yield piece.partition(b"\n")[2]
        else:
            yield piece
