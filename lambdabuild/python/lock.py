"""What a lock says: for which systems, for which requirements, and exactly which files.

A lock is a value in one canonical form: what `of` makes is normalised, sorted and
consistent, so equal locks are equal files (lock_file prints and parses them).

Absent: resolving. Another tool does that once for each combination, and
`Lock.merged` puts the results together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from packaging.version import Version

from lambdabuild.errors import UserError
from lambdabuild.python.build_lock import BuildLock
from lambdabuild.python.locked import LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import normalised

__all__ = ["BuildLock", "Lock", "LockedFile", "LockedPackage"]


@dataclass(frozen=True, slots=True)
class Lock:
    """What python.lock says.

    combinations: that it was resolved for, sorted.
    requirements: that it was resolved for, in normal form, sorted.
    packages:     by name, version and combinations; for each name and combination
                  there is at most one.
    builds:       by their requirements, which are all different.
    """

    combinations: tuple[Combination, ...]
    requirements: tuple[str, ...]
    packages: tuple[LockedPackage, ...]
    builds: tuple[BuildLock, ...] = ()

    @classmethod
    def of(
        cls,
        combinations: Iterable[Combination],
        requirements: Iterable[str],
        packages: Iterable[LockedPackage],
        builds: Iterable[BuildLock] = (),
    ) -> Lock:
        """Returns the lock in canonical form; raises UserError for contradictions."""
        every = tuple(sorted(set(combinations)))
        held = [replace(each, combinations=_brief(each, every)) for each in packages]
        held.sort(key=lambda each: (each.name, Version(each.version), each.combinations))
        covered = tuple(sorted({normalised(text) for text in requirements}))
        lock = cls(every, covered, tuple(held), _sorted_builds(builds))
        for combination in every:
            lock.at(combination)
        return lock

    @classmethod
    def merged(
        cls,
        requirements: Iterable[str],
        resolved: Mapping[Combination, Iterable[LockedPackage]],
        builds: Iterable[BuildLock] = (),
    ) -> Lock:
        """Returns one lock of what was resolved for each combination on its own.

        Entries that differ in their files alone become one, with all the files.
        """
        groups: dict[tuple[str, str, tuple[str, ...]], list[tuple[Combination, LockedPackage]]] = {}
        for combination, packages in resolved.items():
            for each in packages:
                groups.setdefault((each.name, each.version, each.requires), []).append((combination, each))
        entries = (
            LockedPackage.of(
                name,
                version,
                {file for _, each in group for file in each.files},
                requires=requires,
                extras={extra for _, each in group for extra in each.extras},
                combinations=[combination for combination, _ in group],
                build=max(each.build for _, each in group),  # none, for those that have a wheel
            )
            for (name, version, requires), group in groups.items()
        )
        return cls.of(resolved, requirements, entries, builds)

    def at(self, combination: Combination) -> dict[str, LockedPackage]:
        """Returns name -> package for one combination, which must be one of the lock's."""
        found: dict[str, LockedPackage] = {}
        for each in self.packages:
            if each.combinations and combination not in each.combinations:
                continue
            if other := found.get(each.name):
                raise UserError(f"both {other} and {each} are locked for {combination}")
            found[each.name] = each
        return found

    def serving(self, combination: Combination) -> Combination | None:
        """Returns the lock's combination whose packages run on `combination`, the nearest, or None.

        Wheels for a C library run on all later ones of its series, so that is the
        one with the greatest version which is not above.
        """
        return max((each for each in self.combinations if each.serves(combination)), default=None)

    def uncovered(self, requirements: Iterable[str]) -> tuple[str, ...]:
        """Returns those of `requirements`, in normal form and sorted, that it was not resolved for.

        Nothing is resolved: they must be the same in normal form.
        """
        return tuple(sorted({normalised(text) for text in requirements} - {*self.requirements}))

    def build(self, requires: Iterable[str]) -> BuildLock:
        """Returns what the build requirements `requires` were resolved to.

        Raises UserError if they were not: they must be the same in normal form.
        """
        wanted = tuple(sorted({normalised(text) for text in requires}))
        for each in self.builds:
            if each.requires == wanted:
                return each
        raise UserError(
            f"python.lock does not cover the build requirements {', '.join(wanted)}", hint="lambdabuild lock"
        )


def _brief(package: LockedPackage, every: tuple[Combination, ...]) -> tuple[Combination, ...]:
    """Returns the package's combinations, or none if they are all there are."""
    for combination in package.combinations:
        if combination not in every:
            raise UserError(f"{package} is locked for {combination}, and the lock is not")
    return () if package.combinations == every else package.combinations


def _sorted_builds(builds: Iterable[BuildLock]) -> tuple[BuildLock, ...]:
    held: dict[tuple[str, ...], BuildLock] = {}
    for each in builds:
        if held.setdefault(each.requires, each) != each:
            raise UserError(f"the build requirements {each} are locked twice, and not to the same")
    return tuple(held[requires] for requires in sorted(held))
