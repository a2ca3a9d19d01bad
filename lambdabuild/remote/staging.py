"""Groups cut into stages: what is made before the rest, so that the rest falls apart.

A stage needs nothing of a later one, and groups of one stage that are tied to
each other ask for one Docker environment at most. So the tied groups of a stage
are units that builds can be filled with freely.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from lambdabuild.remote.environments import PLAIN, Environment
from lambdabuild.remote.groups import Group

Stage = tuple[Group, ...]


def stagings(groups: Sequence[Group]) -> Iterator[tuple[Stage, ...]]:
    """Yields ways to cut the groups into stages: as few as can be, then with what many need split off."""
    plainest = by_environment(groups)
    yield plainest
    users = _end_users(groups)
    most = max(map(_count, users), default=0)
    limit = 1
    while limit < most:
        shared = frozenset(group.number for group in groups if _count(users[group.number]) > limit)
        halves = [(_among(stage, shared), _but(stage, shared)) for stage in plainest]
        yield tuple(half for pair in halves for half in pair if half)
        limit *= 2


def chain(groups: Sequence[Group], first: Environment) -> tuple[Stage, ...]:
    """Returns stages of one environment each: as much as can be in `first`, then in that of what is left."""
    stages: list[Stage] = []
    left: Stage = tuple(groups)
    environment = first
    while left:
        taken = _runnable(left, environment)
        if taken:
            stages.append(_among(left, taken))
            left = _but(left, taken)
        numbers = {group.number for group in left}
        environment = next((group.environment for group in left if not group.below & numbers), PLAIN)
    return tuple(stages)


def _runnable(left: Stage, environment: Environment) -> frozenset[int]:
    """Returns what a build in `environment` can do when all but `left` is done."""
    undone = {group.number for group in left}
    taken: set[int] = set()
    for group in left:
        if group.environment in (PLAIN, environment) and not group.below & undone:
            taken.add(group.number)
            undone.remove(group.number)
    return frozenset(taken)


def by_environment(groups: Sequence[Group]) -> tuple[Stage, ...]:
    """Returns as few stages as it takes to part the Docker environments."""
    bits = {each: 1 << n for n, each in enumerate(sorted({g.environment for g in groups} - {PLAIN}))}
    if len(bits) <= 1:
        return (tuple(groups),) if groups else ()
    own = {group.number: bits.get(group.environment, 0) for group in groups}
    users = _upwards(groups, own)
    made = _downwards(groups, users)
    # What stands on one environment alone joins it, and so may what it needs.
    while joined := {n: made[n] for n in own if not users[n] and _count(made[n]) == 1}:
        own |= joined
        users = _upwards(groups, own)
        made = _downwards(groups, users)
    lower = frozenset(n for n in own if _count(users[n]) > 1)
    upper = frozenset(n for n in own if not users[n] and made[n])
    middle = _but(_but(groups, lower), upper)
    return (*by_environment(_among(groups, lower)), middle, *filter(None, [_among(groups, upper)]))


def _upwards(groups: Sequence[Group], own: Mapping[int, int]) -> dict[int, int]:
    """Returns the bits of each group and of all that need it."""
    bits = dict(own)
    for group in reversed(groups):
        for below in group.below & own.keys():
            bits[below] |= bits[group.number]
    return bits


def _downwards(groups: Sequence[Group], users: Mapping[int, int]) -> dict[int, int]:
    """Returns the environments that a group and all that it needs go to; 0 for what several need."""
    bits: dict[int, int] = {}
    for group in groups:
        mine = users[group.number]
        if not mine:
            for below in group.below & bits.keys():
                mine |= bits[below]
            bits[group.number] = mine
        else:
            bits[group.number] = mine if _count(mine) == 1 else 0
    return bits


def _end_users(groups: Sequence[Group]) -> list[int]:
    """Returns for each group a bit for each of the groups, needed by none, that need it."""
    needed = {below for group in groups for below in group.below}
    ends = {group.number for group in groups} - needed
    own = {group.number: 0 for group in groups}
    own |= {number: 1 << bit for bit, number in enumerate(sorted(ends))}
    return [users for _, users in sorted(_upwards(groups, own).items())]


def _count(bits: int) -> int:
    return bits.bit_count()


def _among(stage: Iterable[Group], numbers: frozenset[int]) -> Stage:
    return tuple(group for group in stage if group.number in numbers)


def _but(stage: Iterable[Group], numbers: frozenset[int]) -> Stage:
    return tuple(group for group in stage if group.number not in numbers)
