"""What a lock has to cover, and whether it does.

    requirements  of every image, for the system that the image is
    builds        the [build-system] requires of packages that are built

Absent: resolving; see relock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lambdabuild.errors import UserError
from lambdabuild.python.lock import Lock, LockedPackage
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import normalised
from lambdabuild.python.selection import Selector


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted of a lock.

    requirements: for each combination, in normal form, sorted.
    exact:        the combinations that the lock must name; others may be served by
                  one that it names already.
    builds:       sets of build requirements, each in normal form and sorted; sorted.
    """

    requirements: Mapping[Combination, tuple[str, ...]]
    exact: frozenset[Combination] = frozenset()
    builds: tuple[tuple[str, ...], ...] = ()

    @property
    def all_requirements(self) -> tuple[str, ...]:
        return tuple(sorted({text for texts in self.requirements.values() for text in texts}))

    def on(self, lock: Lock) -> dict[Combination, tuple[str, ...]]:
        """Returns what is to be resolved for which combination, given a lock that names some already."""
        found: dict[Combination, set[str]] = {}
        for combination, texts in self.requirements.items():
            served = None if combination in self.exact else lock.serving(combination)
            found.setdefault(served or combination, set()).update(texts)
        return {combination: tuple(sorted(found[combination])) for combination in sorted(found)}


def plan_of(
    asked: Iterable[tuple[Combination, Iterable[str]]],
    builds: Iterable[Iterable[str]],
    extra_combinations: Iterable[Combination],
) -> Plan:
    """Returns what a lock has to cover; raises UserError for malformed requirements.

    asked:              what images require, and for which system.
    builds:             the build requirements of packages.
    extra_combinations: what the lock is for besides; each gets the requirements of
                        all. What they serve is not resolved on its own.
    """
    exact = frozenset(extra_combinations)
    named = Lock.of(exact, (), ())
    wanted: dict[Combination, set[str]] = {combination: set() for combination in exact}
    every: set[str] = set()
    for combination, texts in asked:
        forms = {normalised(text) for text in texts}
        every |= forms
        wanted.setdefault(named.serving(combination) or combination, set()).update(forms)
    for combination in exact:
        wanted[combination] |= every
    sets = {tuple(sorted({normalised(text) for text in requires})) for requires in builds}
    return Plan(
        {combination: tuple(sorted(wanted[combination])) for combination in sorted(wanted)},
        exact,
        tuple(sorted(sets - {()})),
    )


def held(lock: Lock, combination: Combination, requirements: Iterable[str]) -> tuple[LockedPackage, ...]:
    """Returns the packages that `requirements` need, each with the one file that is taken of it.

    combination: one of the lock's. Raises UserError for what the lock does not cover.
    """
    packages = lock.at(combination)
    found = []
    for chosen in Selector(lock, combination, sdists=True).select(requirements):
        package = packages[chosen.name]
        build = () if chosen.file.is_wheel else package.build
        found.append(replace(package, files=(chosen.file,), combinations=(), build=build))
    return tuple(found)


def uncovered(lock: Lock, plan: Plan) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the names of what `lock` does not cover, and why not where a name does not tell."""
    names = [str(each) for each in plan.requirements if not _is_named(lock, plan, each)]
    names += lock.uncovered(plan.all_requirements)
    reasons: list[str] = []
    builds = {*plan.builds}
    for combination, requirements in plan.on(lock).items():
        covered = [text for text in requirements if text in lock.requirements]
        if combination in lock.combinations:
            try:
                builds |= {each.build for each in held(lock, combination, covered) if each.build}
            except UserError as error:
                names.append(f"all that is needed for {combination}")
                reasons.append(error.message)
    known = {each.requires for each in lock.builds}
    names += [f"the build requirements {', '.join(each)}" for each in sorted(builds - known)]
    return tuple(names), tuple(reasons)


def _is_named(lock: Lock, plan: Plan, combination: Combination) -> bool:
    if combination in plan.exact:
        return combination in lock.combinations
    return lock.serving(combination) is not None
