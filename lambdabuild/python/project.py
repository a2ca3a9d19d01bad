"""pyproject.toml: what a first-party package is called, what it requires, and how it is built.

Formats: PEP 621 and 639 ([project]), PEP 508 (requirements), PEP 517 and 518
([build-system]). Requirements come out in normal form.

Absent: dependencies that only a backend can tell, by running it; [tool.*]
tables of single backends, but for the question whether git is asked for the
version; dependency groups (PEP 735), which are no part of a package.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lambdabuild.errors import UserError
from lambdabuild.python.build_system import asks_git_for_version, build_system
from lambdabuild.python.requirements import normalised, parse_requirement
from lambdabuild.toml_file import TomlFile, dotted

FILE_NAME = "pyproject.toml"
_HINT = "what it can say: https://packaging.python.org/en/latest/specifications/pyproject-toml/"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_GLOB = re.compile(r"[*?[\]{}]")
_FILE_URL = re.compile(
    r"[ \t]*([A-Z0-9._-]+[ \t]*(?:\[[^\]]*\])?)[ \t]*@[ \t]*file:[^ \t\n]*(?:[ \t]+(;.*)?)?",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a pyproject.toml says of a package.

    path:            of pyproject.toml in the workspace.
    name:            normalised (PEP 503).
    requires_python: PEP 440 specifiers, sorted; "" if not given.
    requires:        [project] dependencies in normal form, sorted, unique.
    extras:          normalised extra (PEP 685) -> its requirements, likewise.
    build_requires:  of [build-system], likewise.
    build_backend:   "hatchling.build"; after a colon the object in the module.
    backend_path:    directories of an in-tree backend, relative to pyproject.toml's.
    version:         normalised (PEP 440); None if it is dynamic.
    files:           (key, path) of the files that are named: a readme, a licence.
                     Relative to pyproject.toml's directory.
    version_from_git: the build requirement that asks git for the version, by its
                     normalised name; None if there is none or the version is given.
    local:           names that are required by a file URL, sorted. The URL is not in
                     the requirement, but no package index may answer for them.
    lines:           (extra or "", requirement in normal form) -> its line, for errors.
    """

    path: str
    name: str
    requires_python: str
    requires: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]
    build_requires: tuple[str, ...]
    build_backend: str
    backend_path: tuple[str, ...]
    version: str | None
    files: tuple[tuple[str, str], ...]
    version_from_git: str | None
    local: tuple[str, ...] = ()
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict, compare=False, repr=False)


def parse_project(path: str, data: bytes) -> Project:
    """Returns what the pyproject.toml at `path`, whose bytes are `data`, says.

    Raises UserError, with the line and what to do, for anything that cannot be
    understood without running a backend: bytes of any kind are safe to pass.
    """
    file = TomlFile.parse(path, data, hint=_HINT)
    _check_project_table(file)
    name = _name(file)
    dynamic = _dynamic(file)
    requirements = _Requirements(file)
    version = _version(file, dynamic)
    build = build_system(file)
    return Project(
        path=path,
        name=name,
        requires_python=_requires_python(file),
        requires=requirements.of("", "project", "dependencies"),
        extras=_extras(file, requirements),
        build_requires=build.requires,
        build_backend=build.backend,
        backend_path=build.backend_path,
        version=version,
        files=tuple(dict.fromkeys(_files(file))),
        version_from_git=None if version else asks_git_for_version(file, build),
        local=tuple(sorted(requirements.local)),
        lines=requirements.lines,
    )


def project_name(data: bytes) -> str | None:
    """Returns the normalised name in the bytes of a pyproject.toml; None if they have no proper one."""
    try:
        file = TomlFile.parse(FILE_NAME, data, hint=_HINT)
        name = file.get(str, "project", "name")
    except UserError:
        return None
    return canonicalize_name(name) if name is not None and _NAME.fullmatch(name) else None


# --- [project] ---------------------------------------------------------------


def _check_project_table(file: TomlFile) -> None:
    if file.get(dict, "project") is not None:
        return
    if isinstance(tools := file.document.get("tool"), dict) and "poetry" in tools:
        raise file.refusal(
            "there is no [project], and [tool.poetry] is read by Poetry alone",
            *("tool", "poetry"),
            hint="move name, version and dependencies to [project], which Poetry 2 reads as well: "
            "`poetry check` names what to move",
        )
    raise file.refusal(
        "there is no [project], so this is no package",
        "project",
        hint='add [project] with a name and a version: name = "…", version = "0.1.0"',
    )


def _name(file: TomlFile) -> str:
    name = file.get(str, "project", "name")
    if name is None:
        raise file.refusal("[project] has no name", "project", hint='add name = "…" to it')
    if not _NAME.fullmatch(name):
        raise file.refusal(
            f"{name[:80]!r} is not a name of a package",
            *("project", "name"),
            hint="use letters, digits, and single - _ . between them",
        )
    return canonicalize_name(name)


def _dynamic(file: TomlFile) -> tuple[str, ...]:
    dynamic = file.strings("project", "dynamic")
    for key in ("dependencies", "optional-dependencies"):
        if key in dynamic:
            raise file.refusal(
                f"{key} is dynamic, so that only the build backend knows what the package requires",
                *("project", "dynamic"),
                value=key,
                hint=f"list them in {FILE_NAME}, as project.{key}, and drop {key!r} from project.dynamic",
            )
    return dynamic


def _version(file: TomlFile, dynamic: tuple[str, ...]) -> str | None:
    version = file.get(str, "project", "version")
    if version is None:
        if "version" in dynamic:
            return None
        raise file.refusal("[project] has no version", "project", hint='add version = "0.1.0" to it')
    try:
        return str(Version(version))
    except (InvalidVersion, ValueError):
        raise file.refusal(
            f"{version[:80]!r} is not a version",
            *("project", "version"),
            hint="write it as PEP 440 says, e.g. 1.2.0",
        ) from None


def _requires_python(file: TomlFile) -> str:
    keys = ("project", "requires-python")
    text = file.get(str, *keys) or ""
    try:
        return str(SpecifierSet(text))
    except (InvalidSpecifier, ValueError):
        raise file.refusal(
            f"{text[:80]!r} does not say which versions of Python",
            *keys,
            hint="write it as PEP 440 says, e.g. >=3.12",
        ) from None


class _Requirements:
    """Reads arrays of requirements, and gathers what else there is to know of them.

    local, lines: as in Project.
    """

    def __init__(self, file: TomlFile) -> None:
        self._file = file
        self.local: set[str] = set()
        self.lines: dict[tuple[str, str], int] = {}

    def of(self, extra: str, *keys: str) -> tuple[str, ...]:
        """Returns the requirements at `keys` in normal form, sorted; raises UserError with the line."""
        found = set()
        for written in self._file.strings(*keys):
            text = _without_file_url(written)
            with self._file.at(*keys, value=written):
                form = normalised(text)
            if text != written:
                self.local.add(canonicalize_name(parse_requirement(form).name))
            self.lines.setdefault((extra, form), self._file.place(*keys, value=written).line)
            found.add(form)
        return tuple(sorted(found))


def _without_file_url(text: str) -> str:
    """Returns `name @ file:///somewhere` without the place, and any other text as it is."""
    match = _FILE_URL.fullmatch(text)
    return f"{match[1]}{match[2] or ''}" if match else text


def _extras(file: TomlFile, requirements: _Requirements) -> dict[str, tuple[str, ...]]:
    above = ("project", "optional-dependencies")
    extras: dict[str, tuple[str, ...]] = {}
    for written in file.get(dict, *above) or {}:
        extra = canonicalize_name(written)
        if not _NAME.fullmatch(written):
            raise file.refusal(
                f"{written[:80]!r} is not a name of an extra",
                *(*above, written),
                hint="use letters, digits, and single - _ . between them",
            )
        if extra in extras:
            raise file.refusal(
                f"two extras are named {extra!r}, since case does not count and - _ . are the same",
                *(*above, written),
                hint="make them one, or give one of them another name",
            )
        extras[extra] = requirements.of(extra, *above, written)
    return dict(sorted(extras.items()))


def _files(file: TomlFile) -> Iterator[tuple[str, str]]:
    """Yields the key and the path of each file that a backend will read (PEP 621, PEP 639)."""
    project = file.get(dict, "project") or {}
    for key in ("readme", "license"):
        # A licence that is a string is an SPDX expression.
        if type(project.get(key)) is dict:
            yield from _file(file, file.get(str, "project", key, "file"), "project", key, "file")
        elif key == "readme":
            yield from _file(file, file.get(str, "project", key), "project", key)
    for path in file.strings("project", "license-files"):
        if not _GLOB.search(path):
            yield from _file(file, path, "project", "license-files")


def _file(file: TomlFile, path: str | None, *keys: str) -> Iterator[tuple[str, str]]:
    if path is not None:
        yield dotted(keys), file.below(path, *keys)
