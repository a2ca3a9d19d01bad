"""The workspace's files as they would be with some of them written: a View laid over another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from lambdabuild.digest import Digest, digest_of
from lambdabuild.sources import Kind, View, outline_of
from lambdabuild.tree import FileNode


class Overlay:
    """The View `below`, and on it `files` (path in the workspace -> bytes).

    They may lie in directories that are not there yet. Nothing is written.
    """

    def __init__(self, below: View, files: Mapping[str, bytes]) -> None:
        self._below = below
        self._files = files
        self._entries: dict[str, dict[str, Kind]] = {}
        for path in files:
            kind = Kind.FILE
            while path:
                path, _, name = path.rpartition("/")
                self._entries.setdefault(path, {})[name] = kind
                kind = Kind.DIRECTORY

    @property
    def root(self) -> Path:
        return self._below.root

    @property
    def listings(self) -> Mapping[str, Mapping[str, Kind]]:
        """Returns none of its own: what is asked of an overlay is never kept."""
        return self._below.listings

    def enters(self, name: str) -> bool:
        return self._below.enters(name)

    def listing(self, directory: str) -> Mapping[str, Kind]:
        more = self._entries.get(directory, {})
        if more and self._below.kind(directory) is None:
            found = dict(more)
        else:
            found = {**more, **self._below.listing(directory)}
        return {name: found[name] for name in sorted(found)}

    def outline(self, directory: str) -> Mapping[str, Kind]:
        return outline_of(self, self.listing(directory))

    def kind(self, path: str) -> Kind | None:
        if path in self._files:
            return Kind.FILE
        return self._below.kind(path) or (Kind.DIRECTORY if path in self._entries else None)

    def leads_to_file(self, path: str) -> bool:
        return path in self._files or self._below.leads_to_file(path)

    def read(self, path: str) -> bytes:
        return self._files[path] if path in self._files else self._below.read(path)

    def node(self, path: str) -> FileNode:
        if path in self._files:
            return FileNode(digest_of(self._files[path]), False)
        return self._below.node(path)

    def hashing(self, paths: Sequence[str]) -> AbstractContextManager[None]:
        return self._below.hashing([path for path in paths if path not in self._files])

    def place(self, digest: Digest) -> str | None:
        return self._below.place(digest)
