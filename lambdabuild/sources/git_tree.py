"""A revision of git as a view of the workspace: what a checkout of it would show, without one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from lambdabuild.digest import Digest
from lambdabuild.sources.git_files import RevisionFiles
from lambdabuild.sources.view import Kind, Links, SourceError, missing, not_a_file, outline_of
from lambdabuild.tree import FileNode


class GitTree:
    """The files of a revision, as if it were checked out at `root`.

    A link that leaves the workspace is looked up on this machine, but only to
    tell whether it leads to a file; it is never read.
    """

    def __init__(self, files: RevisionFiles, root: Path, ignore: frozenset[str] = frozenset()) -> None:
        self.root = root
        self.ignore = ignore
        self.listings: dict[str, Mapping[str, Kind]] = {}
        self._outlines: dict[str, Mapping[str, Kind]] = {}
        self._files = files
        self._nodes: dict[str, FileNode] = {}
        self._real = Links(root, self._target_of).real

    def enters(self, name: str) -> bool:
        """Tells whether patterns and globs go into a directory called `name`."""
        return not name.startswith(".") and name not in self.ignore

    def listing(self, directory: str) -> Mapping[str, Kind]:
        """Returns the entries of `directory`, sorted by name."""
        if directory not in self.listings:
            try:
                found = self._files.children(self._real(directory))
            except FileNotFoundError:
                found = None
            if found is None:
                raise missing(directory)
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
            return self._files.kind(self._real(path))
        except FileNotFoundError:
            return None

    def leads_to_file(self, path: str) -> bool:
        """Tells whether the link at `path` leads to a file, inside the workspace or not."""
        try:
            return self.kind(path) is Kind.FILE
        except SourceError:
            return os.path.isfile(os.path.join(self.root, os.path.dirname(path), self._files.link(path)))

    def read(self, path: str) -> bytes:
        """Returns the bytes of the file at `path`, as a checkout would have them."""
        return self._files.read(self._file(path))

    def node(self, path: str) -> FileNode:
        """Returns digest and executable bit of the source at `path`."""
        node = self._nodes.get(path)
        if node is None:
            real = self._file(path)
            node = self._nodes[path] = FileNode(self._files.digest(real), self._files.executable(real))
        return node

    def place(self, digest: Digest) -> str | None:
        """Returns None: what is in git lies nowhere as a file."""
        return None

    @contextmanager
    def hashing(self, paths: Sequence[str]) -> Iterator[None]:
        """Learns the nodes of sources that the block asks for, faster than one by one."""
        self._files.hash(sorted(paths))
        yield

    def _file(self, path: str) -> str:
        """Returns where the file at `path` is; raises SourceError for anything else."""
        try:
            real = self._real(path)
        except FileNotFoundError:
            raise missing(path) from None
        kind = self._files.kind(real)
        if kind is None:
            raise missing(path)
        if kind is not Kind.FILE:
            raise not_a_file(path, kind)
        return real

    def _target_of(self, path: str) -> str | None:
        kind = self._files.kind(path)
        if kind is None:
            raise FileNotFoundError(path)
        return self._files.link(path) if kind is Kind.LINK else None
