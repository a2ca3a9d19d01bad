"""What the build requirements of a package were resolved to, for every system that can build it.

A build runs on the machine that builds, whatever its images are for, so a
`BuildLock` holds files of all systems and `selection.select_for_host` chooses. As
a document it is part of what an action says, and of its key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdabuild.digest import Canonical
from lambdabuild.errors import UserError
from lambdabuild.python.locked import LockedFile, LockedPackage
from lambdabuild.python.requirements import normalised


@dataclass(frozen=True, slots=True)
class BuildLock:
    """What one `[build-system] requires` was resolved to, for any host (Linux, macOS).

    requires: in normal form, sorted.
    packages: by name, one version of each; their `combinations` and `build` are empty,
              their files are those of all systems.
    """

    requires: tuple[str, ...]
    packages: tuple[LockedPackage, ...]

    @classmethod
    def of(cls, requires: Iterable[str], packages: Iterable[LockedPackage]) -> BuildLock:
        """Returns the build lock in canonical form; raises UserError for contradictions."""
        build = cls(
            tuple(sorted({normalised(text) for text in requires})),
            tuple(sorted(packages, key=lambda each: each.name)),
        )
        held: dict[str, LockedPackage] = {}
        for each in build.packages:
            if other := held.get(each.name):
                raise UserError(f"both {other} and {each} are locked for the build requirements {build}")
            if each.combinations or each.build:
                raise UserError(
                    f"{each} of the build requirements {build} is for some systems, or built from sources"
                )
            held[each.name] = each
        return build

    def document(self) -> Canonical:
        """Returns the same as plain data, for an action's parameters; `from_document` is the inverse."""
        return {"requires": list(self.requires), "packages": [_document(each) for each in self.packages]}

    @classmethod
    def from_document(cls, document: object) -> BuildLock:
        """Returns what `document` printed; raises UserError for anything else."""
        try:
            table = _table(document, ("requires", "packages"))
            packages = [_package(each) for each in _items(table["packages"])]
            return cls.of(_strings(table["requires"]), packages)
        except TypeError:
            raise UserError("what should be locked build requirements has another form") from None

    def __str__(self) -> str:
        return ", ".join(self.requires) or "(none)"


def _document(package: LockedPackage) -> Canonical:
    return {
        "name": package.name,
        "version": package.version,
        "requires": list(package.requires),
        "extras": list(package.extras),
        "files": [{"name": file.name, "size": file.size, "sha256": file.sha256} for file in package.files],
    }


def _package(document: object) -> LockedPackage:
    table = _table(document, ("name", "version", "requires", "extras", "files"))
    files = [_table(each, ("name", "size", "sha256")) for each in _items(table["files"])]
    return LockedPackage.of(
        _string(table["name"]),
        _string(table["version"]),
        [LockedFile.of(_string(each["name"]), _int(each["size"]), _string(each["sha256"])) for each in files],
        requires=_strings(table["requires"]),
        extras=_strings(table["extras"]),
    )


# Each raises TypeError for another type; from_document says what that means.


def _table(value: object, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or value.keys() != {*keys}:
        raise TypeError
    return value


def _items(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise TypeError
    return value


def _strings(value: object) -> list[str]:
    return [_string(each) for each in _items(value)]


def _string(value: object) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _int(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value
