"""Results of builds on this machine -> the remote store, for others to find.

Blobs go first, results last, so that whoever finds a result finds its outputs.
Nothing is sent before the build is over: an interrupted one shares nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from lambdabuild.action import ActionResult
from lambdabuild.digest import Digest, Key
from lambdabuild.store import ActionCache, ContentStore


class RemoteBlobs(ContentStore, Protocol):
    """A content store that takes many blobs at once."""

    def upload(self, blobs: Mapping[Digest, Callable[[], Iterable[bytes]]]) -> object: ...


class RemoteResults(ActionCache, Protocol):
    """An action cache that takes many results at once: key, result, and the document of the key."""

    def record_all(self, entries: Sequence[tuple[Key, bytes, bytes]]) -> None: ...


class Recorder:
    """An ActionCache that remembers what is recorded in the one behind it, to publish it later."""

    def __init__(self, cache: ActionCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._entries: list[tuple[Key, bytes, bytes]] = []

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        return self._cache.lookup(keys)

    def record(self, key: Key, result: bytes, document: bytes) -> None:
        self._cache.record(key, result, document)
        with self._lock:
            self._entries.append((key, result, document))

    def publish(self, store: ContentStore, blobs: RemoteBlobs, results: RemoteResults) -> None:
        """Sends what was recorded, with the outputs that `blobs` lacks; raises what the remote store does."""
        with self._lock:
            entries, self._entries = self._entries, []
        if not entries:
            return
        outputs = {
            node.digest for _, data, _ in entries for node in ActionResult.from_json(data).outputs.values()
        }
        missing = blobs.missing(outputs)
        if missing:
            blobs.upload({digest: partial(store.pieces, digest) for digest in missing})
        results.record_all(entries)
