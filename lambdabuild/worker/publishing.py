"""What was made, into the remote store, every few seconds: bytes first, then the results that name them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final

from lambdabuild.errors import LambdaBuildError
from lambdabuild.publishing import Entry, RemoteBlobs, RemoteResults, outputs_of, publish
from lambdabuild.store import ContentStore

SECONDS: Final = 5.0
"""For how long a result waits for others."""

BYTES: Final = 8 << 20
"""Bytes of outputs that are not waited with."""


class Publisher:
    """Publishes in a thread of its own, from `start` to `finish`.

    made: has the bytes of what was made here.
    """

    def __init__(
        self,
        made: ContentStore,
        store: RemoteBlobs,
        cache: RemoteResults,
        *,
        seconds: float = SECONDS,
        size: int = BYTES,
    ) -> None:
        self._made, self._store, self._cache = made, store, cache
        self._seconds, self._size = seconds, size
        self._waiting: list[Entry] = []
        self._bytes = 0
        self._news = threading.Condition()
        self._ended = False
        self._publishing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begins to publish what comes."""
        self._thread.start()

    def add(self, entries: Iterable[Entry]) -> None:
        """Takes results whose outputs are in `made` or in the remote store."""
        with self._news:
            for entry in entries:
                self._waiting.append(entry)
                self._bytes += sum(digest.size for digest in outputs_of(entry))
            self._news.notify_all()

    def publish(self) -> None:
        """Publishes what is waiting; raises ExternalError, and then it goes on waiting."""
        with self._publishing:
            with self._news:
                entries, self._waiting, self._bytes = self._waiting, [], 0
            try:
                publish(entries, self._made, self._store, self._cache)
            except BaseException:
                with self._news:
                    self._waiting[:0] = entries
                raise

    def finish(self) -> None:
        """Ends the thread, and publishes what is left; raises ExternalError if that cannot be."""
        with self._news:
            self._ended = True
            self._news.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self.publish()

    def _run(self) -> None:
        while self._wait():
            try:
                self.publish()
            except LambdaBuildError:
                continue  # told by `finish` if it does not get better

    def _wait(self) -> bool:
        """Waits until it is time to publish; returns False when there is nothing more to wait for."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._waiting)
            self._news.wait_for(lambda: self._ended or self._bytes >= self._size, self._seconds)
            return not self._ended
