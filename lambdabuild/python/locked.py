"""What a lock holds: packages, one version each, and their files by sha256.

Values in one canonical form: what `of` makes is normalised, sorted and
consistent. They name files, never hosts: a file may come from any index, and
counts only with its sha256.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from lambdabuild.errors import UserError
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import extras_in_marker, normalised

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+!-]{0,254}", re.ASCII)
_SDISTS = (".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
_LARGEST = 1 << 40  # bytes of a file


@dataclass(frozen=True, slots=True, order=True)
class LockedFile:
    """A wheel or a source distribution. size: bytes; sha256: 64 lower-case hex digits."""

    name: str
    size: int
    sha256: str

    @classmethod
    def of(cls, name: str, size: int, sha256: str) -> LockedFile:
        """Returns the file; raises UserError for what is no distribution, size or hash."""
        if not _FILE_NAME.fullmatch(name) or not name.endswith((".whl", *_SDISTS)):
            raise UserError(f"{name!r} is not the file name of a wheel or a source distribution")
        if not 0 < size <= _LARGEST:
            raise UserError(f"{size} is not a size of {name} in bytes")
        if not re.fullmatch("[0-9a-f]{64}", sha256, re.ASCII):
            raise UserError(f"the sha256 of {name} is not 64 lower-case hex digits")
        return cls(name, size, sha256)

    @property
    def is_wheel(self) -> bool:
        return self.name.endswith(".whl")


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One version of a package.

    name, version: normalised (PEP 503, PEP 440).
    requires:      its requirements in normal form, sorted, with markers and extras.
    extras:        those it provides that bring nothing, so that `requires` does not
                   show them (moto[sqs]); normalised, sorted.
    files:         sorted by name; at least one.
    combinations:  for which this entry holds, sorted; empty means all of the lock's.
    build:         the build requirements of its source distribution in normal form, sorted;
                   empty where nothing has to be built.
    """

    name: str
    version: str
    files: tuple[LockedFile, ...]
    requires: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()
    combinations: tuple[Combination, ...] = ()
    build: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        version: str,
        files: Iterable[LockedFile],
        *,
        requires: Iterable[str] = (),
        extras: Iterable[str] = (),
        combinations: Iterable[Combination] = (),
        build: Iterable[str] = (),
    ) -> LockedPackage:
        """Returns the package in canonical form; raises UserError for what is malformed."""
        _check_name(name, "a package")
        name, version = canonicalize_name(name), _version(name, version)
        edges = tuple(sorted({normalised(text) for text in requires}))
        provided = {_check_name(extra, "an extra") for extra in extras}
        held = tuple(sorted(set(files)))
        if not held:
            raise UserError(f"{name} {version} has no files")
        for one, other in pairwise(held):
            if one.name == other.name:
                raise UserError(f"{one.name} is there twice, with different size or sha256")
        for file in held:
            _check_belongs(file, name, version)
        return cls(
            name=name,
            version=version,
            files=held,
            requires=edges,
            extras=tuple(sorted(provided - _mentioned(edges))),
            combinations=tuple(sorted(set(combinations))),
            build=tuple(sorted({normalised(text) for text in build})),
        )

    @property
    def provides(self) -> frozenset[str]:
        """The extras that can be asked for."""
        return frozenset({*self.extras, *_mentioned(self.requires)})

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def _check_name(text: str, what: str) -> str:
    """Returns `text` normalised."""
    if not _NAME.fullmatch(text):
        raise UserError(f"{text!r} is not the name of {what}")
    return canonicalize_name(text)


def _version(name: str, text: str) -> str:
    try:
        return str(Version(text))
    except (InvalidVersion, ValueError):  # ValueError: a number of thousands of digits
        raise UserError(f"{text[:80]!r} is not a version of {name}") from None


def _check_belongs(file: LockedFile, name: str, version: str) -> None:
    """Source distributions are not checked: old ones are named in too many ways."""
    if not file.is_wheel:
        return
    try:
        its_name, its_version, _, _ = parse_wheel_filename(file.name)
    except (InvalidWheelFilename, ValueError):
        raise UserError(f"{file.name!r} is not the file name of a wheel") from None
    if its_name != name or its_version != Version(version):
        raise UserError(f"{file.name} is not a wheel of {name} {version}")


def _mentioned(requires: Iterable[str]) -> set[str]:
    return {extra for text in requires for extra in extras_in_marker(text)}
