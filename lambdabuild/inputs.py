"""The files that actions take: their nodes, and their bytes when a tool wants them.

Sources are read where they lie, not copied first; whoever reads them verifies
that they still are what was hashed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager

from lambdabuild.action import HostFile, SourceFile
from lambdabuild.digest import Digest, Hasher
from lambdabuild.errors import ExternalError, UserError
from lambdabuild.sources import View
from lambdabuild.sources.stable import pieces, read_node
from lambdabuild.store import ContentStore
from lambdabuild.tree import FileNode


class InputFiles:
    """Workspace files, files of this machine, and blobs of the store, by digest.

    store: gives the store, when it is needed: hashing needs none.
    """

    def __init__(self, tree: View, store: Callable[[], ContentStore]) -> None:
        self._tree = tree
        self._store = store
        self._host: dict[str, FileNode] = {}
        self._host_places: dict[Digest, str] = {}

    @property
    def uses_host(self) -> bool:
        """Tells whether files of this machine outside the workspace were asked for."""
        return bool(self._host)

    def node(self, file: SourceFile | HostFile) -> FileNode:
        """Returns digest and mode of a file; raises UserError where it cannot be used."""
        node = self._tree.node(file.path) if isinstance(file, SourceFile) else self._host_node(file.path)
        return node if file.executable is None else FileNode(node.digest, file.executable)

    def hashing(self, sources: Sequence[str]) -> AbstractContextManager[None]:
        """Learns the nodes of files of the workspace that the block asks for, as a View does."""
        return self._tree.hashing(sources)

    def contents(self, digest: Digest) -> Iterator[bytes]:
        """Yields the bytes of that digest; raises when the end shows that they are others."""
        place = self._tree.place(digest) or self._host_places.get(digest)
        if place is None:
            yield from self._store().pieces(digest)
            return
        hasher = Hasher()
        try:
            for piece in pieces(place):
                hasher.update(piece)
                yield piece
        except OSError as error:
            raise self._changed(place) from error
        if hasher.digest() != digest:
            raise self._changed(place)

    def _host_node(self, path: str) -> FileNode:
        if path not in self._host:
            try:
                self._host[path] = read_node(path)
            except OSError as error:
                raise ExternalError(f"{path} of this machine cannot be read: {error.strerror}") from error
            self._host_places[self._host[path].digest] = path
        return self._host[path]

    def _changed(self, place: str) -> UserError:
        shown = place.removeprefix(f"{self._tree.root}/")
        return UserError(f"{shown} changed while the build was running", hint="run the same command again")
