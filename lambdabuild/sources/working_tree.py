"""The working tree: the workspace's files as they lie on disk.

Paths are workspace-relative with "/" between parts; "" is the root. A symlink
counts as what it leads to, link by link, and must not leave the workspace.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path

from lambdabuild.digest import Digest, digest_of
from lambdabuild.errors import UserError
from lambdabuild.sources import stable
from lambdabuild.tree import FileNode

MAX_LINKS = 40


class Kind(Enum):
    """What a directory entry is, links not followed."""

    FILE = "file"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


class SourceError(UserError):
    """A source cannot be used: missing, unreadable, no regular file, or outside the workspace."""


class WorkingTree:
    """The files below `root`, read at most once each while this object lives.

    read_digests: path -> digest of each file that was read by `read`.
    listings:     directory -> its entries, of each one that was listed.
    links:        path -> target of each symlink on the way to anything.
    """

    def __init__(self, root: Path, ignore: frozenset[str] = frozenset()) -> None:
        self.root = root
        self.ignore = ignore
        self.read_digests: dict[str, Digest] = {}
        self.listings: dict[str, Mapping[str, Kind]] = {}
        self.links: dict[str, str] = {}
        self._prefix = f"{root}/"
        self._nodes: dict[str, FileNode] = {}
        self._places: dict[Digest, str] = {}
        self._directories: dict[str, str] = {"": ""}

    def enters(self, name: str) -> bool:
        """Tells whether patterns and globs go into a directory called `name`."""
        return not name.startswith(".") and name not in self.ignore

    def listing(self, directory: str) -> Mapping[str, Kind]:
        """Returns the entries of `directory`, sorted by name."""
        if directory not in self.listings:
            try:
                with os.scandir(self._prefix + self._real(directory)) as entries:
                    found = {entry.name: _kind(entry) for entry in entries}
            except OSError as error:
                raise _unusable(directory, error) from None
            self.listings[directory] = {name: found[name] for name in sorted(found)}
        return self.listings[directory]

    def kind(self, path: str) -> Kind | None:
        """Returns what `path` leads to (never LINK), or None where there is nothing."""
        try:
            mode = os.lstat(self._prefix + self._real(path)).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unusable(path, error) from None
        return _kind_of(mode)

    def leads_to_file(self, path: str) -> bool:
        """Tells whether the link at `path` leads to a file, inside the workspace or not."""
        with contextlib.suppress(OSError):
            self.links[path] = os.readlink(self._prefix + path)
        return os.path.isfile(self._prefix + path)

    def read(self, path: str) -> bytes:
        """Returns the bytes of the file at `path`, and records that they were read."""
        try:
            data = stable.read_bytes(self._prefix + self._real(path))
        except OSError as error:
            raise _unusable(path, error) from None
        self.read_digests[path] = digest_of(data)
        return data

    def node(self, path: str) -> FileNode:
        """Returns digest and executable bit of the source at `path`."""
        node = self._nodes.get(path)
        if node is None:
            try:
                real = self._prefix + self._real(path)
                node = stable.read_node(real)
            except OSError as error:
                raise _unusable(path, error) from None
            self._nodes[path] = node
            self._places[node.digest] = real
        return node

    def place(self, digest: Digest) -> str | None:
        """Returns the absolute path where bytes of that digest were last seen, or None."""
        return self._places.get(digest)

    def _real(self, path: str) -> str:
        """Returns where `path` leads when every link on the way is followed."""
        parent, _, name = path.rpartition("/")
        if not name:
            return ""
        if parent not in self._directories:
            self._directories[parent] = self._real(parent)
        return self._follow(self._directories[parent], name, iter(range(MAX_LINKS)))

    def _follow(self, parent: str, name: str, allowed: Iterator[int]) -> str:
        path = f"{parent}/{name}" if parent else name
        if not stat.S_ISLNK(os.lstat(self._prefix + path).st_mode):
            return path
        target = os.readlink(self._prefix + path)
        self.links[path] = target
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


def _kind(entry: os.DirEntry[str]) -> Kind:
    if entry.is_symlink():
        return Kind.LINK
    if entry.is_file(follow_symlinks=False):
        return Kind.FILE
    return Kind.DIRECTORY if entry.is_dir(follow_symlinks=False) else Kind.OTHER


def _kind_of(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.OTHER


def _outside(path: str, target: str) -> SourceError:
    return SourceError(
        f"{path} leads out of the workspace, to {target}",
        hint="copy what it leads to into the workspace, or point it at a file inside",
    )


def _unusable(path: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return SourceError(f"no such file: {path}", hint="check its spelling, or that it is checked out")
    if isinstance(error, PermissionError):
        return SourceError(f"{path} cannot be read: permission denied", hint=f"chmod u+r {path}")
    if isinstance(error, IsADirectoryError):
        return not_a_file(path, Kind.DIRECTORY)
    if isinstance(error, stable.NotRegularError):
        return not_a_file(path, Kind.OTHER)
    if isinstance(error, stable.UnstableError):
        return SourceError(
            f"{path} changes while it is read", hint="wait until what writes it is done, and build again"
        )
    return SourceError(f"{path} cannot be read: {error.strerror}")


def not_a_file(path: str, kind: Kind) -> SourceError:
    """Returns the error for a source at `path` that is a directory or worse."""
    if kind is Kind.DIRECTORY:
        name = path.rpartition("/")[2]
        return SourceError(
            f"{path} is a directory, not a file", hint=f'name files, or those below it: glob(["{name}/**"])'
        )
    return SourceError(f"{path} is a fifo, a device or a socket, not a file", hint="name a regular file")


def walk_directories(tree: WorkingTree, start: str) -> Iterator[str]:
    """Yields `start` and the directories below it that patterns enter, parents first, sorted."""
    todo = [start]
    while todo:
        directory = todo.pop()
        listing = tree.listing(directory)
        if directory != start and listing.get("WORKSPACE.toml") in (Kind.FILE, Kind.LINK):
            continue
        yield directory
        below = [name for name, kind in listing.items() if kind is Kind.DIRECTORY and tree.enters(name)]
        todo.extend(f"{directory}/{name}" if directory else name for name in reversed(below))
