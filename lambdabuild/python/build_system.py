"""The [build-system] of a pyproject.toml (PEP 517, PEP 518): which backend makes a package, and with what.

Absent: settings of single backends, but for where pdm-backend has the version from.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from packaging.utils import canonicalize_name

from lambdabuild.python.requirements import normalised, parse_requirement
from lambdabuild.toml_file import TomlFile

LEGACY_BACKEND = "setuptools.build_meta:__legacy__"
LEGACY_REQUIRES = ("setuptools>=40.8.0",)

_OBJECT = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_BACKEND = re.compile(rf"{_OBJECT}(?::{_OBJECT})?")
_ASK_GIT = frozenset(
    ("hatch-vcs", "poetry-dynamic-versioning", "setuptools-git-versioning", "setuptools-scm", "versioningit")
)


class BuildSystem(NamedTuple):
    """What [build-system] says, or what holds where there is none.

    requires:     in normal form, sorted, unique.
    backend:      "hatchling.build"; after a colon the object in the module.
    backend_path: directories of an in-tree backend, relative to pyproject.toml's.
    """

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...]


def build_system(file: TomlFile) -> BuildSystem:
    """Returns the build system of a pyproject.toml; raises UserError, with the line, if it is malformed."""
    table = file.get(dict, "build-system")
    if table is None:
        return BuildSystem(LEGACY_REQUIRES, LEGACY_BACKEND, ())
    if "requires" not in table:
        raise file.refusal(
            "[build-system] has no requires",
            "build-system",
            hint='list the packages that its backend needs, e.g. requires = ["hatchling>=1.26"]',
        )
    return BuildSystem(_requires(file), _backend(file), _backend_path(file))


def _requires(file: TomlFile) -> tuple[str, ...]:
    keys = ("build-system", "requires")
    found = set()
    for text in file.strings(*keys):
        with file.at(*keys, value=text):
            found.add(normalised(text))
    return tuple(sorted(found))


def _backend(file: TomlFile) -> str:
    keys = ("build-system", "build-backend")
    backend = file.get(str, *keys)
    if backend is None:
        return LEGACY_BACKEND
    if not _BACKEND.fullmatch(backend):
        raise file.refusal(
            f"{backend[:80]!r} is not a build backend",
            *keys,
            hint="write it as PEP 517 says: a module, or module:object, e.g. hatchling.build",
        )
    return backend


def _backend_path(file: TomlFile) -> tuple[str, ...]:
    keys = ("build-system", "backend-path")
    paths = file.strings(*keys)
    if paths and file.get(str, "build-system", "build-backend") is None:
        raise file.refusal(
            "backend-path is of no use without a build-backend",
            *keys,
            hint="name the module of the backend: build-backend = …",
        )
    return tuple(file.below(path, *keys) for path in paths)


def asks_git_for_version(file: TomlFile, build: BuildSystem) -> str | None:
    """Returns the name of the build requirement that asks git for a version, if there is one."""
    names = sorted(canonicalize_name(parse_requirement(text).name) for text in build.requires)
    for name in names:
        if name in _ASK_GIT or (name == "pdm-backend" and _pdm_source(file) == "scm"):
            return name
    return None


def _pdm_source(file: TomlFile) -> object:
    value: object = file.document
    for key in ("tool", "pdm", "version", "source"):
        value = value.get(key) if isinstance(value, dict) else None
    return value
