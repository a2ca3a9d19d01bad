"""The laws of the layer plan: a partition within the budget, and a small change pushes few bytes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lambdabuild.python.layer_plan import BOUND, BUDGET, LayerPlan, WheelSize, plan

_edges = st.sampled_from([0, 1, BOUND // 2, BOUND // 2 + 1, BOUND, BOUND + 1])
_sizes = _edges | st.integers(0, 1 << 30) | st.integers(0, 400_000) | st.integers(1, 60_000)
_names = st.integers(0, 500).map("package-{}".format)


def wheel(name: str, size: int, version: str = "1.0") -> WheelSize:
    return WheelSize(name, version, size, sha256(f"{version} {size}".encode()).hexdigest())


def wheel_sets(
    sizes: st.SearchStrategy[int] = _sizes, *, least: int = 0, most: int = 60
) -> st.SearchStrategy[list[WheelSize]]:
    return st.dictionaries(_names, sizes, min_size=least, max_size=most).map(
        lambda found: [wheel(name, size) for name, size in found.items()]
    )


# Sizes around the bound, and many that fill it, so that layers split and merge.
_critical = st.integers(BOUND // 8, BOUND // 2 + 100) | st.integers(BOUND // 2 - 10, 2 * BOUND)
_crowd = st.integers(20_000, 60_000)
critical_sets = wheel_sets(_crowd, least=15, most=40) | wheel_sets(_critical, most=30) | wheel_sets()
budgets = st.integers(1, 60)


def pushed(before: LayerPlan, after: LayerPlan) -> int:
    """Returns the bytes of the layers that are new."""
    held = set(before.layers)
    return sum(each.size for layer in after.layers if layer not in held for each in layer)


@given(wheel_sets(), budgets)
def test_a_plan_is_a_partition(wheels: list[WheelSize], budget: int) -> None:
    layers = plan(wheels, budget=budget).layers
    assert sorted(each for layer in layers for each in layer) == sorted(wheels)
    assert all(layers)


@given(wheel_sets(), budgets)
def test_a_plan_keeps_to_its_budget_and_its_bound(wheels: list[WheelSize], budget: int) -> None:
    made = plan(wheels, budget=budget)
    assert len(made.layers) <= budget
    assert all(len(layer) == 1 or sum(each.size for each in layer) <= made.bound for layer in made.layers)


@given(wheel_sets(), budgets, st.randoms())
def test_equal_sets_give_equal_plans(wheels: list[WheelSize], budget: int, random: random.Random) -> None:
    shuffled = random.sample(wheels, len(wheels))
    assert plan(iter(shuffled), budget=budget) == plan(wheels, budget=budget)


@given(wheel_sets(most=BUDGET))
def test_no_plan_is_degraded_that_need_not_share(wheels: list[WheelSize]) -> None:
    assert not plan(wheels).degraded


@given(critical_sets, st.data(), budgets)
def test_changing_a_version_pushes_the_wheel_and_at_most_the_bound(
    wheels: list[WheelSize], data: st.DataObject, budget: int
) -> None:
    assume(wheels)
    index = data.draw(st.integers(0, len(wheels) - 1))
    bumped = wheel(wheels[index].name, data.draw(_sizes | _critical | _crowd), "2.0")
    before = plan(wheels, budget=budget)
    after = plan([*wheels[:index], bumped, *wheels[index + 1 :]], budget=budget)
    assume(before.bound == after.bound)
    assert pushed(before, after) <= bumped.size + after.bound
    if not after.degraded:
        assert pushed(before, after) <= 1.2 * bumped.size + 256 * 1024


@given(critical_sets, _names, _sizes | _critical | _crowd, budgets)
def test_adding_or_removing_a_package_pushes_at_most_the_bound_beside_it(
    wheels: list[WheelSize], name: str, size: int, budget: int
) -> None:
    without = [each for each in wheels if each.name != name]
    before, after = plan(without, budget=budget), plan([*without, wheel(name, size)], budget=budget)
    assume(before.bound == after.bound)
    assert pushed(before, after) <= size + after.bound
    assert pushed(after, before) <= after.bound
    if not after.degraded:
        assert pushed(before, after) <= size + 256 * 1024


@given(wheel_sets(), budgets)
def test_a_larger_budget_never_needs_a_larger_bound(wheels: list[WheelSize], budget: int) -> None:
    assert plan(wheels, budget=budget + 1).bound <= plan(wheels, budget=budget).bound


def sample(seed: int, count: int) -> Iterable[WheelSize]:
    """Yields wheels with sizes as on an index: half below 80 KiB, a tenth above 600 KiB."""
    chance = random.Random(seed)
    for number in range(count):
        yield wheel(f"package-{seed}-{number}", int(chance.lognormvariate(11.3, 1.6)))


def test_beyond_the_budget_the_bound_grows_with_the_wheels_and_no_step_pushes_all() -> None:
    for seed in range(2):
        wheels = [*sample(seed, 150)]
        before = plan(wheels[:20])
        assert not before.degraded
        costs = []
        for count in range(21, len(wheels) + 1):
            after = plan(wheels[:count])
            costs.append((pushed(before, after) - wheels[count - 1].size) / after.bound)
            total = sum(each.size for each in wheels[:count])
            assert after.bound <= max(BOUND, 4 * total / BUDGET)
            before = after
        assert before.degraded
        assert max(costs) < 12  # of 40 layers
        assert sorted(costs)[len(costs) // 2] < 1


def test_large_wheels_are_alone_and_small_ones_share() -> None:
    large = [wheel("numpy", 15_000_000), wheel("botocore", 13_000_000)]
    small = [wheel("six", 11_000), wheel("jmespath", 20_000), wheel("annotated-types", 13_000)]
    made = plan([*small, *large])
    assert [[each.name for each in layer] for layer in made.layers] == [
        ["botocore"],
        ["numpy"],
        ["annotated-types", "jmespath", "six"],
    ]
    assert (made.bound, made.degraded) == (256 * 1024, False)


def test_nothing_needs_no_layer() -> None:
    assert plan([]).layers == ()


@pytest.mark.parametrize(
    ("wheels", "budget"),
    [([wheel("a", 1)], 0), ([wheel("a", 1), wheel("a", 2)], 40), ([wheel("a", -1)], 40)],
)
def test_what_has_no_plan_is_refused(wheels: list[WheelSize], budget: int) -> None:
    with pytest.raises(ValueError, match="wheel"):
        plan(wheels, budget=budget)
