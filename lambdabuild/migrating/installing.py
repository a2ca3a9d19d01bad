"""What pip is told to install: first-party packages by where they were copied to, and requirements."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lambdabuild.errors import Location, UserError
from lambdabuild.migrating.runs import Install, InTheWayError
from lambdabuild.sources import View

if TYPE_CHECKING:
    from packaging.requirements import Requirement

Packages = Mapping[str, str]
"""The first-party packages: normalised name -> directory."""

_EXTRAS = re.compile(r"(?P<path>[^\[\]]*)(?:\[(?P<extras>[^\[\]]*)\])?")
_MAX_DEPTH = 10


class Installer:
    """Notes what is installed into `found` (directory -> extras) and `requirements`."""

    def __init__(
        self, view: View, packages: Packages, found: dict[str, set[str]], requirements: set[str]
    ) -> None:
        self._view = view
        self._packages = packages
        self._directories = frozenset(packages.values())
        self._found = found
        self._requirements = requirements
        self._dropped: dict[str, str] = {}

    def install(
        self, wanted: Install, origin: Callable[[str], str | None], absolute: Callable[[str], str]
    ) -> Mapping[str, str]:
        """Returns what was copied only to be installed: place in the image -> path in the workspace.

        origin:   gives the path in the workspace of a place in the image, or None.
        absolute: gives the place that a path means.
        Raises InTheWayError for what cannot be declared.
        """
        self._dropped = {}
        for text in wanted.named:
            self._name(text, origin, absolute)
        for text in wanted.files:
            place = absolute(text)
            path = origin(place)
            if path is None:
                raise InTheWayError(f"RUN installs what {text} says, and nothing was copied there")
            self._dropped[place] = path
            self._file(path, place, origin)
        return self._dropped

    def _name(self, text: str, origin: Callable[[str], str | None], absolute: Callable[[str], str]) -> None:
        if re.match(r"(?:[a-z+]+://|git\+)", text) or " @ " in text:
            raise InTheWayError(f"RUN installs {text[:60]}, which is not from the package index")
        if text.startswith((".", "/", "~")) or "/" in text:
            self._path(text, origin, absolute)
        else:
            self._requirement(text)

    def _path(self, text: str, origin: Callable[[str], str | None], absolute: Callable[[str], str]) -> None:
        match = _EXTRAS.fullmatch(text)
        assert match is not None or "[" in text
        if match is None or text.endswith((".whl", ".tar.gz", ".zip")):
            raise InTheWayError(f"RUN installs {text}, which is no directory of a package")
        place = absolute(match["path"])
        pyproject = origin(f"{place}/pyproject.toml")
        directory = pyproject.rpartition("/")[0] if pyproject else None
        if directory is None or directory not in self._directories:
            raise InTheWayError(f"RUN installs {text}, which is no first-party package with a pyproject.toml")
        self._dropped[place] = directory
        self._add(directory, (match["extras"] or "").split(","))

    def _requirement(self, text: str) -> None:
        from packaging.utils import canonicalize_name

        requirement = _parsed(text)
        directory = self._packages.get(canonicalize_name(requirement.name))
        if directory is None:
            self._requirements.add(text.strip())
        else:
            self._add(directory, requirement.extras)

    def _add(self, directory: str, extras: object) -> None:
        assert isinstance(extras, list | set)
        self._found.setdefault(directory, set()).update(each.strip() for each in extras if each.strip())

    def _file(self, path: str, place: str, origin: Callable[[str], str | None], depth: int = 0) -> None:
        """Reads a requirements file; raises InTheWayError at its line."""
        if depth > _MAX_DEPTH:
            raise InTheWayError("requirements files that read each other", at=Location(path))
        directory = place.rpartition("/")[0]
        for number, line in _lines(self._view.read(path).decode(errors="replace")):
            at = Location(path, number)
            try:
                if match := re.fullmatch(r"(?:-r|--requirement)[ =]*(.+)", line):
                    inner = _joined(directory, match[1])
                    there = origin(inner) or _joined(path.rpartition("/")[0], match[1])
                    self._file(there, inner, origin, depth + 1)
                elif line.startswith("-") and not re.match(r"(?:-e|--editable)\b", line):
                    raise InTheWayError(f"{line[:60]!r} is an option of pip that images cannot have")
                else:
                    text = re.sub(r"^(?:-e|--editable)[ =]*", "", line)
                    self._name(text, origin, lambda written: _joined(directory, written))
            except UserError as error:
                raise error.located(at) from None


def _joined(directory: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(directory, path))


def _lines(text: str) -> list[tuple[int, str]]:
    """Returns the numbered lines of a requirements file that say something, continued ones joined.

    Hashes are left out: python.lock has those of every file.
    """
    found: list[tuple[int, str]] = []
    parts, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        parts += re.sub(r"(?:^|\s)#.*$", "", line)
        if parts.endswith("\\"):
            parts = parts[:-1]
            continue
        words = re.sub(r"--hash[ =]\S+", "", parts).strip()
        if words:
            found.append((start, words))
        parts, start = "", 0
    return found


def _parsed(text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        raise InTheWayError(f"{text[:60]!r} is not a requirement") from None
