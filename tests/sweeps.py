"""Faults at every point of some work: CI takes a few of the points, `make soak` takes all of them.

A test of a sweep has `@sweep` and a parameter `every`, and asks `points` where faults strike. Of a list
of cases that is written down, those in `rarely` are left to the soak: each kind of case has another.
"""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

sweep = pytest.mark.parametrize(
    "every",
    [pytest.param(False, id="some points"), pytest.param(True, id="every point", marks=pytest.mark.slow)],
)


def points(count: int, *, every: bool, between: int = 3) -> list[int]:
    """Returns some of the numbers below `count`, in order: all of them, or those where things go wrong.

    The first two and the last two are always among them, and `between` are spread over the others.
    """
    if every:
        return list(range(count))
    numbers = range(count)
    spread = {count * step // (between + 1) for step in range(between + 1)} if count else set()
    return sorted({*spread, *numbers[:2], *numbers[-2:]})


def rarely(*case: object) -> ParameterSet:
    """Returns the case of a parametrized test for `make soak` alone."""
    return pytest.param(*case, marks=pytest.mark.slow)
