"""When to try again: after what may pass by itself, with growing pauses that vary."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final, TypeVar

from lambdabuild.oci.registry.settings import Settings
from lambdabuild.oci.registry.trouble import Trouble

T = TypeVar("T")

LONGEST_BACKOFF: Final = 20.0
LONGEST_WAIT: Final = 120.0
"""Seconds. A server that asks for a longer pause gets this one."""

_random = random.SystemRandom()


class Retries:
    """The attempts at one thing.

    wait: pauses for that many seconds; may raise, to end all.
    """

    def __init__(self, settings: Settings, wait: Callable[[float], None]) -> None:
        self._settings, self._wait = settings, wait
        self._tries, self._reached = 0, 0

    def failed(self, trouble: Trouble, reached: int = 0) -> None:
        """Waits until another attempt is due; raises `trouble` if there is to be none.

        reached: how far all attempts have come; after progress they count anew.
        """
        if reached > self._reached:
            self._tries, self._reached = 0, reached
        if not trouble.again or self._tries >= self._settings.retries:
            raise trouble
        # Many clients that were refused together must not come back together.
        pause = min(self._settings.backoff * 2**self._tries, LONGEST_BACKOFF) * _random.uniform(0.5, 1.0)
        self._tries += 1
        self._wait(min(trouble.after, LONGEST_WAIT) + pause)

    def run(self, attempt: Callable[[], T]) -> T:
        """Returns what `attempt` does, which is called until it raises no Trouble that may pass."""
        while True:
            try:
                return attempt()
            except Trouble as trouble:
                self.failed(trouble)
