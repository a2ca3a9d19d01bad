"""Results as execution records them: what may be published, and what has to wait for a push."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Protocol

from lambdabuild.digest import Key
from lambdabuild.publishing import Entry


class Lookup(Protocol):
    """What is needed of the remote action cache here."""

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]: ...


class RecordingCache:
    """An ActionCache that keeps what is recorded in memory, and hands it on when its time has come.

    An action's result is recorded twice: under its action key, then, with the same
    bytes, under its deep key. The first waits for the second, which says whose it is.

    remote:   where other results are looked up.
    known:    results that were looked up already.
    withheld: deep keys of images that are going to be pushed: their results count
              only when that is done.
    ready:    takes what may be published.
    """

    def __init__(
        self,
        remote: Lookup,
        *,
        known: Mapping[Key, bytes],
        deep: Collection[Key],
        withheld: Collection[Key],
        ready: Callable[[Iterable[Entry]], None],
    ) -> None:
        self._remote = remote
        self._held = dict(known)
        self._deep, self._withheld, self._ready = frozenset(deep), frozenset(withheld), ready
        self._loose: dict[bytes, dict[Key, Entry]] = {}
        self._waiting: dict[Key, list[Entry]] = {}
        self._lock = threading.Lock()

    def lookup(self, keys: Iterable[Key]) -> Mapping[Key, bytes]:
        wanted = set(keys)
        with self._lock:
            found = {key: self._held[key] for key in wanted if key in self._held}
        rest = wanted - found.keys()
        return {**self._remote.lookup(rest), **found} if rest else found

    def record(self, key: Key, result: bytes, document: bytes) -> None:
        entry = Entry(key, result, document)
        with self._lock:
            self._held[key] = result
            if key not in self._deep:
                self._loose.setdefault(result, {})[key] = entry
                return
            entries = [*self._loose.pop(result, {}).values(), entry]
            if key in self._withheld:
                self._waiting.setdefault(key, []).extend(entries)
                return
        self._ready(entries)

    def release(self, key: Key) -> None:
        """Hands on what waited for the push of the image of that deep key."""
        with self._lock:
            entries = self._waiting.pop(key, [])
        if entries:
            self._ready(entries)
