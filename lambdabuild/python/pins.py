"""The versions that another tool has locked, and a resolver that keeps them.

Pins limit what is chosen, as pip's constraints do: they make nothing required.
Those that name hashes also limit the files.

Absent: reading the files of other tools; see pin_files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.markers import Marker
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.python.locked import LockedPackage
from lambdabuild.python.platforms import Combination, marker_environment
from lambdabuild.python.relock import Resolver
from lambdabuild.python.requirements import parse_requirement

_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")


@dataclass(frozen=True, slots=True, order=True)
class Pin:
    """A version of a package that is to be kept.

    name, version: normalised.
    marker:        where it holds; "" for everywhere.
    sha256s:       what its files may be, sorted; empty for any.
    """

    name: str
    version: str
    marker: str = ""
    sha256s: tuple[str, ...] = ()

    @classmethod
    def of(cls, name: str, version: str, marker: str = "", sha256s: Iterable[str] = ()) -> Pin:
        """Returns the pin in normal form; raises UserError for what is malformed."""
        requirement = parse_requirement(f"{name}; {marker}" if marker else name)
        try:
            number = str(Version(version))
        except (InvalidVersion, ValueError):  # ValueError: a number of thousands of digits
            raise UserError(f"{version[:80]!r} is not a version of {name}") from None
        normal = f"{requirement.marker}" if requirement.marker else ""
        hashes = {text.lower() for text in sha256s}
        if not all(re.fullmatch("[0-9a-f]{64}", text, re.ASCII) for text in hashes):
            raise UserError(f"a sha256 of {name} {number} is not 64 hex digits")
        return cls(canonicalize_name(requirement.name), number, normal, tuple(sorted(hashes)))

    def holds(self, combination: Combination) -> bool:
        """Returns whether its marker is true.

        Whether an extra or a group is wanted (PEP 751) is taken for true: a pin
        of what nobody requires does nothing.
        """
        if not self.marker:
            return True
        named = frozenset(one or other for one, other in _QUOTED.findall(self.marker))
        sets = {"extras": named, "dependency_groups": named}
        marker = Marker(self.marker)
        try:
            return marker.evaluate({**marker_environment(combination), **sets})
        except (ValueError, LookupError):
            raise UserError(f"the marker of {self}, {self.marker}, has no value") from None

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Pins:
    """What one file pins.

    file:  its path, for messages.
    notes: what of it is left aside.
    """

    file: str
    pins: tuple[Pin, ...]
    notes: tuple[str, ...] = ()

    def at(self, combination: Combination) -> dict[str, Pin]:
        """Returns name -> pin for one combination; raises UserError for two versions of a name."""
        found: dict[str, Pin] = {}
        for pin in self.pins:
            if pin.holds(combination):
                other = found.get(pin.name, pin)
                if Version(other.version) != Version(pin.version):
                    raise UserError(f"{self.file} pins both {other} and {pin} for {combination}")
                hashes = tuple(sorted({*pin.sha256s, *other.sha256s}))
                found[pin.name] = replace(pin, sha256s=hashes)
        return found


class PinnedResolver:
    """Resolves as `resolver` does, but keeps pins.

    unpinned: names of packages that were needed and that no pin speaks of.
    """

    def __init__(self, resolver: Resolver, pins: Pins) -> None:
        self._resolver, self._pins = resolver, pins
        self.unpinned: set[str] = set()

    def packages(
        self, combination: Combination, requirements: Sequence[str], constraints: Sequence[str]
    ) -> list[LockedPackage]:
        """Raises UserError for a pin that cannot be kept, and for a file whose hash is not listed."""
        pins = self._pins.at(combination)
        self._check_requirements(requirements, pins)
        try:
            found = [*self._resolver.packages(combination, requirements, _and(constraints, pins.values()))]
        except ActionFailed as error:
            raise self._blamed(combination, requirements, constraints, list(pins.values()), error) from None
        for each in found:
            if each.name in pins:
                self._check_hashes(each, pins[each.name])
            else:
                self.unpinned.add(each.name)
        return found

    def build_packages(self, requires: Sequence[str], constraints: Sequence[str]) -> Iterable[LockedPackage]:
        """Returns what it does without pins: other tools lock no build requirements."""
        return self._resolver.build_packages(requires, constraints)

    def _check_requirements(self, requirements: Iterable[str], pins: Mapping[str, Pin]) -> None:
        for text in requirements:
            requirement = parse_requirement(text)
            pin = pins.get(canonicalize_name(requirement.name))
            if pin and not requirement.specifier.contains(pin.version, prereleases=True):
                raise UserError(
                    f"{self._pins.file} pins {pin}, and the workspace requires {text}",
                    hint=f"require what is pinned, or lock {pin} anew with the tool that wrote the file",
                )

    def _check_hashes(self, package: LockedPackage, pin: Pin) -> None:
        for file in package.files:
            if pin.sha256s and file.sha256 not in pin.sha256s:
                raise UserError(
                    f"the index has {file.name} with a sha256 that {self._pins.file} does not list",
                    hint=f"lock {pin} anew with the tool that wrote the file, or configure pip for the index "
                    "that it asked: python -m pip config list",
                    details=(f"sha256 {file.sha256}",),
                )

    def _blamed(
        self,
        combination: Combination,
        requirements: Sequence[str],
        constraints: Sequence[str],
        pins: Sequence[Pin],
        error: ActionFailed,
    ) -> ActionFailed | UserError:
        """Returns `error` if pins are not to blame, or else what names one that is.

        More pins leave fewer solutions, so the first that leaves none can be
        found by halving.
        """
        fine, failing, last = -1, len(pins), error
        while failing - fine > 1:
            count = (fine + failing) // 2 if fine >= 0 else 0
            try:
                self._resolver.packages(combination, requirements, _and(constraints, pins[:count]))
                fine = count
            except ActionFailed as another:
                failing, last = count, another
        if failing == 0:
            return error
        return UserError(
            f"{self._pins.file} pins {pins[failing - 1]}, which cannot be kept for {combination}",
            hint="lock it anew with the tool that wrote the file, or drop the pin",
            details=last.details,
        )


def _and(constraints: Sequence[str], pins: Iterable[Pin]) -> list[str]:
    return [*constraints, *map(str, pins)]
