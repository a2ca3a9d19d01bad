"""A wheel as `installer` reads it: each file is held against its row in RECORD."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from configparser import Error
from pathlib import Path
from typing import IO, BinaryIO, Final, cast
from zipfile import ZipFile

from installer.sources import WheelSource
from installer.utils import parse_entrypoints

from lambdabuild.python.wheel.checks import checked_entries, identity, record_rows, refuse
from lambdabuild.python.wheel.destination import encoded

_LEFT_OUT: Final = {"INSTALLER", "REQUESTED", "direct_url.json", "RECORD.jws", "RECORD.p7s"}
_HASHES: Final = {"sha256", "sha384", "sha512"}
"""What the standard allows in a RECORD; md5 and sha1 it forbids."""


class Wheel(WheelSource):
    """A wheel to install. Making one checks everything but its files' bytes."""

    def __init__(self, wheel: Path, archive: ZipFile) -> None:
        self._wheel, self._archive = wheel, archive
        self._entries = checked_entries(wheel, archive)
        names = {name.partition("/")[0] for name in self._entries if "/" in name}
        name, version = identity(wheel, names)
        super().__init__(name, version)
        data = sorted(name for name in names if name.endswith(".data"))
        if len(data) > 1:
            refuse(wheel, f"has more than one data directory: {', '.join(data)}")
        # As it is spelt in the wheel: normalised or not, pip takes either.
        self._data_dir = data[0] if data else super().data_dir
        for name in self._entries:
            if name.startswith(f"{self.data_dir}/") and name.count("/") < 2:
                refuse(wheel, "belongs to no scheme", name)
        for name in ("METADATA", "WHEEL", "RECORD"):
            if f"{self.dist_info_dir}/{name}" not in self._entries:
                refuse(wheel, f"lacks {self.dist_info_dir}/{name}")
        self._check_entry_points()

    @property
    def data_dir(self) -> str:
        return self._data_dir

    @property
    def dist_info_filenames(self) -> list[str]:
        start = f"{self.dist_info_dir}/"
        return [name.removeprefix(start) for name in self._entries if name.startswith(start)]

    def read_dist_info(self, filename: str) -> str:
        return self._archive.read(self._entries[f"{self.dist_info_dir}/{filename}"]).decode()

    def get_contents(self) -> Iterator[tuple[tuple[str, str, str], BinaryIO, bool]]:
        """Yields (RECORD's row, stream, executable); raises when what was read does not fit the row."""
        rows = record_rows(self._wheel, self.read_dist_info("RECORD"))
        record = f"{self.dist_info_dir}/RECORD"
        for name in sorted(rows.keys() - self._entries.keys()):
            if not name.endswith("/") and not self._left_out(name):
                refuse(self._wheel, "is in RECORD, but not in the wheel", name)
        for name, info in self._entries.items():
            if self._left_out(name) or name == record:
                continue
            if name not in rows:
                refuse(self._wheel, "is not in RECORD", name)
            algorithm, _, expected = rows[name][0].partition("=")
            if algorithm not in _HASHES:
                refuse(self._wheel, "has no sha256 in RECORD", name)
            mode = info.external_attr >> 16
            with self._archive.open(info) as raw:
                stream = _Hashed(raw, algorithm)
                yield (name, "", ""), cast("BinaryIO", stream), bool(mode & 0o111)
                if stream.hash() != expected.rstrip("=") or rows[name][1] not in ("", str(stream.size)):
                    refuse(self._wheel, "is not what RECORD says", name)

    def _left_out(self, name: str) -> bool:
        directory, _, last = name.rpartition("/")
        about_installing = directory == self.dist_info_dir and last in _LEFT_OUT
        headers = name.startswith(f"{self.data_dir}/headers/")
        return about_installing or headers or "__pycache__" in directory.split("/")

    def _check_entry_points(self) -> None:
        if "entry_points.txt" in self.dist_info_filenames:
            try:
                list(parse_entrypoints(self.read_dist_info("entry_points.txt")))
            except (AssertionError, AttributeError, Error):  # how it says that a line is malformed
                refuse(self._wheel, "is malformed", f"{self.dist_info_dir}/entry_points.txt")


class _Hashed:
    """Reads a stream and digests what it read."""

    def __init__(self, stream: IO[bytes], algorithm: str) -> None:
        self._stream, self._hasher = stream, hashlib.new(algorithm)
        self.size = 0

    def read(self, count: int) -> bytes:
        data = self._stream.read(count)
        self._hasher.update(data)
        self.size += len(data)
        return data

    def hash(self) -> str:
        return encoded(self._hasher.digest())
