"""Which wheels share a layer of an image: a pure function of the set of wheels.

There is a bound, of 256 KiB. Wheels larger than half of it are layers of their
own. The others share, by a binary tree over the hashes of their names: a node
whose wheels fit the bound together is one layer, any other splits by the next bit.

A wheel that comes, goes or changes its size changes only the nodes above it in
the tree. Either one layer splits, or several become one again; both held no more
*other* bytes than the bound, so no more of them has to be pushed again. That is
so between any two plans with the same bound.

Where this gives more layers than the budget allows, the bound grows, in steps of
a sixteenth, until it fits. The trees of neighbouring bounds differ in few nodes,
so that a step up or down pushes a few layers, not all.

Why half: two wheels above it cannot share, and each would split every node above
it. On random sets that gave the smallest bounds.

Absent: fetching, tars, and how a layer is compressed: the size of the wheel file
estimates that of its layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lambdabuild.digest import digest_of

BUDGET = 40
"""Layers that third-party wheels may take of an image's 127."""

BOUND = 256 * 1024
"""Bytes of other wheels that a change of one wheel may push again, while the budget allows it."""


class WheelSize(NamedTuple):
    """A wheel as the plan sees it.

    name:   normalised, unique in a plan.
    size:   bytes of the wheel file.
    sha256: of the wheel file, 64 hex digits.
    """

    name: str
    version: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """Who shares with whom.

    layers: lone wheels by name, then shared layers by their first name; wheels
            in a layer by name. No layer is empty.
    bound:  bytes; a layer with several wheels holds at most so many.
    """

    layers: tuple[tuple[WheelSize, ...], ...]
    bound: int

    @property
    def degraded(self) -> bool:
        """Whether the budget of layers made the bound grow."""
        return self.bound > BOUND


def plan(wheels: Iterable[WheelSize], *, budget: int = BUDGET) -> LayerPlan:
    """Returns the layers of `wheels`, at most `budget` of them.

    Raises ValueError for a budget below 1, a negative size, or two wheels of one name.
    """
    ordered = sorted(wheels)
    if budget < 1:
        raise ValueError(f"a budget of {budget} layers holds no wheel")
    if len({wheel.name for wheel in ordered}) < len(ordered):
        raise ValueError("two wheels have the same name")
    if any(wheel.size < 0 for wheel in ordered):
        raise ValueError("a wheel has a negative size")
    bits = {wheel.name: _bits(wheel.name) for wheel in ordered}
    bound = BOUND
    while len(layers := _layers(ordered, bits, bound)) > budget:
        bound += bound // 16
    layers.sort(key=lambda layer: (len(layer) > 1, layer[0].name))
    return LayerPlan(tuple(layers), bound)


def _layers(wheels: Sequence[WheelSize], bits: dict[str, str], bound: int) -> list[tuple[WheelSize, ...]]:
    layers: list[tuple[WheelSize, ...]] = [(wheel,) for wheel in wheels if wheel.size > bound // 2]
    nodes = [(0, [wheel for wheel in wheels if wheel.size <= bound // 2])]
    for depth, node in nodes:
        if sum(wheel.size for wheel in node) > bound:
            nodes += (
                (depth + 1, [wheel for wheel in node if bits[wheel.name][depth] == bit]) for bit in "01"
            )
        elif node:
            layers.append(tuple(node))
    return layers


def _bits(name: str) -> str:
    """Returns 256 digits, 0 or 1, that are as good as random and depend on `name` alone."""
    return f"{int(digest_of(name.encode()).hash, 16):0256b}"
