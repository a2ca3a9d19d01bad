"""The files of the context against what COPY and ADD take: what is missing, and what is there in vain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from lambdabuild.dockerfile.go_match import BadPattern, matches
from lambdabuild.dockerfile.model import BuildPlan, Copy
from lambdabuild.errors import Location, UserError


class MissingSource(UserError):
    """A COPY or ADD takes what the context does not have.

    source: the path or pattern, relative to the context.
    """

    def __init__(self, copy: Copy, source: str, at: Location) -> None:
        super().__init__(
            f"{copy.command} takes {source or '.'!r}, which no declared source provides",
            at=at,
            hint=f"add {source!r} to srcs",
        )
        self.source = source


def check_context(
    plan: BuildPlan, paths: Collection[str], exists: Callable[[str], bool] = lambda pattern: True
) -> tuple[str, ...]:
    """Returns those of `paths`, the files of the context, that no COPY or ADD takes, sorted.

    exists: tells whether a pattern would match something that is not declared. One that would not,
            beside a source that is there, is how people write "if there is one", which BuildKit allows.

    Raises MissingSource at the line of a source that no path provides.
    """
    every = _with_directories(paths)
    taken: set[str] = set()
    for copy in plan.copies:
        at = Location(plan.path, copy.line)
        found = [_taken(source, every, at) for source in copy.sources]
        for source, each in zip(copy.sources, found, strict=True):
            if not each and not (any(found) and _is_pattern(source) and not exists(source)):
                raise MissingSource(copy, source, at)
        taken.update(*found)
    return tuple(sorted(path for path in paths if not taken.intersection(_above(path))))


def _taken(source: str, every: Iterable[str], at: Location) -> set[str]:
    """Returns the files and directories that a source names; a directory means all below it."""
    if not _is_pattern(source):
        return {source} & set(every)
    try:
        return {path for path in every if path and matches(source, path)}
    except BadPattern:
        raise UserError(
            f"{source[:120]!r} is no pattern: a bracket or a backslash does not end",
            at=at,
            hint="write [ab], [^ab] or [a-z]; a backslash takes the meaning from what follows it",
        ) from None


def _is_pattern(source: str) -> bool:
    return any(char in source for char in "*?[\\")


def _with_directories(paths: Iterable[str]) -> frozenset[str]:
    """Returns the paths and their directories; "" is the context itself, if it has anything."""
    return frozenset(above for path in paths for above in _above(path))


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts) + 1)]
