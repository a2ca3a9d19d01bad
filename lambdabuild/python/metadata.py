"""What a distribution says of itself that a resolver does not pass on.

    extras          Provides-Extra, of a wheel's METADATA (core metadata 2.1) or an sdist's PKG-INFO
    build_requires  [build-system] requires, of the pyproject.toml in an sdist (PEP 518)

Single members are read; nothing is unpacked. Bytes of any kind are safe to pass.
"""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from pathlib import Path

from packaging.utils import canonicalize_name

from lambdabuild.errors import UserError
from lambdabuild.python.build_system import LEGACY_REQUIRES, build_system
from lambdabuild.toml_file import TomlFile

_LARGEST = 16 << 20  # bytes of a member that is read
_MOST = 8 << 30  # bytes of an archive's members


def extras(path: Path) -> frozenset[str]:
    """Returns the extras that a wheel or source distribution provides, normalised.

    Raises UserError if it is not such an archive.
    """
    wheel = path.name.endswith(".whl")
    found = frozenset[str]()
    for name, data in _members(path, "METADATA" if wheel else "PKG-INFO"):
        if not wheel or name.split("/")[0].endswith(".dist-info"):
            headers = BytesHeaderParser().parsebytes(data)
            found = frozenset(canonicalize_name(str(e)) for e in headers.get_all("Provides-Extra", ()))
    return found


def build_requires(path: Path) -> tuple[str, ...]:
    """Returns what a source distribution needs to be built, in normal form, sorted.

    Raises UserError if it is no such archive, or its pyproject.toml is malformed.
    """
    found: tuple[str, ...] = LEGACY_REQUIRES
    for name, data in _members(path, "pyproject.toml"):
        file = TomlFile.parse(f"{path.name}/{name}", data, hint="require another version of the package")
        found = build_system(file).requires
    return found


def _members(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    """Yields the regular files called `name` in the archive's only directories at the top."""
    try:
        if path.name.endswith((".whl", ".zip")):
            yield from _of_zip(path, name)
        else:
            yield from _of_tar(path, name)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, zlib.error, ValueError) as error:
        raise UserError(
            f"{path.name} is not an archive that can be read: {error}",
            hint="require another version of the package",
        ) from None


def _of_zip(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if _is_at_top(member.filename, name):
                with archive.open(member) as stream:
                    yield member.filename, _bounded(stream.read(_LARGEST + 1), member.filename)


def _of_tar(path: Path, name: str) -> Iterator[tuple[str, bytes]]:
    size = 0
    with tarfile.open(path) as archive:
        for member in archive:
            size += member.size
            if size > _MOST:
                raise ValueError(f"its members have more than {_MOST} bytes")
            if member.isreg() and _is_at_top(member.name, name):
                stream = archive.extractfile(member)
                assert stream is not None
                yield member.name, _bounded(stream.read(_LARGEST + 1), member.name)


def _is_at_top(path: str, name: str) -> bool:
    parts = path.removeprefix("./").split("/")
    return len(parts) == 2 and parts[1] == name


def _bounded(data: bytes, name: str) -> bytes:
    if len(data) > _LARGEST:
        raise ValueError(f"{name} has more than {_LARGEST} bytes")
    return data
