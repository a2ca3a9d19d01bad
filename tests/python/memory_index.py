"""A package index that is a table, and a resolver that is a search: for laws that take many resolutions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.version import Version

from lambdabuild.errors import ActionFailed
from lambdabuild.python.locked import LockedPackage
from lambdabuild.python.platforms import Combination, marker_environment
from tests.python.test_lock import package

Releases = Mapping[str, Mapping[str, Sequence[str]]]
"""Name -> version -> what it requires."""


class MemoryIndex:
    """Takes the newest versions that fit together, name by name. calls: what it was asked for."""

    def __init__(self, releases: Releases) -> None:
        self._releases = releases
        self.calls: list[tuple[str, ...]] = []

    def packages(
        self, combination: Combination, requirements: Sequence[str], constraints: Sequence[str]
    ) -> list[LockedPackage]:
        self.calls.append((str(combination), *requirements))
        return self._solved(requirements, constraints, marker_environment(combination))

    def build_packages(self, requires: Sequence[str], constraints: Sequence[str]) -> list[LockedPackage]:
        self.calls.append(tuple(requires))
        return self._solved(requires, constraints, {"extra": "", "python_version": "3.12"})

    def _solved(
        self, requirements: Iterable[str], constraints: Iterable[str], environment: Mapping[str, str]
    ) -> list[LockedPackage]:
        limits = [Requirement(text) for text in constraints]
        wanted = [Requirement(text) for text in requirements]
        for chosen in self._solutions(wanted, limits, {}, environment):
            return [
                package(name, *self._releases[name][version], version=version)
                for name, version in chosen.items()
            ]
        raise ActionFailed("no solution", details=tuple(map(str, constraints)))

    def _solutions(
        self,
        wanted: Sequence[Requirement],
        limits: Sequence[Requirement],
        chosen: dict[str, str],
        environment: Mapping[str, str],
    ) -> Iterator[dict[str, str]]:
        every = [each for each in wanted if not each.marker or each.marker.evaluate({**environment})]
        for each in every:
            if each.name in chosen and not each.specifier.contains(chosen[each.name], prereleases=True):
                return
        name = next((each.name for each in every if each.name not in chosen), None)
        if name is None:
            yield chosen
            return
        for version in sorted(self._releases.get(name, ()), key=Version, reverse=True):
            fits = (each.specifier.contains(version) for each in (*every, *limits) if each.name == name)
            if all(fits):
                more = [Requirement(text) for text in self._releases[name][version]]
                yield from self._solutions([*every, *more], limits, {**chosen, name: version}, environment)
