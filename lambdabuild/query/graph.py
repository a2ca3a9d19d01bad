"""Graph: what a query asks of targets and files; Node: what it tells of one.

Walks take `edges`, a function from a label to what it depends on, and ask it for
nothing that they do not come to, so that only those packages are loaded. None of
them recurses, and a cycle is no error to any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from lambdabuild.errors import Location
from lambdabuild.label import Label, TargetPattern

Edges: TypeAlias = Callable[[Label], Iterable[Label]]

SOURCE_FILE = "source file"


class Graph(Protocol):
    """Targets and source files. Methods raise UserError for a label or package that is not there."""

    def match(self, pattern: TargetPattern) -> Sequence[Label]:
        """Returns what `pattern` names: targets, and files too where it ends in `:*` or names one."""
        ...

    def kind(self, label: Label) -> str:
        """Returns "RULE rule" or SOURCE_FILE."""
        ...

    def attributes(self, label: Label) -> Mapping[str, Any]:
        """Returns the attributes of a target as plain data, all that its rule has; {} for a file."""
        ...

    def edges(self, label: Label) -> Sequence[tuple[str, Label]]:
        """Returns (attribute, label) of all that a target depends on; () for a file."""
        ...

    def siblings(self, package: str) -> Sequence[Label]:
        """Returns the targets and files of a package, its BUILD file among them."""
        ...

    def build_files(self, package: str) -> Sequence[Label]:
        """Returns the package's BUILD file, the .bzl files it stands on, and the BUILD files beside those."""
        ...

    def loads(self, package: str) -> Sequence[Label]:
        """Returns the .bzl files that the package stands on."""
        ...


@dataclass(frozen=True, slots=True)
class Node:
    """A target or a source file of an answer.

    kind:       "RULE rule" or SOURCE_FILE.
    at:         the call in the BUILD file; a file's beginning.
    attributes: if they were asked for: plain data, all that the rule has.
    defaults:   names of those attributes that are as they would be had the BUILD file said nothing.
    edges:      if they were asked for: (attribute, label) of what it depends on.
    """

    label: Label
    kind: str
    at: Location
    attributes: Mapping[str, Any] = field(default_factory=dict)
    defaults: frozenset[str] = frozenset()
    edges: tuple[tuple[str, Label], ...] = ()

    @property
    def rule(self) -> str | None:
        """The name of its rule; None for a file."""
        return None if self.kind == SOURCE_FILE else self.kind.removesuffix(" rule")


def reach(start: Iterable[Label], edges: Edges, depth: int | None = None) -> set[Label]:
    """Returns `start` and all that at most `depth` edges lead to from there."""
    found = set(start)
    level = sorted(found)
    while level and depth != 0:
        after: list[Label] = []
        for label in level:
            for other in edges(label):
                if other not in found:
                    found.add(other)
                    after.append(other)
        level = after
        depth = None if depth is None else depth - 1
    return found


def reversed_edges(labels: Iterable[Label], edges: Edges) -> Edges:
    """Returns, as edges, who among `labels` depends on a label."""
    users: dict[Label, list[Label]] = {}
    for label in labels:
        for other in edges(label):
            users.setdefault(other, []).append(label)
    return lambda label: users.get(label, ())


def shortest_path(start: Iterable[Label], end: set[Label], edges: Edges) -> list[Label]:
    """Returns one of the shortest paths from `start` to `end`, always the same; [] if there is none."""
    came: dict[Label, Label | None] = dict.fromkeys(sorted(start))
    level = list(came)
    while level:
        for label in level:
            if label in end:
                return list(_back(label, came))[::-1]
        after = []
        for label in level:
            for other in edges(label):
                if other not in came:
                    came[other] = label
                    after.append(other)
        level = after
    return []


def _back(label: Label | None, came: Mapping[Label, Label | None]) -> Iterator[Label]:
    while label is not None:
        yield label
        label = came[label]


def on_paths(start: Iterable[Label], end: set[Label], edges: Edges) -> set[Label]:
    """Returns all labels on all paths from `start` to `end`."""
    below = reach(start, edges)
    return reach(below & end, reversed_edges(below, edges))
