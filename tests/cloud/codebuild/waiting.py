"""The queue of an account: builds wait in order until one of its slots is free."""

from __future__ import annotations

import threading
import time

from .build import Build


class Queue:
    """concurrency: how many builds run at once. held: whether none may leave the queue."""

    def __init__(self, lock: threading.RLock, concurrency: int) -> None:
        self._changed = threading.Condition(lock)
        self._concurrency = concurrency
        self._held = False
        self._waiting: list[Build] = []
        self._running: list[Build] = []

    @property
    def concurrency(self) -> int:
        return self._concurrency

    @concurrency.setter
    def concurrency(self, value: int) -> None:
        with self._changed:
            self._concurrency = value
            self._changed.notify_all()

    @property
    def held(self) -> bool:
        return self._held

    @held.setter
    def held(self, value: bool) -> None:
        with self._changed:
            self._held = value
            self._changed.notify_all()

    @property
    def full(self) -> bool:
        """Whether another build would find no place, five times the slots being the most."""
        return len(self._waiting) >= 5 * self._concurrency

    def join(self, build: Build) -> None:
        with self._changed:
            self._waiting.append(build)

    def wait(self, build: Build, seconds: float) -> bool:
        """Returns whether `build` got a slot, before it ended and before `seconds` were over."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._ready(build) and not build.ending and time.monotonic() < until:
                # Ending is not told by the condition, so as not to tie a build to the queue.
                self._changed.wait(min(0.05, max(0.0, until - time.monotonic())))
            got = self._ready(build) and not build.ending
            self._waiting.remove(build)
            if got:
                self._running.append(build)
            self._changed.notify_all()
            return got

    def leave(self, build: Build) -> None:
        """Gives the slot back, if there was one."""
        with self._changed:
            if build in self._running:
                self._running.remove(build)
            self._changed.notify_all()

    def _ready(self, build: Build) -> bool:
        first = self._waiting.index(build) < self._concurrency - len(self._running)
        return first and not self._held
