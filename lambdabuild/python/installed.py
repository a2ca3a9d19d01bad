"""A distribution installed beside this interpreter, with all it requires -> its files.

Reads `*.dist-info` itself (PyPA, "Recording installed projects" and "Core
metadata"): importlib.metadata takes 40 ms to import, which every build would
pay, and all that is wanted are RECORD and two headers.

Files come by RECORD, never by copying a site-packages folder, and only those
that do the same for everybody: no scripts, no bytecode, no tests, nothing that an
installer says of itself.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lambdabuild.errors import ExternalError, UserError

_LEFT_OUT = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution.

    site: the directory that its files' paths are relative to.
    info: the name of its dist-info directory in `site`.
    """

    site: str
    info: str


def installed_files(name: str, path: Iterable[str], *, hint: str) -> dict[str, str]:
    """Returns place -> absolute host path, for `name` and everything that it requires.

    path: directories to look in, in order (sys.path).
    Places are relative to a directory on the image's sys.path.

    Raises UserError with `hint` if `name` or something that it always requires
    is not installed; ExternalError if an installation is damaged.
    """
    known = _distributions(path)
    wanted = [_normalised(name)]
    files: dict[str, str] = {}
    for each in wanted:
        if each not in known:
            raise UserError(f"the Python that runs lambdabuild lacks the package {each}", hint=hint)
        files.update(_files(each, known[each]))
        wanted.extend(
            required
            for required, optional in _requirements(known[each])
            if required not in wanted and (not optional or required in known)
        )
    return files


def _distributions(path: Iterable[str]) -> dict[str, Distribution]:
    known: dict[str, Distribution] = {}
    for site in path:
        try:
            names = sorted(os.listdir(site))
        except OSError:
            continue
        for info in names:
            if info.endswith(".dist-info"):
                name = _normalised(info.partition("-")[0])
                known.setdefault(name, Distribution(os.path.abspath(site), info))
    return known


def _normalised(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _requirements(distribution: Distribution) -> Iterator[tuple[str, bool]]:
    """Yields (normalised name, whether a marker restricts it); extras are left out."""
    with open(os.path.join(distribution.site, distribution.info, "METADATA"), encoding="utf-8") as lines:
        for line in lines:
            if not line.strip():
                return  # the description follows
            key, _, value = line.partition(":")
            requirement, semicolon, marker = value.partition(";")
            match = re.match(r"\s*([A-Za-z0-9._-]+)", requirement)
            if key.lower() == "requires-dist" and match and not re.search(r"\bextra\b", marker):
                yield _normalised(match[1]), bool(semicolon)


def _files(name: str, distribution: Distribution) -> Iterator[tuple[str, str]]:
    record = os.path.join(distribution.site, distribution.info, "RECORD")
    try:
        with open(record, encoding="utf-8", newline="") as lines:
            places = sorted(os.path.normpath(row[0]) for row in csv.reader(lines) if row)
    except FileNotFoundError:
        raise _damaged(name, record) from None
    for place in places:
        parts = place.split("/")
        outside = parts[0] in ("..", "")
        about_installing = parts[0] == distribution.info and parts[-1] in _LEFT_OUT
        if outside or about_installing or place.endswith(".pyc") or "tests" in parts[:-1]:
            continue
        path = os.path.join(distribution.site, place)
        if not os.path.isfile(path):
            raise _damaged(name, path)
        yield place, os.path.realpath(path)


def _damaged(name: str, path: str) -> ExternalError:
    return ExternalError(
        f"the installed package {name} is damaged: {path} does not exist",
        hint=f"python -m pip install --force-reinstall {name}",
    )
