"""What `make bench` finds out, and the limits that it is held against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from benchmarks.tables import Table


@dataclass(frozen=True)
class Limit:
    """A bound on what is ours. text: as it stands in the table. holds: of our figure and theirs."""

    text: str
    holds: Callable[[float, float], bool]


def at_most(times: float) -> Limit:
    """At most so many times as long as what stands beside it."""
    return Limit(f"≤ {times:g} times", lambda ours, theirs: ours <= times * theirs)


def faster(times: float) -> Limit:
    """So many times as fast as what stands beside it."""
    return Limit(f"{times:g} times faster", lambda ours, theirs: times * ours <= theirs)


def more(seconds: float) -> Limit:
    """At most so much longer than what stands beside it."""
    return Limit(f"≤ +{seconds * 1000:.0f} ms", lambda ours, theirs: ours <= theirs + seconds)


def within(most: float, unit: str) -> Limit:
    """At most so much, whatever stands beside it."""
    return Limit(f"≤ {most:g} {unit}", lambda ours, theirs: ours <= most)


@dataclass(frozen=True)
class Row:
    """One figure of ours, in seconds or MB. theirs: of what stands beside it, if anything does."""

    what: str
    ours: float
    beside: str = ""
    theirs: float | None = None
    limit: Limit | None = None
    digits: int = 3

    def cells(self) -> tuple[str, ...]:
        theirs = "" if self.theirs is None else f"{self.theirs:.{self.digits}f}"
        ratio = f"{self.ours / self.theirs:.2f}" if self.theirs else ""
        limit, met = (self.limit.text, self._met(self.limit)) if self.limit else ("", "")
        return (self.what, self.beside, f"{self.ours:.{self.digits}f}", theirs, ratio, limit, met)

    def _met(self, limit: Limit) -> str:
        return "yes" if limit.holds(self.ours, self.theirs or 0.0) else "no"


HEAD = ("what", "beside", "lambdabuild", "theirs", "ratio", "budget", "met")


def table(title: str, rows: Sequence[Row]) -> Table:
    return Table(title, HEAD, [row.cells() for row in rows], left=2)


def growth(figures: Mapping[str, Mapping[str, float]]) -> Table:
    """Returns how figures (size -> what -> figure) grow from size to size."""
    sizes = [*figures]
    pairs = [*pairwise(sizes)]
    head = ("what", *sizes, *(f"{large} / {small}" for small, large in pairs))
    rows = []
    for what in figures[sizes[0]]:
        cells = [_figure(figures[size][what]) for size in sizes]
        ratios = [f"{figures[large][what] / figures[small][what]:.2f}" for small, large in pairs]
        rows.append((what, *cells, *ratios))
    return Table("Growth (median seconds, and MB)", head, rows)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:.3f}"


def in_turn(runs: int, contestants: Mapping[str, Callable[[], float]]) -> dict[str, float]:
    """Returns the medians of what each returns; all take turns, so that they see the same machine."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, seconds in contestants.items():
            found[name].append(seconds())
    return {name: median(each) for name, each in found.items()}
