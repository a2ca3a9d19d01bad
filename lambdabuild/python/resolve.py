"""Requirements -> locked packages, with versions and files that pex chose.

What pex does not tell is added: sizes, extras that bring nothing, and what
source distributions are built with.

Absent: keeping what was locked before; see relock.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from packaging.utils import canonicalize_name

from lambdabuild.errors import ActionFailed
from lambdabuild.python.index import Index
from lambdabuild.python.lock import Lock, LockedFile, LockedPackage
from lambdabuild.python.metadata import build_requires, extras
from lambdabuild.python.pex import Found, lock_for, lock_for_hosts
from lambdabuild.python.platforms import Combination
from lambdabuild.python.requirements import extras_of, parse_requirement

_LOOKUPS = 8  # at a time
_T = TypeVar("_T")


class PexResolver:
    """Resolves with pex, and the package index that `index` asks as well.

    host:    gives the combination of the Python that runs this, or None: for what
             serves it, packages without wheels may be built.
    known:   a lock whose files need not be looked up again.
    environ: of pex's process; that of this one if None.
    """

    def __init__(
        self,
        index: Index,
        *,
        host: Callable[[], Combination | None] = lambda: None,
        known: Lock | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._index, self._host, self._environ = index, host, environ
        self._sizes: dict[tuple[str, str], int] = {}
        if known:
            built = [each for build in known.builds for each in build.packages]
            for each in (*known.packages, *built):
                self._sizes |= {(file.name, file.sha256): file.size for file in each.files}

    def packages(
        self, combination: Combination, requirements: Sequence[str], constraints: Sequence[str]
    ) -> list[LockedPackage]:
        """Returns what `requirements` are resolved to for one combination.

        Raises ActionFailed with pip's words where there is no solution.
        """
        found = self._locked(self._found(combination, requirements, constraints))
        return [self._with_build(each) for each in self._with_extras(found, requirements)]

    def build_packages(self, requires: Sequence[str], constraints: Sequence[str]) -> list[LockedPackage]:
        """Returns what build requirements are resolved to, for all machines that can build."""
        found = self._locked(lock_for_hosts(requires, constraints, environ=self._environ))
        return self._with_extras(found, requires)

    def _found(
        self, combination: Combination, requirements: Sequence[str], constraints: Sequence[str]
    ) -> list[Found]:
        """Source distributions are the last resort: then a resolve is slow, and runs foreign code."""
        try:
            return lock_for(combination, requirements, constraints, environ=self._environ)
        except ActionFailed:
            host = self._host()
            if host is None or not combination.serves(host):
                raise
        return lock_for(combination, requirements, constraints, sources=True, environ=self._environ)

    def _locked(self, found: Iterable[Found]) -> list[LockedPackage]:
        with ThreadPoolExecutor(_LOOKUPS) as pool:
            return [self._package(each, pool) for each in found]

    def _package(self, found: Found, pool: ThreadPoolExecutor) -> LockedPackage:
        wheels = [each for each in found.files if each[0].endswith(".whl")]

        def locked(file: tuple[str, str]) -> LockedFile:
            size = self._sizes.get(file) or self._index.size_of(found.name, *file)
            return LockedFile.of(file[0], size, file[1])

        files = pool.map(locked, wheels or found.files)
        return LockedPackage.of(found.name, found.version, files, requires=found.requires)

    def _with_extras(
        self, packages: Iterable[LockedPackage], requirements: Iterable[str]
    ) -> list[LockedPackage]:
        """Adds the extras that bring nothing, where `requirements` ask for one that nothing shows."""
        asked: dict[str, set[str]] = {}
        for text in requirements:
            requirement = parse_requirement(text)
            asked.setdefault(canonicalize_name(requirement.name), set()).update(extras_of(requirement))
        return [
            self._with_all_extras(each) if asked.get(each.name, set()) - each.provides else each
            for each in packages
        ]

    def _with_all_extras(self, package: LockedPackage) -> LockedPackage:
        unseen = self._read(package, extras) - package.provides
        return replace(package, extras=tuple(sorted(unseen)))

    def _with_build(self, package: LockedPackage) -> LockedPackage:
        if package.files[0].is_wheel:
            return package
        return replace(package, build=self._read(package, build_requires))

    def _read(self, package: LockedPackage, read: Callable[[Path], _T]) -> _T:
        """Returns what `read` finds in the package's first file."""
        file = package.files[0]
        with tempfile.TemporaryDirectory(prefix="lambdabuild-lock-") as directory:
            path = Path(directory) / file.name
            self._index.fetch(package.name, file.name, file.size, file.sha256, path, lambda: None)
            return read(path)
