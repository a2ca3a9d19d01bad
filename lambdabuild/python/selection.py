"""Requirements -> the locked files that satisfy them in one combination.

The closure over the lock's edges, with markers and extras evaluated for the
combination, as pip would install them: an edge of an extra counts once somebody
asks for that extra. Cycles are fine. Each package gets the one file whose tags
come first; of equal tags the highest build number (PEP 427), then the first name.

Absent: resolving (the lock did that), fetching and installing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.tags import Tag
from packaging.utils import canonicalize_name, parse_wheel_filename

from lambdabuild.errors import UserError, did_you_mean
from lambdabuild.python.lock import Lock, LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination, marker_environment, tags
from lambdabuild.python.requirements import applies, extras_of, normalised, parse_requirement

LOCK_HINT = "lambdabuild lock"
_SHOWN = 3  # wheels in an error
_LEVELS = {"glibc 2": "manylinux_2", "musl 1": "musllinux_1"}


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """What is installed of a package. file: a wheel, or where allowed a source distribution."""

    name: str
    version: str
    file: LockedFile


def select(lock: Lock, requirements: Iterable[str], combination: Combination) -> tuple[LockedWheel, ...]:
    """Returns what `Selector.select` does; for several questions keep the Selector."""
    return Selector(lock, combination).select(requirements)


class Selector:
    """Answers for one lock and one combination, and remembers what it worked out."""

    def __init__(self, lock: Lock, combination: Combination, *, sdists: bool = False) -> None:
        """Raises UserError if the lock was not resolved for `combination`.

        sdists: whether a package without a fitting wheel gives its source
                distribution; only where `combination` is the building machine's own.
        """
        if combination not in lock.combinations:
            raise UserError(f"python.lock was not resolved for {combination}", hint=LOCK_HINT)
        self._combination = combination
        self._sdists = sdists
        self._packages = lock.at(combination)
        self._covered = frozenset(lock.requirements)
        self._ranks = {tag: rank for rank, tag in enumerate(tags(combination))}
        self._roots: dict[str, list[tuple[str, str]]] = {}
        self._edges: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._chosen: dict[str, LockedWheel] = {}

    def select(self, requirements: Iterable[str]) -> tuple[LockedWheel, ...]:
        """Returns what the requirements need, by name.

        Raises UserError for a requirement that is malformed or not covered by the
        lock, an extra that its package does not have, a locked version that does
        not satisfy a requirement, and a package without a file that fits.
        """
        pending: list[tuple[str, str]] = []
        for text in sorted({*requirements}):
            if text not in self._roots:
                self._roots[text] = self._root(text)
            pending += self._roots[text]
        seen: dict[tuple[str, str], None] = {}
        while pending:
            node = pending.pop()
            if node not in seen:
                seen[node] = None
                pending += self._followed(node)
        return tuple(self._choose(name) for name in sorted({name for name, _ in seen}))

    def _root(self, text: str) -> list[tuple[str, str]]:
        """Returns the (package, extra) pairs that a requirement leads to; "" is the package itself."""
        form = normalised(text)
        if form not in self._covered:
            raise UserError(f"python.lock does not cover the requirement {form}", hint=LOCK_HINT)
        requirement = parse_requirement(form)
        if not applies(requirement, marker_environment(self._combination)):
            return []
        package = self._package(requirement, "the workspace")
        for extra in sorted(extras_of(requirement) - package.provides):
            raise UserError(
                f"{package} has no extra {extra!r}",
                hint=did_you_mean(extra, sorted(package.provides)) or f"drop [{extra}] from {requirement}",
            )
        return _reached(requirement)

    def _followed(self, node: tuple[str, str]) -> list[tuple[str, str]]:
        """Returns the pairs that `node`, such a pair, leads to."""
        if node not in self._edges:
            name, extra = node
            environment = marker_environment(self._combination, extra)
            found: list[tuple[str, str]] = []
            for text in self._packages[name].requires:
                requirement = parse_requirement(text)
                if applies(requirement, environment):
                    self._package(requirement, str(self._packages[name]))
                    found += _reached(requirement)
            self._edges[node] = found
        return self._edges[node]

    def _package(self, requirement: Requirement, by: str) -> LockedPackage:
        """Returns the package that satisfies `requirement`; `by` is who requires it."""
        name = canonicalize_name(requirement.name)
        package = self._packages.get(name)
        if package is None:
            raise UserError(
                f"python.lock has no {name} for {self._combination}, and {by} requires it", hint=LOCK_HINT
            )
        if not requirement.specifier.contains(package.version, prereleases=True):
            raise UserError(
                f"python.lock has {package}, and {by} requires {name}{requirement.specifier}", hint=LOCK_HINT
            )
        return package

    def _choose(self, name: str) -> LockedWheel:
        if name not in self._chosen:
            package = self._packages[name]
            self._chosen[name] = LockedWheel(name, package.version, self._best(package))
        return self._chosen[name]

    def _best(self, package: LockedPackage) -> LockedFile:
        fitting = []
        for file in package.files:
            if file.is_wheel:
                _, _, build, its_tags = parse_wheel_filename(file.name)
                ranks = [self._ranks[tag] for tag in its_tags if tag in self._ranks]
                if ranks:
                    number, suffix = build or (0, "")
                    fitting.append((-min(ranks), number, suffix, file))
        if fitting:
            best = max(fitting, key=lambda one: one[:3])
            return best[3]  # max gives the first of equals, and files are sorted
        if self._sdists:
            for file in package.files:
                if not file.is_wheel:
                    return file
        raise self._nothing_fits(package)

    def _nothing_fits(self, package: LockedPackage) -> UserError:
        wheels = [file for file in package.files if file.is_wheel]
        if not wheels:
            return UserError(
                f"{package} has no wheel, and its source distribution can be built for {self._combination} "
                "only on such a system: source distributions are built for the host's own platform only",
                hint=f"require a version of {package.name} that has wheels, or put a wheel on your package "
                f"index; then: {LOCK_HINT}",
                details=tuple(file.name for file in package.files),
            )
        misfits = sorted(_misfit(file, self._ranks, self._combination) for file in wheels)
        lines = [f"{name} {reason}" for _, _, name, reason in misfits[:_SHOWN]]
        if len(misfits) > _SHOWN:
            lines.append(f"and {len(misfits) - _SHOWN} more")
        return UserError(
            f"no wheel of {package} fits {self._combination}",
            hint=f"take a base that fits one of them, or require another version of {package.name}; "
            f"then: {LOCK_HINT}",
            details=("the nearest there are:", *lines),
        )


def _reached(requirement: Requirement) -> list[tuple[str, str]]:
    """An extra that does not exist leads nowhere: packages do ask for such, and pip only warns."""
    name = canonicalize_name(requirement.name)
    return [(name, extra) for extra in ("", *sorted(extras_of(requirement)))]


def _misfit(file: LockedFile, ranks: Iterable[Tag], combination: Combination) -> tuple[int, int, str, str]:
    """Returns how far a wheel is from fitting (first by kind, then by libc levels), its name, and why."""
    its_tags = sorted(parse_wheel_filename(file.name)[3], key=str)
    distance, levels, reasons = 0, 0, []
    if not {(tag.interpreter, tag.abi) for tag in its_tags} & {(tag.interpreter, tag.abi) for tag in ranks}:
        distance += 2
        reasons.append(f"is for {its_tags[0].interpreter}-{its_tags[0].abi}")
    if not {tag.platform for tag in its_tags} & {tag.platform for tag in ranks}:
        series, newest = combination.libc_version
        level = re.compile(rf"{_LEVELS[series]}_([0-9]+)_{combination.machine}")
        needed = [int(match[1]) for tag in its_tags if (match := level.fullmatch(tag.platform))]
        if needed:
            distance, levels = distance + 1, min(needed) - newest
            reasons.append(f"needs {series}.{min(needed)}")
        else:
            distance += 4
            reasons.append(f"is for {its_tags[0].platform}")
    return distance, levels, file.name, ", ".join(reasons)
