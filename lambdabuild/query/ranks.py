"""How far labels are from the roots of a graph: the ranks of --output minrank and maxrank.

A root is a label that no other depends on. Labels that depend on each other have
one rank, and are roots together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lambdabuild.label import Label
from lambdabuild.query.graph import Edges


def min_ranks(labels: Sequence[Label], edges: Edges) -> dict[Label, int]:
    """Returns for each label the edges on the shortest way to it from a root.

    edges: what a label depends on, among `labels` alone.
    """
    ranks = {label: 0 for group in _roots(components(labels, edges), edges) for label in group}
    level = list(ranks)
    while level:
        after = []
        for label in level:
            for other in edges(label):
                if other not in ranks:
                    ranks[other] = ranks[label] + 1
                    after.append(other)
        level = after
    return ranks


def max_ranks(labels: Sequence[Label], edges: Edges) -> dict[Label, int]:
    """Returns for each label the edges on the longest way to it, cycles counted as one label."""
    groups = components(labels, edges)
    group_of = {label: number for number, group in enumerate(groups) for label in group}
    ranks = [0] * len(groups)
    for number in reversed(range(len(groups))):  # users before what they depend on
        for label in groups[number]:
            for other in edges(label):
                if group_of[other] != number:
                    ranks[group_of[other]] = max(ranks[group_of[other]], ranks[number] + 1)
    return {label: ranks[number] for label, number in group_of.items()}


def _roots(groups: Sequence[Sequence[Label]], edges: Edges) -> Iterator[Sequence[Label]]:
    used = {other for group in groups for label in group for other in edges(label) if other not in group}
    for group in groups:
        if not used.intersection(group):
            yield group


def components(labels: Sequence[Label], edges: Edges) -> list[tuple[Label, ...]]:
    """Returns the groups of labels that depend on each other, dependencies before what depends on them.

    Most groups have one member. The algorithm is Tarjan's (SIAM J. Comput. 1 (1972)), without recursion.
    """
    found: list[tuple[Label, ...]] = []
    number: dict[Label, int] = {}
    low: dict[Label, int] = {}
    open_: dict[Label, None] = {}
    for root in labels:
        todo = [(root, iter(edges(root)))] if root not in number else []
        while todo:
            label, others = todo[-1]
            if label not in number:
                number[label] = low[label] = len(number)
                open_[label] = None
            for other in others:
                if other not in number:
                    todo.append((other, iter(edges(other))))
                    break
                if other in open_:
                    low[label] = min(low[label], number[other])
            else:
                todo.pop()
                if todo:
                    user = todo[-1][0]
                    low[user] = min(low[user], low[label])
                if low[label] == number[label]:
                    found.append(_closed(label, open_))
    return found


def _closed(label: Label, open_: dict[Label, None]) -> tuple[Label, ...]:
    """Takes the group of `label` off the open labels."""
    group = []
    while label in open_:
        group.append(open_.popitem()[0])
    return tuple(sorted(group))
