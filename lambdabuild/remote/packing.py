"""Units of work filled into builds, the longest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.digest import Key
from lambdabuild.remote.environments import PLAIN, Environment
from lambdabuild.remote.groups import Group, Work


@dataclass(frozen=True, slots=True)
class Unit:
    """Works of a stage that are tied to each other and to nothing else of it, or several such.

    name:    the smallest of its keys.
    seconds: of all its works together.
    path:    of the longest chain among them, each needing the one before.
    """

    name: Key
    groups: tuple[int, ...]
    environment: Environment
    seconds: float
    path: float


def units_of(stage: Sequence[Group], works: Mapping[Key, Work], order: Mapping[Key, int]) -> tuple[Unit, ...]:
    """Returns the units of a stage, the longest first. order: the place of each key among all."""
    tied = _tied(stage)
    chains = _chains(stage, works, order)
    units: dict[int, list[Group]] = {}
    for group in stage:
        units.setdefault(tied[group.number], []).append(group)
    made = [_unit(members, works, chains) for members in units.values()]
    return tuple(sorted(made, key=lambda unit: (-unit.seconds, unit.name)))


def pack(units: Sequence[Unit], builds: int) -> tuple[Unit, ...]:
    """Returns at most `builds` units that hold all of `units`, each put where the least is.

    units:  the longest first.
    builds: counts as one for each Docker environment at least.
    """
    firsts = {unit.environment: unit for unit in reversed(units) if unit.environment != PLAIN}
    rooms = [[unit] for _, unit in sorted(firsts.items())]
    rooms += [[] for _ in range(builds - len(rooms))] or ([] if rooms else [[]])
    # A unit goes to a room of its environment or to a plain one, and that becomes one of its environment.
    heaps: dict[Environment, list[tuple[float, int]]] = {PLAIN: []}
    for number, room in enumerate(rooms):
        environment = room[0].environment if room else PLAIN
        heaps.setdefault(environment, []).append((sum(unit.seconds for unit in room), number))
    for heap in heaps.values():
        heapq.heapify(heap)
    for unit in units:
        if firsts.get(unit.environment) is not unit:
            _place(unit, rooms, heaps)
    return tuple(_merged(room) for room in rooms if room)


def _place(unit: Unit, rooms: list[list[Unit]], heaps: Mapping[Environment, list[tuple[float, int]]]) -> None:
    open_to = heaps if unit.environment == PLAIN else (PLAIN, unit.environment)
    home = min((each for each in open_to if heaps[each]), key=lambda each: heaps[each][0])
    seconds, number = heapq.heappop(heaps[home])
    rooms[number].append(unit)
    new_home = unit.environment if home == PLAIN else home
    heapq.heappush(heaps[new_home], (seconds + unit.seconds, number))


def _merged(units: Sequence[Unit]) -> Unit:
    return Unit(
        name=min(unit.name for unit in units),
        groups=tuple(number for unit in units for number in unit.groups),
        environment=_environment(unit.environment for unit in units),
        seconds=sum(unit.seconds for unit in units),
        path=max(unit.path for unit in units),
    )


def _environment(environments: Iterable[Environment]) -> Environment:
    """Returns the one that is not plain, if any is."""
    return next((each for each in environments if each != PLAIN), PLAIN)


def _unit(members: Sequence[Group], works: Mapping[Key, Work], chains: Mapping[Key, float]) -> Unit:
    keys = [key for group in members for key in group.keys]
    return Unit(
        name=min(keys),
        groups=tuple(group.number for group in members),
        environment=_environment(group.environment for group in members),
        seconds=sum(works[key].seconds for key in keys),
        path=max(chains[key] for key in keys),
    )


def _chains(stage: Sequence[Group], works: Mapping[Key, Work], order: Mapping[Key, int]) -> dict[Key, float]:
    """Returns for each key of the stage the seconds of the longest chain that ends with it."""
    chains: dict[Key, float] = {}
    for key in sorted((key for group in stage for key in group.keys), key=order.__getitem__):
        before = (chains[below] for below in works[key].below if below in chains)
        chains[key] = works[key].seconds + max(before, default=0.0)
    return chains


def _tied(stage: Sequence[Group]) -> dict[int, int]:
    """Returns for each group the smallest number among those that it is tied to in the stage."""
    head = {group.number: group.number for group in stage}

    def root(number: int) -> int:
        while head[number] != number:
            head[number] = head[head[number]]
            number = head[number]
        return number

    for group in stage:
        for below in sorted(group.below & head.keys()):
            one, other = sorted((root(group.number), root(below)))
            head[other] = one
    return {number: root(number) for number in head}
