"""What a wheel must not do, checked before anything is written.

Only the bytes of its files are checked later, while they are written: `source`.
"""

from __future__ import annotations

import csv
import io
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from installer.records import InvalidRecordEntry, parse_record_file
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from lambdabuild.errors import UserError

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

BOMB_BASE: Final = 64 << 20
BOMB_FACTOR: Final = 100
BOMB_LIMIT: Final = 10_000_000_000
"""A wheel of n bytes may unpack to BOMB_BASE + BOMB_FACTOR * n bytes, but to no more than BOMB_LIMIT.

Deflate reaches a factor of 1,032, and wheels that are all tables about 30. Ten
gigabytes are what Lambda allows an image.
"""


def checked_entries(wheel: Path, archive: ZipFile) -> Mapping[str, ZipInfo]:
    """Returns name -> file, in the wheel's order, once names, kinds and sizes are all harmless."""
    entries: dict[str, ZipInfo] = {}
    for info in archive.infolist():
        name = info.orig_filename
        if re.search(r"[\\\x00-\x1f\x7f]|^[A-Za-z]:", name):
            refuse(wheel, "has a drive, a backslash or a control character in its name", name)
        if {"", ".", ".."} & {*name.removesuffix("/").split("/")}:
            refuse(wheel, "leaves the tree", name)
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
            refuse(wheel, "is a symlink or a special file", name)
        if info.flag_bits & 1 or info.compress_type not in (0, 8):
            refuse(wheel, "is encrypted, or compressed by other means than deflate", name)
        if name in entries:
            refuse(wheel, "comes twice", name)
        if not name.endswith("/"):
            entries[name] = info
    bound = min(BOMB_BASE + BOMB_FACTOR * wheel.stat().st_size, BOMB_LIMIT)
    size = sum(info.file_size for info in entries.values())
    if size > bound:
        refuse(wheel, f"would unpack to {size} bytes, where its own size allows {bound}")
    return entries


def identity(wheel: Path, directories: Iterable[str]) -> tuple[str, str]:
    """Returns name and version as the dist-info directory spells them; file name and directory agree."""
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        refuse(wheel, "has no name of a wheel")
    found = sorted(each for each in directories if each.endswith(".dist-info"))
    if len(found) != 1:
        refuse(wheel, f"has {len(found)} dist-info directories instead of one")
    said_name, _, said_version = found[0].removesuffix(".dist-info").rpartition("-")
    try:
        fits = canonicalize_name(said_name) == name and Version(said_version) == version
    except InvalidVersion:
        fits = False
    if not fits:
        refuse(wheel, "does not fit the wheel's file name", found[0])
    return said_name, said_version


def record_rows(wheel: Path, text: str) -> Mapping[str, tuple[str, str]]:
    """Returns path -> (hash, size) as RECORD has them."""
    try:
        return {path: (hash_, size) for path, hash_, size in parse_record_file(io.StringIO(text, newline=""))}
    except (InvalidRecordEntry, csv.Error) as error:
        refuse(wheel, f"has a broken RECORD: {error}")


def refuse(wheel: Path, problem: str, path: str | None = None) -> NoReturn:
    """Raises UserError: trying again would not help, another wheel would."""
    subject = wheel.name if path is None else f"{wheel.name}: {path!r}"
    project = re.split(r"-\d", wheel.name)[0]
    raise UserError(
        f"{subject} {problem}",
        hint=f"tell who publishes it; meanwhile take another version: lambdabuild lock --upgrade {project}",
    ) from None
