"""When something was looked at, and whether a file that changes later shows it."""

from __future__ import annotations

import time
from typing import NamedTuple

TICK = 11_000_000
"""Nanoseconds in which two changes may get one time: a little more than the longest tick of Linux."""

_SECOND = 1_000_000_000


class Moment(NamedTuple):
    """A point in time, by the clock on the wall, in nanoseconds, and by one that does not jump."""

    wall_ns: int
    steady_ns: int

    @classmethod
    def now(cls) -> Moment:
        return cls(time.time_ns(), time.monotonic_ns())

    def is_regular(self, later: Moment) -> bool:
        """Tells whether both clocks went on alike until `later`."""
        return abs((later.wall_ns - self.wall_ns) - (later.steady_ns - self.steady_ns)) < TICK // 2


def settled(change_ns: int, looked_ns: int) -> bool:
    """Tells whether what changes from `looked_ns` on gets another change time than `change_ns`.

    A time of whole seconds is that of a file system that knows no better, where nothing is certain.
    """
    return change_ns % _SECOND != 0 and change_ns < looked_ns - TICK
