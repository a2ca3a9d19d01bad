"""A lock and what it has to cover -> the lock that does.

What is covered already is not resolved again: an index moves, and a lock only
when somebody wants it to. What has to be resolved keeps the versions that are
locked as far as they can be kept. What nobody needs is left out.

Absent: how versions are chosen; that is the `Resolver`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from packaging.utils import canonicalize_name

from lambdabuild.errors import ActionFailed, UserError, did_you_mean
from lambdabuild.python.lock import BuildLock, Lock, LockedPackage
from lambdabuild.python.lock_plan import Plan, held
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import parse_requirement

Versions = Mapping[str, str]
"""Name -> version, of packages that are to stay as they are."""


class Resolver(Protocol):
    """Chooses versions and files. Both raise ActionFailed where there is no solution.

    constraints: requirements on packages, if they are needed at all.
    """

    def packages(
        self, combination: Combination, requirements: Sequence[str], constraints: Sequence[str]
    ) -> Iterable[LockedPackage]: ...

    def build_packages(
        self, requires: Sequence[str], constraints: Sequence[str]
    ) -> Iterable[LockedPackage]: ...


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What need not stay: packages by name, normalised, or everything."""

    names: frozenset[str] = frozenset()
    everything: bool = False

    @classmethod
    def of(cls, names: Iterable[str], lock: Lock, *, everything: bool = False) -> Upgrade:
        """Returns the upgrade; raises UserError for a name that `lock` does not have."""
        packages = [*lock.packages, *(each for build in lock.builds for each in build.packages)]
        known = {each.name for each in packages}
        wanted = frozenset(canonicalize_name(name) for name in names)
        for name in sorted(wanted - known):
            raise UserError(
                f"python.lock has no {name} that could be upgraded",
                hint=did_you_mean(name, sorted(known))
                or "lambdabuild lock takes up new requirements by itself",
            )
        return cls(wanted, everything)


def update(
    lock: Lock,
    plan: Plan,
    resolver: Resolver,
    *,
    upgrade: Upgrade = Upgrade(),
    say: Callable[[str], None] = lambda text: None,
) -> Lock:
    """Returns a lock that covers exactly `plan`; equal to `lock` if that does, and nothing is to be upgraded.

    say: gets what is being done.
    """
    return _Update(lock, plan, resolver, upgrade, say).run()


class _Update:
    def __init__(
        self, lock: Lock, plan: Plan, resolver: Resolver, upgrade: Upgrade, say: Callable[[str], None]
    ) -> None:
        self._lock, self._plan, self._resolver = lock, plan, resolver
        self._upgrade, self._say = upgrade, say

    def run(self) -> Lock:
        wanted = self._plan.on(self._lock)
        every = self._plan.all_requirements
        resolved = {at: self._packages(at, requirements) for at, requirements in wanted.items()}
        merged = Lock.merged(every, resolved)
        # Together they may have a better file for one combination than it had alone.
        resolved = {at: held(merged, at, requirements) for at, requirements in wanted.items()}
        sources = {each.build for packages in resolved.values() for each in packages if each.build}
        builds = [self._build(requires) for requires in sorted({*self._plan.builds, *sources})]
        return Lock.merged(every, resolved, builds)

    # --- the packages of images ---

    def _packages(self, combination: Combination, requirements: Sequence[str]) -> tuple[LockedPackage, ...]:
        if not requirements:
            return ()
        kept = self._kept(combination, requirements)
        if kept is not None:
            return kept
        versions = _unambiguous(self._lock.packages)
        if combination in self._lock.combinations:
            versions = {name: each.version for name, each in self._lock.at(combination).items()}

        def resolve(constraints: Versions) -> tuple[LockedPackage, ...]:
            self._say(f"resolving for {combination}")
            found = self._resolver.packages(combination, requirements, _texts(constraints))
            return held(Lock.of([combination], requirements, found), combination, requirements)

        return self._resolve(resolve, requirements, self._lock.packages, versions)

    def _kept(
        self, combination: Combination, requirements: Sequence[str]
    ) -> tuple[LockedPackage, ...] | None:
        """Returns what is locked, if it covers the requirements and may stay."""
        if self._upgrade.everything or combination not in self._lock.combinations:
            return None
        try:
            found = held(self._lock, combination, requirements)
        except UserError:
            return None
        return None if self._upgrade.names & {each.name for each in found} else found

    # --- build environments ---

    def _build(self, requires: tuple[str, ...]) -> BuildLock:
        packages = [each for build in self._lock.builds for each in build.packages]
        versions = _unambiguous(packages)
        for build in self._lock.builds:
            if build.requires == requires:
                versions = {each.name: each.version for each in build.packages}
                if not self._upgrade.everything and not self._upgrade.names & versions.keys():
                    return build

        def resolve(constraints: Versions) -> tuple[LockedPackage, ...]:
            self._say(f"resolving the build requirements {', '.join(requires)}")
            return tuple(self._resolver.build_packages(requires, _texts(constraints)))

        return BuildLock.of(requires, self._resolve(resolve, requires, packages, versions))

    # --- both ---

    def _resolve(
        self,
        resolve: Callable[[Versions], tuple[LockedPackage, ...]],
        requirements: Sequence[str],
        packages: Iterable[LockedPackage],
        versions: Versions,
    ) -> tuple[LockedPackage, ...]:
        """Returns what `resolve` gives while as many of the locked `versions` stay as can.

        packages: the locked ones, which say what hangs together.
        """
        if self._upgrade.everything:
            return resolve({})
        names = self._upgrade.names & versions.keys()
        stay = _satisfying(_without(versions, names), requirements)
        loose = _reached(packages, (versions.keys() - stay.keys()))
        fewer = _without(stay, loose)
        found = self._first_solution(resolve, [stay, fewer, {}])
        moved = any(versions[each.name] != each.version for each in found if each.name in names)
        if not names or moved or fewer == stay:
            return found
        # What they require may hold them back, and is upgraded with them if that is so.
        try:
            further = resolve(fewer)
        except ActionFailed:
            return found
        moved = any(versions[each.name] != each.version for each in further if each.name in names)
        return further if moved else found

    def _first_solution(
        self, resolve: Callable[[Versions], tuple[LockedPackage, ...]], attempts: Iterable[Versions]
    ) -> tuple[LockedPackage, ...]:
        first, *others = (versions for versions, _ in groupby(attempts))
        try:
            return resolve(first)
        except ActionFailed:
            if not others:
                raise
        self._say(f"the locked versions cannot all be kept: {'fewer' if others[0] else 'none'} of them are")
        return self._first_solution(resolve, others)


def _unambiguous(packages: Iterable[LockedPackage]) -> dict[str, str]:
    """Returns the versions of those that are locked in one version only."""
    found: dict[str, set[str]] = {}
    for each in packages:
        found.setdefault(each.name, set()).add(each.version)
    return {name: next(iter(versions)) for name, versions in found.items() if len(versions) == 1}


def _without(versions: Versions, names: Collection[str]) -> Versions:
    return {name: version for name, version in versions.items() if name not in names}


def _satisfying(versions: Versions, requirements: Iterable[str]) -> Versions:
    """Returns those that no requirement excludes by itself."""
    excluded = set()
    for text in requirements:
        requirement = parse_requirement(text)
        name = canonicalize_name(requirement.name)
        if name in versions and not requirement.specifier.contains(versions[name], prereleases=True):
            excluded.add(name)
    return _without(versions, excluded)


def _reached(packages: Iterable[LockedPackage], names: Iterable[str]) -> set[str]:
    """Returns `names`, and those of all that these require, whatever the markers say."""
    edges: dict[str, set[str]] = {}
    for each in packages:
        required = {canonicalize_name(parse_requirement(text).name) for text in each.requires}
        edges.setdefault(each.name, set()).update(required)
    found: set[str] = set()
    pending = [*names]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += edges.get(name, ())
    return found


def _texts(versions: Versions) -> list[str]:
    return [f"{name}=={version}" for name, version in sorted(versions.items())]
