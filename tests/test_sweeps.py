"""A sweep that is cut short still begins and ends where the whole one does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sweeps import points

pytestmark = pytest.mark.once


@given(st.integers(0, 300), st.integers(0, 5))
def test_some_points_are_points_in_order_the_first_and_the_last_among_them(count: int, between: int) -> None:
    whole, some = points(count, every=True), points(count, every=False, between=between)
    assert whole == list(range(count))
    assert some == sorted(set(some) & set(whole))
    assert some[:2] == whole[:2]
    assert some[-2:] == whole[-2:]
    assert len(some) <= 4 + between
