"""The file name that a wheel gives itself, by what is inside.

PyPA, "Binary distribution format": {name}-{version}(-{build})-{python}-{abi}-{platform}.whl,
where the first two are those of the dist-info directory, and the rest is in WHEEL.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Sequence
from email.parser import Parser
from math import prod
from pathlib import Path

from packaging.tags import parse_tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

_MAX_TEXT = 1 << 20  # bytes of WHEEL
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,254}", re.ASCII)


def name_from_inside(wheel: Path) -> str:
    """Returns the proper file name of `wheel`, whatever it is called.

    Raises ValueError, with a clause that can follow the wheel's name, if it is
    damaged or its parts cannot be those of a file name.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            info = _info_directory(archive)
            entry = archive.getinfo(f"{info}.dist-info/WHEEL")
            if entry.file_size > _MAX_TEXT:
                raise ValueError("has a WHEEL file that is too large")
            text = archive.read(entry).decode()
    except KeyError:
        raise ValueError("has no WHEEL file") from None
    except UnicodeError:
        raise ValueError("has a WHEEL file that is not UTF-8") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"is no wheel: {error}") from None
    headers = Parser().parsestr(text, headersonly=True)
    build = headers.get_all("Build", [])[:1]
    tags = _compressed(headers.get_all("Tag", []))
    name = "-".join([info, *(each.strip() for each in build), tags]) + ".whl"
    try:
        parse_wheel_filename(name)
    except (InvalidWheelFilename, ValueError):
        raise ValueError(f"says of itself that it is {name[:200]!r}, which is no name of a wheel") from None
    if not _SAFE.fullmatch(name):
        raise ValueError(f"says of itself that it is {name[:200]!r}, which is no name of a file")
    return name


def _info_directory(archive: zipfile.ZipFile) -> str:
    """Returns the dist-info directory's name, without that ending."""
    tops = {name.partition("/")[0] for name in archive.namelist() if "/" in name}
    found = sorted(name for name in tops if name.endswith(".dist-info"))
    if len(found) != 1:
        raise ValueError(f"has {len(found)} dist-info directories instead of one")
    return found[0].removesuffix(".dist-info")


def _compressed(lines: Sequence[str]) -> str:
    """Returns the tags as one compressed set (PEP 425)."""
    try:
        tags = {(tag.interpreter, tag.abi, tag.platform) for line in lines for tag in parse_tag(line.strip())}
    except ValueError:
        raise ValueError("has a malformed tag") from None
    parts = [sorted({tag[place] for tag in tags}) for place in range(3)]
    if not tags or len(tags) != prod(map(len, parts)):
        raise ValueError("has tags that no file name can express")
    return "-".join(".".join(part) for part in parts)
