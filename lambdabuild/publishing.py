"""Results that were made -> the remote store, for others to find.

Blobs go first, results last, so that whoever finds a result finds its outputs.
Builds on this machine send theirs when they are over: an interrupted one shares nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from lambdabuild.action import ActionResult
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import ExternalError
from lambdabuild.store import ActionCache, ContentStore


class Entry(NamedTuple):
    """A result under a key, and the document that the key is the hash of."""

    key: Key
    result: bytes
    document: bytes


class RemoteBlobs(Protocol):
    """What is needed of the remote content store here."""

    def missing(self, digests: Iterable[Digest]) -> set[Digest]: ...

    def upload(self, blobs: Mapping[Digest, Callable[[], Iterable[bytes]]]) -> object: ...


class RemoteResults(Protocol):
    """What is needed of the remote action cache here."""

    def record_all(self, entries: Sequence[tuple[Key, bytes, bytes]]) -> None: ...


def publish(entries: Sequence[Entry], made: ContentStore, blobs: RemoteBlobs, results: RemoteResults) -> None:
    """Sends results, each once, with the outputs that `blobs` lacks; raises what the remote store does.

    made: has the outputs.
    """
    if not entries:
        return
    outputs = {digest for entry in entries for digest in outputs_of(entry)}
    # Documents, which everybody reads, beside each other.
    missing = sorted(blobs.missing(outputs), key=lambda digest: (digest.size, digest.hash))
    if missing:
        blobs.upload({digest: partial(made.pieces, digest) for digest in missing})
    results.record_all(list(dict.fromkeys(entries)))


def outputs_of(entry: Entry) -> list[Digest]:
    """Returns the blobs that a result names; raises ExternalError where it is none."""
    try:
        return [node.digest for node in ActionResult.from_json(entry.result).outputs.values()]
    except ValueError as error:
        raise ExternalError(f"a result that was made here is {error}") from None


class Recorder:
    """An ActionCache that remembers what is recorded in the one behind it, to publish it later."""

    def __init__(self, cache: ActionCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._entries: list[Entry] = []

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        return self._cache.lookup(keys)

    def record(self, key: Key, result: bytes, document: bytes) -> None:
        self._cache.record(key, result, document)
        with self._lock:
            self._entries.append(Entry(key, result, document))

    @property
    def recorded(self) -> bool:
        """Tells whether there is something to publish."""
        return bool(self._entries)

    def publish(self, made: ContentStore, blobs: RemoteBlobs, results: RemoteResults) -> None:
        """Publishes what was recorded since the last time."""
        with self._lock:
            entries, self._entries = self._entries, []
        publish(entries, made, blobs, results)
