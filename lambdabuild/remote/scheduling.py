"""Which dirty steps travel in which build of CodeBuild.

A pure function: no clock, no service, no order of its input decides. A build is
estimated to take the time of its provisioning, and then the longest chain of
its works or their sum shared by its processors, whichever is more. Of the ways
to split the works that are looked at, the one that finishes earliest is taken;
at the same second, the one with fewer builds.

Looked at are: one build after the other, as few as the environments allow; the
parts that nothing ties, filled into 2 to `concurrency` builds; and the same
after a first stage that makes what several of them need. Work is never done twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.digest import Key
from lambdabuild.remote.environments import PLAIN, Environment
from lambdabuild.remote.groups import Group, Work, groups_of, topological
from lambdabuild.remote.packing import Unit, pack, units_of
from lambdabuild.remote.staging import Stage, chain, stagings

__all__ = ["Batch", "Work", "finish", "schedule", "startable"]

SHORT_SECONDS = 600.0
"""What Lambda compute, which ends a build after 15 minutes, is trusted with: estimates err."""


@dataclass(frozen=True, slots=True)
class Batch:
    """The steps of one build.

    keys:    each after those that it takes outputs of.
    after:   the batches, by their index, whose results it needs: always smaller indexes.
    seconds: from the start of the build to its end, estimated, with provisioning.
    short:   whether Lambda compute could run it: plain, and under ten estimated minutes.
    """

    keys: tuple[Key, ...]
    environment: Environment
    after: frozenset[int]
    seconds: float
    short: bool


def schedule(
    works: Mapping[Key, Work], *, concurrency: int, provisioning: float, processors: int
) -> tuple[Batch, ...]:
    """Returns the batches that finish earliest by estimate, and of those the fewest.

    concurrency:  how many builds may be under way at once; `startable` keeps to it.
    provisioning: seconds from StartBuild until a build does its first work.
    processors:   of a build; so many works run at once in it.

    Works that take outputs of each other in a circle have no schedule, and must not be given.
    """
    if not works:
        return ()
    return min(
        _Candidates(works, max(1, concurrency), provisioning, max(1, processors)).all(),
        key=lambda batches: (round(finish(batches, max(1, concurrency))), len(batches)),
    )


def startable(
    batches: Sequence[Batch], *, over: Iterable[int], running: Iterable[int], concurrency: int
) -> tuple[int, ...]:
    """Returns which batches to start now, by index: what they need is over, and there is room."""
    done, busy = frozenset(over), frozenset(running)
    ready = [n for n, batch in enumerate(batches) if n not in done | busy and batch.after <= done]
    return tuple(ready[: max(0, concurrency - len(busy))])


def finish(batches: Sequence[Batch], concurrency: int) -> float:
    """Returns when the last batch ends, in seconds, if all take as long as estimated."""
    now = 0.0
    over: set[int] = set()
    ends: dict[int, float] = {}
    while len(over) < len(batches):
        for number in startable(batches, over=over, running=ends, concurrency=concurrency):
            ends[number] = now + batches[number].seconds
        now = min(ends.values())
        ended = {number for number, end in ends.items() if end <= now}
        over |= ended
        ends = {number: end for number, end in ends.items() if number not in ended}
    return now


class _Candidates:
    """The splits that are looked at."""

    def __init__(
        self, works: Mapping[Key, Work], concurrency: int, provisioning: float, processors: int
    ) -> None:
        self._works = works
        self._concurrency = concurrency
        self._provisioning = provisioning
        self._processors = processors
        self._groups = groups_of(works)
        self._order = {key: place for place, key in enumerate(topological(works))}

    def all(self) -> Iterator[tuple[Batch, ...]]:
        dockers = sorted({group.environment for group in self._groups} - {PLAIN})
        for first in dockers or [PLAIN]:
            stages = chain(self._groups, first)
            yield self._batches([pack(self._units(stage), 1)[0] for stage in stages])
        if self._concurrency > 1:
            for staging in stagings(self._groups):
                yield self._batches([unit for stage in staging for unit in self._filled(stage)])

    def _units(self, stage: Stage) -> tuple[Unit, ...]:
        return units_of(stage, self._works, self._order)

    def _filled(self, stage: Stage) -> tuple[Unit, ...]:
        """Returns what the builds of a stage hold, the longest first."""
        units = self._units(stage)
        total, path = sum(unit.seconds for unit in units), max(unit.path for unit in units)
        best: tuple[float, int, tuple[Unit, ...]] | None = None
        # From the most builds down: fewer that cannot be as early, however well filled, are passed over.
        for builds in range(min(self._concurrency, len(units)), 0, -1):
            bound = self._provisioning + max(path, total / builds / self._processors)
            if best is None or round(bound) <= best[0]:
                way = pack(units, builds)
                rated = (round(max(map(self._seconds, way))), len(way), way)
                best = rated if best is None else min(best, rated, key=lambda each: each[:2])
        assert best is not None
        return tuple(sorted(best[2], key=lambda unit: (-unit.seconds, unit.name)))

    def _seconds(self, unit: Unit) -> float:
        return self._provisioning + max(unit.path, unit.seconds / self._processors)

    def _batches(self, units: Sequence[Unit]) -> tuple[Batch, ...]:
        place = {number: index for index, unit in enumerate(units) for number in unit.groups}
        return tuple(self._batch(unit, place) for unit in units)

    def _batch(self, unit: Unit, place: Mapping[int, int]) -> Batch:
        members: list[Group] = [self._groups[number] for number in unit.groups]
        keys = sorted((key for group in members for key in group.keys), key=self._order.__getitem__)
        needed = {place[below] for group in members for below in group.below}
        seconds = self._seconds(unit)
        short = unit.environment == PLAIN and seconds < SHORT_SECONDS
        return Batch(
            tuple(keys), unit.environment, frozenset(needed - {place[unit.groups[0]]}), seconds, short
        )
