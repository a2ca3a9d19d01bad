"""The working tree: the workspace's files as they lie on disk."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from lambdabuild.clock import Moment
from lambdabuild.digest import Digest, digest_of
from lambdabuild.sources import stable
from lambdabuild.sources.many import Status, read_nodes
from lambdabuild.sources.view import Kind, Links, SourceError, missing, not_a_file, outline_of
from lambdabuild.tree import FileNode

FEW = 200
"""Files that are read sooner than it is found out what is known of them."""


class Digests(Protocol):
    """Digests of files that need not be read again."""

    def node(self, path: str) -> FileNode | None:
        """Returns the node of the plain file at `path`, in a plain directory, if its digest is known."""

    def keep(self, read: Sequence[tuple[str, str, Status]], began: Moment) -> None:
        """Keeps paths, hashes, and the statuses that they were read under.

        began: a moment before the first of them was read.
        """


class WorkingTree:
    """The files below `root`, read at most once each while this object lives.

    read_digests: path -> digest of each file that was read by `read`.
    listings:     directory -> its entries, of each one that was listed.
    links:        path -> target of each symlink on the way to anything.
    led:          path -> where it led, of each that is not there itself; absolute outside the workspace.
    digests:      those that are known of plain files in plain directories; asked where many are wanted.
    """

    def __init__(
        self,
        root: Path,
        ignore: frozenset[str] = frozenset(),
        digests: Digests | None = None,
    ) -> None:
        self.root = root
        self.ignore = ignore
        self.read_digests: dict[str, Digest] = {}
        self.listings: dict[str, Mapping[str, Kind]] = {}
        self._outlines: dict[str, Mapping[str, Kind]] = {}
        self.links: dict[str, str] = {}
        self._prefix = f"{root}/"
        self._nodes: dict[str, FileNode] = {}
        self._places: dict[Digest, str] = {}
        self.led: dict[str, str] = {}
        self._digests = digests
        self._coming: Generator[str, None, None]
        self._expected: set[str] = set()
        self._follow = Links(root, self._target_of).real

    @property
    def looked_at(self) -> set[str]:
        """The paths of which `node` was asked, and what links made of them and of all others."""
        return {*self._nodes, *self.links, *self.led.values()}

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

    def outline(self, directory: str) -> Mapping[str, Kind]:
        """Returns those of them that say where packages are."""
        if directory not in self._outlines:
            self._outlines[directory] = outline_of(self, self.listing(directory))
        return self._outlines[directory]

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
        self._note_end(path)
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
        if node is None and path in self._expected:
            next((each for each in self._coming if each == path), None)
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

    @contextlib.contextmanager
    def hashing(self, paths: Sequence[str]) -> Iterator[None]:
        """Learns the nodes of sources that the block asks for, in about that order, on all cores.

        Whatever is no plain file in a plain directory is left to `node`, and so is every error.
        """
        directories = {path.rpartition("/")[0] for path in paths}
        plain = {each for each in directories if self._is_plain(each)}
        wanted = [path for path in paths if path not in self._nodes and path.rpartition("/")[0] in plain]
        digests = self._digests if len(wanted) > FEW else None
        began = Moment.now()
        if digests:
            wanted = self._unknown(wanted, digests)
        news: list[tuple[str, str, Status]] = []
        self._expected, self._coming = set(wanted), self._read_all(wanted, news)
        try:
            yield
            deque(self._coming, maxlen=0)
        finally:
            self._coming.close()
            self._expected = set()
        if digests:
            digests.keep(news, began)

    def _unknown(self, paths: Sequence[str], digests: Digests) -> list[str]:
        """Returns those of `paths` whose digests nobody knows; learns the others."""
        found = []
        for path in paths:
            if node := digests.node(path):
                self._learn(path, node)
            else:
                found.append(path)
        return found

    def _read_all(
        self, paths: Sequence[str], news: list[tuple[str, str, Status]]
    ) -> Generator[str, None, None]:
        """Yields `paths` one by one, once it has learnt all that can be learnt of each.

        news: gets path, hash and status of each that was read.
        """
        for path, found in zip(paths, read_nodes([self._prefix + path for path in paths]), strict=True):
            self._expected.discard(path)
            if found is not None:
                node, status = found
                self._learn(path, node)
                news.append((path, node.digest.hash, status))
            yield path

    def _learn(self, path: str, node: FileNode) -> None:
        self._nodes[path] = node
        self._places[node.digest] = self._prefix + path

    def place(self, digest: Digest) -> str | None:
        """Returns the absolute path where bytes of that digest were last seen, or None."""
        return self._places.get(digest)

    def _real(self, path: str) -> str:
        try:
            real = self._follow(path)
        except (FileNotFoundError, NotADirectoryError):
            if self.links:
                self._note_end(path)
            raise
        if real != path:
            self.led[path] = real
        return real

    def _is_plain(self, directory: str) -> bool:
        """Tells whether no link is on the way to `directory`, nor it is one."""
        with contextlib.suppress(OSError, ValueError, SourceError):
            return self._follow(directory) == directory
        return False

    def _note_end(self, path: str) -> None:
        """Notes where `path` leads, be there something or not: what appears there, changes answers."""
        real = os.path.realpath(self._prefix + path).removeprefix(self._prefix)
        if real != path:
            self.led[path] = real

    def _target_of(self, path: str) -> str | None:
        if not stat.S_ISLNK(os.lstat(self._prefix + path).st_mode):
            return None
        target = os.readlink(self._prefix + path)
        self.links[path] = target
        return target


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


def _unusable(path: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return missing(path)
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
