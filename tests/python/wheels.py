"""Wheels made by hand, honest or not."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import stat
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

INFO = "demo-1.0.dist-info"
FILENAME = "demo-1.0-py3-none-any.whl"
METADATA = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n"
WHEEL = b"Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@dataclass(frozen=True)
class Member:
    """An entry of the archive, named as it will stand there."""

    name: str
    data: bytes = b""
    mode: int = stat.S_IFREG | 0o644
    method: int = zipfile.ZIP_DEFLATED


def row(name: str, data: bytes, algorithm: str = "sha256") -> tuple[str, str, str]:
    digest = base64.urlsafe_b64encode(hashlib.new(algorithm, data).digest()).decode().rstrip("=")
    return name, f"{algorithm}={digest}", str(len(data))


def record_of(members: Sequence[Member]) -> bytes:
    text = io.StringIO(newline="")
    rows = [row(member.name, member.data) for member in members if not member.name.endswith("/")]
    csv.writer(text, lineterminator="\n").writerows([*rows, (f"{INFO}/RECORD", "", "")])
    return text.getvalue().encode()


def make_wheel(
    directory: Path,
    members: Sequence[Member] = (),
    *,
    filename: str = FILENAME,
    info: Mapping[str, bytes | None] | None = None,
    order: int = 1,
) -> Path:
    """Returns a wheel that holds `members` and a dist-info directory that fits them.

    info:  files of the dist-info directory that are other than usual; None: missing.
    order: of the members, 1 or -1.
    """
    texts: dict[str, bytes | None] = {"METADATA": METADATA, "WHEEL": WHEEL, **(info or {})}
    described = [Member(f"{INFO}/{name}", data) for name, data in texts.items() if data is not None]
    if "RECORD" not in texts:
        described.append(Member(f"{INFO}/RECORD", record_of([*members, *described])))
    path = directory / filename
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of duplicate names
        for member in [*members, *described][::order]:
            entry = zipfile.ZipInfo("x", (2020, 1, 1, 0, 0, 0))
            entry.filename = member.name  # its constructor would change what is hostile
            entry.create_system = 3
            entry.external_attr = member.mode << 16
            entry.compress_type = member.method
            archive.writestr(entry, member.data)
    return path
