"""The first-party packages that images can install: where they are, and which bring which."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FirstParty:
    """All python_package targets, those that are there and those to be written.

    directories: normalised name -> directory of its pyproject.toml.
    labels:      directory -> label of the target.
    requires:    directory -> directories of the packages that it requires itself.
    """

    directories: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    requires: Mapping[str, Collection[str]] = field(default_factory=dict)

    def needless(self, directories: Collection[str]) -> set[str]:
        """Returns those of `directories` that others of them bring: they need not be named.

        Of packages that require each other, the first is named.
        """
        dropped: set[str] = set()
        for each in sorted(directories, reverse=True):
            others = [other for other in directories if other != each and other not in dropped]
            if any(each in self._closure(other) for other in others):
                dropped.add(each)
        return dropped

    def _closure(self, directory: str) -> set[str]:
        found: set[str] = set()
        todo = [directory]
        while todo:
            new = set(self.requires.get(todo.pop(), ())) - found
            found |= new
            todo.extend(new)
        return found
