"""A .dockerignore, as patterns that a glob leaves out.

lambdabuild does not look at .dockerignore: what is declared is what counts. So
what it keeps out of a directory that is copied whole, the glob has to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lambdabuild.errors import Location
from lambdabuild.migrating.runs import InTheWayError
from lambdabuild.sources import Kind, View

FILE_NAME = ".dockerignore"
_NEVER_ENTERED = {
    ".git",
    ".venv",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    "__pycache__",
    "node_modules",
}


@dataclass(frozen=True, slots=True)
class Ignored:
    """What a .dockerignore leaves out.

    context:  the directory that it is in.
    patterns: relative to that, without slashes at their ends.
    refusal:  why its patterns cannot be patterns of a glob, or None.
    """

    context: str = ""
    patterns: tuple[str, ...] = ()
    refusal: InTheWayError | None = None

    def below(self, directory: str, prefix: str) -> tuple[str, ...]:
        """Returns the patterns that concern `directory` of the workspace, each after `prefix`.

        Raises InTheWayError if they cannot be said.
        """
        if self.refusal:
            raise self.refusal
        inner = directory[len(self.context) :].strip("/")
        found = [rest for each in self.patterns for rest in _rest(each, inner.split("/") if inner else [])]
        said = [f"{each}{more}" for each in found for more in ("", "/**")]
        return tuple(sorted({f"{prefix}/{each}" if prefix else each for each in said}))


def read_ignored(view: View, context: str) -> Ignored:
    """Returns what the .dockerignore in `context` says; nothing if there is none."""
    path = f"{context}/{FILE_NAME}" if context else FILE_NAME
    if view.kind(path) is not Kind.FILE:
        return Ignored(context)
    patterns: list[str] = []
    for number, line in enumerate(view.read(path).decode(errors="replace").splitlines(), 1):
        pattern = line.strip().strip("/").removeprefix("./")
        if not pattern or pattern.startswith("#"):
            continue
        parts = pattern.split("/")
        if pattern.startswith("!") or any(
            ("**" in part and part != "**") or part in ("", ".", "..") for part in parts
        ):
            at = Location(path, number)
            return Ignored(context, refusal=InTheWayError(f"{pattern!r} cannot be said of a glob", at=at))
        if not _NEVER_ENTERED & set(parts) and not any("[" in part for part in parts):
            patterns.append(pattern)
    return Ignored(context, tuple(patterns))


def _rest(pattern: str, inner: Sequence[str]) -> Iterator[str]:
    """Yields what is left of a pattern below the directory with the parts `inner`, if anything is."""
    parts = pattern.split("/")
    for index, name in enumerate(inner):
        if index >= len(parts):
            return
        if parts[index] == "**":
            yield "/".join(parts[index:])
            return
        if not fnmatchcase(name, parts[index]):
            return
    if len(parts) > len(inner):
        yield "/".join(parts[len(inner) :])
