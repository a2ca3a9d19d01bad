"""What was made, into the remote store, every few seconds: bytes first, then the results that name them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from lambdabuild.action import ActionResult
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import ExternalError, LambdaBuildError
from lambdabuild.store import ContentStore
from lambdabuild.worker.recording import Entry

SECONDS: Final = 5.0
"""For how long a result waits for others."""

BYTES: Final = 8 << 20
"""Bytes of outputs that are not waited with."""


class RemoteStore(Protocol):
    """What is needed of the remote content store here."""

    def missing(self, digests: Iterable[Digest]) -> set[Digest]: ...

    def upload(self, blobs: Mapping[Digest, Callable[[], Iterable[bytes]]]) -> Any: ...


class RemoteCache(Protocol):
    """What is needed of the remote action cache here."""

    def record_all(self, entries: Sequence[tuple[Key, bytes, bytes]]) -> None: ...


class Publisher:
    """Publishes in a thread of its own, from `start` to `finish`.

    made: has the bytes of what was made here.
    """

    def __init__(
        self,
        made: ContentStore,
        store: RemoteStore,
        cache: RemoteCache,
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
                self._bytes += sum(digest.size for digest in _outputs(entry))
            self._news.notify_all()

    def publish(self) -> None:
        """Publishes what is waiting; raises ExternalError, and then it goes on waiting."""
        with self._publishing:
            with self._news:
                entries, self._waiting, self._bytes = self._waiting, [], 0
            try:
                self._send(entries)
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

    def _send(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        outputs = {digest for entry in entries for digest in _outputs(entry)}
        # Documents, which everybody reads, beside each other.
        missing = sorted(self._store.missing(outputs), key=lambda digest: (digest.size, digest.hash))
        if missing:
            self._store.upload({digest: partial(self._made.pieces, digest) for digest in missing})
        self._cache.record_all(list(dict.fromkeys(entries)))

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


def _outputs(entry: Entry) -> list[Digest]:
    try:
        return [node.digest for node in ActionResult.from_json(entry.result).outputs.values()]
    except ValueError as error:
        raise ExternalError(f"a result that was made here is {error}") from None
