"""Requirements -> the locked files that satisfy them, on one system.

The closure over the lock's edges, with markers and extras evaluated for the
system, as pip would install them: an edge of an extra counts once somebody
asks for that extra. Cycles are fine. Each package gets the one file that
`systems.best_wheel` says.

Absent: resolving (the lock did that), fetching and installing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lambdabuild.errors import UserError, did_you_mean
from lambdabuild.python.lock import BuildLock, Lock, LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import applies, extras_of, normalised, parse_requirement
from lambdabuild.python.systems import System, best_wheel, host_system, misfits, system_of

LOCK_HINT = "lambdabuild lock"


@dataclass(frozen=True, slots=True)
class LockedWheel:
    """What is installed of a package. file: a wheel, or where allowed a source distribution."""

    name: str
    version: str
    file: LockedFile


def select(lock: Lock, requirements: Iterable[str], combination: Combination) -> tuple[LockedWheel, ...]:
    """Returns what `Selector.select` does; for several questions keep the Selector."""
    return Selector(lock, combination).select(requirements)


def select_for_host(build: BuildLock) -> tuple[LockedWheel, ...]:
    """Returns the wheels of a build environment, by name, for the Python that runs this.

    Raises UserError for a package that has no wheel which fits this machine.
    """
    system = host_system()

    def choose(package: LockedPackage) -> LockedFile:
        if file := best_wheel(package, system):
            return file
        if not any(file.is_wheel for file in package.files):
            raise UserError(
                f"{package} has no wheel, and build requirements need wheels",
                hint=f"require a version of {package.name} that has wheels, or put a wheel on your package "
                f"index; then: {LOCK_HINT}",
                details=tuple(file.name for file in package.files),
            )
        raise _nothing_fits(package, system)

    closure = _Closure({each.name: each for each in build.packages}, system, choose)
    return closure.select(build.requires, by="[build-system]")


class Selector:
    """Answers for one lock and one combination, and remembers what it worked out."""

    def __init__(self, lock: Lock, combination: Combination, *, sdists: bool = False) -> None:
        """Raises UserError if the lock was resolved for nothing that serves `combination`.

        What the lock was resolved for decides on markers and wheels, so that the
        choice is the same on all that it serves.

        sdists: whether a package without a fitting wheel gives its source
                distribution; only where `combination` is the building machine's own.
        """
        locked = lock.serving(combination)
        if locked is None:
            raise UserError(
                f"python.lock was not resolved for {combination}",
                hint=LOCK_HINT,
                details=tuple(f"it was resolved for {each}" for each in lock.combinations),
            )
        self._sdists = sdists
        self._covered = frozenset(lock.requirements)
        self._forms: dict[str, str] = {}
        self._system = system_of(locked)
        self._closure = _Closure(lock.at(locked), self._system, self._best)

    def select(self, requirements: Iterable[str]) -> tuple[LockedWheel, ...]:
        """Returns what the requirements need, by name.

        Raises UserError for a requirement that is malformed or not covered by the
        lock, an extra that its package does not have, a locked version that does
        not satisfy a requirement, and a package without a file that fits.
        """
        return self._closure.select([self._form(text) for text in requirements], by="the workspace")

    def _form(self, text: str) -> str:
        """Returns the normal form of a requirement that the lock covers."""
        if text not in self._forms:
            form = normalised(text)
            if form not in self._covered:
                raise UserError(f"python.lock does not cover the requirement {form}", hint=LOCK_HINT)
            self._forms[text] = form
        return self._forms[text]

    def _best(self, package: LockedPackage) -> LockedFile:
        if file := best_wheel(package, self._system):
            return file
        sources = [file for file in package.files if not file.is_wheel]
        if self._sdists and sources:
            return sources[0]
        if len(sources) == len(package.files):
            raise UserError(
                f"{package} has no wheel, and its source distribution can be built for {self._system.name} "
                "only on such a system: source distributions are built for the host's own platform only",
                hint=f"require a version of {package.name} that has wheels, or put a wheel on your package "
                f"index; then: {LOCK_HINT}",
                details=tuple(file.name for file in package.files),
            )
        raise _nothing_fits(package, self._system)


class _Closure:
    """What requirements lead to among some packages; remembers what it worked out.

    packages: by name.
    choose:   package -> the file that is taken of it; may raise UserError.
    """

    def __init__(
        self,
        packages: Mapping[str, LockedPackage],
        system: System,
        choose: Callable[[LockedPackage], LockedFile],
    ) -> None:
        self._packages = packages
        self._system = system
        self._choose = choose
        self._roots: dict[str, list[tuple[str, str]]] = {}
        self._edges: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self._chosen: dict[str, LockedWheel] = {}

    def select(self, requirements: Iterable[str], by: str) -> tuple[LockedWheel, ...]:
        """Returns what `requirements`, in normal form, need, by name. by: who requires them."""
        pending: list[tuple[str, str]] = []
        for text in sorted({*requirements}):
            if text not in self._roots:
                self._roots[text] = self._root(text, by)
            pending += self._roots[text]
        seen: set[tuple[str, str]] = set()
        while pending:
            node = pending.pop()
            if node not in seen:
                seen.add(node)
                pending += self._followed(node)
        return tuple(self._wheel(name) for name in sorted({name for name, _ in seen}))

    def _root(self, text: str, by: str) -> list[tuple[str, str]]:
        """Returns the (package, extra) pairs that a requirement leads to; "" is the package itself."""
        requirement = parse_requirement(text)
        if not applies(requirement, self._system.environment("")):
            return []
        package = self._package(requirement, by)
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
            environment = self._system.environment(extra)
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
                f"python.lock has no {name} for {self._system.name}, and {by} requires it", hint=LOCK_HINT
            )
        if not requirement.specifier.contains(package.version, prereleases=True):
            raise UserError(
                f"python.lock has {package}, and {by} requires {name}{requirement.specifier}", hint=LOCK_HINT
            )
        return package

    def _wheel(self, name: str) -> LockedWheel:
        if name not in self._chosen:
            package = self._packages[name]
            self._chosen[name] = LockedWheel(name, package.version, self._choose(package))
        return self._chosen[name]


def _reached(requirement: Requirement) -> list[tuple[str, str]]:
    """An extra that does not exist leads nowhere: packages do ask for such, and pip only warns."""
    name = canonicalize_name(requirement.name)
    return [(name, extra) for extra in ("", *sorted(extras_of(requirement)))]


def _nothing_fits(package: LockedPackage, system: System) -> UserError:
    name = package.name
    hint = f"require another version of {name}; then: {LOCK_HINT}"
    if system.combination:
        hint = f"take a base that fits one of them, or {hint}"
    return UserError(
        f"no wheel of {package} fits {system.name}",
        hint=hint,
        details=("the nearest there are:", *misfits(package, system)),
    )
