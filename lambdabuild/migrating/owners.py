"""Which BUILD file the files of a workspace belong to, with those that are going to be written."""

from __future__ import annotations

from collections.abc import Iterable


class Owners:
    """The directories that are packages, or will be."""

    def __init__(self, directories: Iterable[str]) -> None:
        self._directories = set(directories)

    def of(self, path: str) -> str:
        """Returns the package of the file at `path`; its own directory becomes one where there is none."""
        package = self.above(path)
        if package is None:
            package = path.rpartition("/")[0]
            self._directories.add(package)
        return package

    def above(self, path: str) -> str | None:
        """Returns the package in which `path` lies, or None."""
        while path:
            path = path.rpartition("/")[0]
            if path in self._directories:
                return path
        return None

    def below(self, directory: str) -> list[str]:
        """Returns the packages in `directory` and below, sorted."""
        prefix = f"{directory}/" if directory else ""
        return sorted(each for each in self._directories if each == directory or each.startswith(prefix))

    def label(self, path: str, package: str) -> str:
        """Returns how the BUILD file of `package` names the file at `path`."""
        owner = self.of(path)
        name = path[len(owner) + 1 :] if owner else path
        return name if owner == package else f"//{owner}:{name}"
