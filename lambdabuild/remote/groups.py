"""Works tied into groups that no build may tear apart, and the order among them.

A group holds works that have to travel together, and all that lies between
them: a work that needs one member and is needed by another cannot be elsewhere.
Where that would put two Docker environments into one build, the tie is given
up; the dependency stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.digest import Key
from lambdabuild.remote.environments import PLAIN, Environment


@dataclass(frozen=True, slots=True)
class Work:
    """A step that has to run.

    seconds:     how long it is going to take, estimated.
    below:       the steps whose outputs it takes; those that are not scheduled have their results.
    together:    those of `below` that have to be in its build: the base under an image.
    environment: where it has to run.
    """

    key: Key
    seconds: float
    below: frozenset[Key] = frozenset()
    together: frozenset[Key] = frozenset()
    environment: Environment = PLAIN


@dataclass(frozen=True, slots=True)
class Group:
    """Works that travel together.

    number: its index among all groups; those that it needs have smaller ones.
    keys:   sorted.
    below:  the groups that it needs, by number.
    """

    number: int
    keys: tuple[Key, ...]
    below: frozenset[int]
    environment: Environment


def groups_of(works: Mapping[Key, Work]) -> tuple[Group, ...]:
    """Returns the groups of all works, each after those that it needs."""
    ties = {key: work.together & work.below & works.keys() for key, work in works.items()}
    sets = _condensed(works, ties)
    torn = {key for keys in sets if len(_dockers(works, keys)) > 1 for key in keys}
    if torn:
        users = _docker_users(works)
        for key in torn:
            # Only a dependency of one environment stays tied: what two need is made before both.
            ties[key] = frozenset(d for d in ties[key] if users[d] == users[key] and len(users[d]) <= 1)
        sets = _condensed(works, ties)
    number_of = {key: number for number, keys in enumerate(sets) for key in keys}
    return tuple(_group(number, keys, works, number_of) for number, keys in enumerate(sets))


def topological(works: Mapping[Key, Work]) -> list[Key]:
    """Returns all keys, each after those that it needs, whatever the order of `works`."""
    return [key for keys in _condensed(works, {}) for key in keys]


def _group(
    number: int, keys: tuple[Key, ...], works: Mapping[Key, Work], number_of: Mapping[Key, int]
) -> Group:
    needed = {number_of[below] for key in keys for below in works[key].below if below in works}
    environment = next(iter(_dockers(works, keys)), PLAIN)
    return Group(number, keys, frozenset(needed - {number}), environment)


def _dockers(works: Mapping[Key, Work], keys: Iterable[Key]) -> set[Environment]:
    return {works[key].environment for key in keys} - {PLAIN}


def _docker_users(works: Mapping[Key, Work]) -> dict[Key, set[Environment]]:
    """Returns the Docker environments of each work and of all that need it."""
    users = {key: _dockers(works, [key]) for key in works}
    for key in reversed(topological(works)):
        for below in works[key].below & works.keys():
            users[below] |= users[key]
    return users


def _condensed(works: Mapping[Key, Work], ties: Mapping[Key, frozenset[Key]]) -> list[tuple[Key, ...]]:
    """Returns the sets of works that ties, and cycles that come of them, make one; dependencies first."""
    edges = {key: set(work.below & works.keys()) for key, work in works.items()}
    for key, tied in ties.items():
        for below in tied:
            edges[below].add(key)
    return _components({key: sorted(edges[key]) for key in sorted(works)})


def _components(edges: Mapping[Key, Sequence[Key]]) -> list[tuple[Key, ...]]:
    """Returns the strongly connected components, each sorted, and after those that its members lead to.

    Kosaraju's algorithm: in reverse postorder, what leads to a node and was not seen is its component.
    """
    users: dict[Key, list[Key]] = {key: [] for key in edges}
    for key, below in edges.items():
        for each in below:
            users[each].append(key)
    seen: set[Key] = set()
    found: list[tuple[Key, ...]] = []
    for root in reversed(list(_postorder(edges))):
        stack = [root]
        component = []
        while stack:
            key = stack.pop()
            if key not in seen:
                seen.add(key)
                component.append(key)
                stack.extend(users[key])
        if component:
            found.append(tuple(sorted(component)))
    return found[::-1]


def _postorder(edges: Mapping[Key, Sequence[Key]]) -> Iterator[Key]:
    """Yields each node after those that it leads to, but for cycles.

    Without recursion: a chain of works may be longer than Python's stack.
    """
    seen: set[Key] = set()
    for root in edges:
        calls = [(root, iter(edges[root]))] if root not in seen else []
        seen.add(root)
        while calls:
            key, rest = calls[-1]
            child = next((each for each in rest if each not in seen), None)
            if child is None:
                calls.pop()
                yield key
            else:
                seen.add(child)
                calls.append((child, iter(edges[child])))
