"""What every view of the workspace's files offers, and what all views have in common.

Paths are workspace-relative with "/" between parts; "" is the root. A symlink
counts as what it leads to, link by link, and must not leave the workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from pathlib import Path
from typing import Protocol

from lambdabuild.digest import Digest
from lambdabuild.errors import UserError
from lambdabuild.tree import FileNode

MAX_LINKS = 40

BUILD_FILES = ("BUILD.lambda", "BUILD")
"""Names of the file that makes a directory a package; the first one wins."""

OUTLINED = frozenset({*BUILD_FILES, "WORKSPACE.toml", "pyproject.toml"})
"""Names that say of a directory what it is."""


class Kind(Enum):
    """What a directory entry is, links not followed."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


class SourceError(UserError):
    """A source cannot be used: missing, unreadable, no regular file, or outside the workspace."""


class View(Protocol):
    """The files of a workspace, read at most once each while this object lives.

    root: where the workspace lies, absolute; absolute links count as seen from there.
    """

    @property
    def root(self) -> Path: ...

    def __hash__(self) -> int:
        """Returns what tells views apart: each is itself alone."""

    @property
    def listings(self) -> Mapping[str, Mapping[str, Kind]]:
        """Directory -> its entries, of each one that was listed."""

    def enters(self, name: str) -> bool:
        """Tells whether patterns and globs go into a directory called `name`."""

    def listing(self, directory: str) -> Mapping[str, Kind]:
        """Returns the entries of `directory`, sorted by name; raises SourceError where there is none."""

    def outline(self, directory: str) -> Mapping[str, Kind]:
        """Returns those of them that say where packages are, as `outline_of` does."""

    def kind(self, path: str) -> Kind | None:
        """Returns what `path` leads to (never LINK), or None where there is nothing."""

    def leads_to_file(self, path: str) -> bool:
        """Tells whether the link at `path` leads to a file, inside the workspace or not."""

    def read(self, path: str) -> bytes:
        """Returns the bytes of the file at `path`; raises SourceError."""

    def node(self, path: str) -> FileNode:
        """Returns digest and executable bit of the source at `path`; raises SourceError."""

    def hashing(self, paths: Sequence[str]) -> AbstractContextManager[None]:
        """Learns the nodes of sources that the block asks for, in about that order, faster than singly."""

    def place(self, digest: Digest) -> str | None:
        """Returns the absolute path of a file on this machine with bytes of that digest, or None."""


class Links:
    """Where paths lead when every link on the way is followed.

    root:      of the workspace, absolute.
    target_of: gives the target of the link at a path, or None for what is no link;
               raises FileNotFoundError or NotADirectoryError where nothing is.
    """

    def __init__(self, root: Path, target_of: Callable[[str], str | None]) -> None:
        self._prefix = f"{root}/"
        self._target_of = target_of
        self._directories: dict[str, str] = {"": ""}

    def real(self, path: str) -> str:
        """Returns where `path` leads; raises SourceError for links that leave the workspace or circle."""
        parent, _, name = path.rpartition("/")
        if not name:
            return ""
        if parent not in self._directories:
            self._directories[parent] = self.real(parent)
        return self._follow(self._directories[parent], name, iter(range(MAX_LINKS)))

    def _follow(self, parent: str, name: str, allowed: Iterator[int]) -> str:
        path = f"{parent}/{name}" if parent else name
        target = self._target_of(path)
        if target is None:
            return path
        if next(allowed, None) is None:
            raise SourceError(f"{path}: too many links, or links in a circle", hint="point it at a file")
        here = parent
        if target.startswith("/"):
            if not f"{target}/".startswith(self._prefix):
                raise _outside(path, target)
            here, target = "", target[len(self._prefix) :]
        for part in target.split("/"):
            if part == "..":
                if not here:
                    raise _outside(path, target)
                here = here.rpartition("/")[0]
            elif part not in ("", "."):
                here = self._follow(here, part, allowed)
        return here


def _outside(path: str, target: str) -> SourceError:
    return SourceError(
        f"{path} leads out of the workspace, to {target}",
        hint="copy what it leads to into the workspace, or point it at a file inside",
    )


def missing(path: str) -> SourceError:
    """Returns the error for a source that is not there."""
    return SourceError(f"no such file: {path}", hint="check its spelling, or that it is checked out")


def not_a_file(path: str, kind: Kind) -> SourceError:
    """Returns the error for a source at `path` that is a directory or worse."""
    if kind is Kind.DIRECTORY:
        name = path.rpartition("/")[2]
        return SourceError(
            f"{path} is a directory, not a file", hint=f'name files, or those below it: glob(["{name}/**"])'
        )
    return SourceError(f"{path} is a fifo, a device or a socket, not a file", hint="name a regular file")


def outline_of(view: View, entries: Mapping[str, Kind]) -> Mapping[str, Kind]:
    """Returns those entries of a directory that say where packages are.

    These are directories that patterns enter, and files of certain names. Whoever
    asks for no more does not mind files that come and go.
    """
    return {
        name: kind
        for name, kind in entries.items()
        if (kind is Kind.DIRECTORY and view.enters(name)) or name in OUTLINED or name.endswith(".bzl")
    }


def walk_directories(view: View, start: str) -> Iterator[str]:
    """Yields `start` and the directories below it that patterns enter, parents first, sorted."""
    todo = [start]
    while todo:
        directory = todo.pop()
        listing = view.outline(directory)
        if directory != start and listing.get("WORKSPACE.toml") in (Kind.FILE, Kind.LINK):
            continue
        yield directory
        below = [name for name, kind in listing.items() if kind is Kind.DIRECTORY]
        todo.extend(f"{directory}/{name}" if directory else name for name in reversed(below))
