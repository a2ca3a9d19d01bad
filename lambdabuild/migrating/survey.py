"""What lies in a tree that BUILD files could be written for: Python packages, Dockerfiles, BUILD files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lambdabuild.dockerfile import Dockerfile
from lambdabuild.dockerfile.parsing import parse
from lambdabuild.errors import Location, UserError
from lambdabuild.sources import BUILD_FILES, Kind, View, walk_directories
from lambdabuild.toml_file import TomlFile

PYPROJECT = "pyproject.toml"
_DOCKERFILE = re.compile(r"Dockerfile|Dockerfile\..+|.+\.Dockerfile")
_DATA = (".dockerignore",)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, by path in the workspace, sorted.

    pyprojects:  pyproject.toml files of packages.
    dockerfiles: as they were understood.
    build_files: directory -> its BUILD file.
    broken:      what was wrong with others.
    """

    pyprojects: Mapping[str, TomlFile]
    dockerfiles: Mapping[str, Dockerfile]
    build_files: Mapping[str, str]
    broken: tuple[UserError, ...]


def survey(view: View) -> Survey:
    """Returns what is in the directories that patterns enter; other workspaces are not looked at."""
    pyprojects: dict[str, TomlFile] = {}
    dockerfiles: dict[str, Dockerfile] = {}
    build_files: dict[str, str] = {}
    broken: list[UserError] = []
    for directory in walk_directories(view, ""):
        listing = view.listing(directory)
        there = [name for name in BUILD_FILES if listing.get(name) in (Kind.FILE, Kind.LINK)]
        if there:
            build_files[directory] = _joined(directory, there[0])
        for path in _files(directory, listing):
            try:
                if path.endswith(PYPROJECT):
                    file = TomlFile.parse(path, view.read(path), hint=None)
                    if is_package(file):
                        pyprojects[path] = file
                else:
                    dockerfiles[path] = parse(path, _text(path, view.read(path)))
            except UserError as error:
                broken.append(_located(error, path))
    return Survey(
        dict(sorted(pyprojects.items())), dict(sorted(dockerfiles.items())), build_files, tuple(broken)
    )


def is_package(file: TomlFile) -> bool:
    """Tells whether a pyproject.toml is a package's, not only a place for settings of tools."""
    document = file.document
    tools = document.get("tool")
    tools = tools if isinstance(tools, dict) else {}
    uv = tools.get("uv")
    if isinstance(uv, dict) and uv.get("package") is False:
        return False
    poetry = tools.get("poetry")
    if isinstance(poetry, dict) and poetry.get("package-mode") is False:
        return False
    return "project" in document or "build-system" in document or "poetry" in tools


def _files(directory: str, listing: Mapping[str, Kind]) -> Iterator[str]:
    for name, kind in listing.items():
        wanted = name == PYPROJECT or (_DOCKERFILE.fullmatch(name) and not name.endswith(_DATA))
        if wanted and kind in (Kind.FILE, Kind.LINK):
            yield _joined(directory, name)


def _text(path: str, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        at = Location(path, data.count(b"\n", 0, error.start) + 1)
        raise UserError("not UTF-8", at=at, hint="save it as UTF-8") from None


def _located(error: UserError, path: str) -> UserError:
    error.located(Location(path))
    return error


def _joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name
