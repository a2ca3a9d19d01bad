"""What an expression means in a Graph."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import cast

from lambdabuild.errors import UserError
from lambdabuild.label import Label, TargetPattern
from lambdabuild.query.errors import pointer, wrong
from lambdabuild.query.graph import Graph, on_paths, reach, reversed_edges, shortest_path
from lambdabuild.query.syntax import (
    Argument,
    Call,
    Expression,
    Let,
    Operation,
    Pattern,
    SetOf,
    Variable,
    Word,
)
from lambdabuild.query.values import text as text_of

Labels = frozenset[Label]
Variables = Mapping[str, Labels]

EVALUATING = "the query"
"""What is being worked on while no BUILD file is."""

_EVERYTHING = (TargetPattern("", "all", recursive=True),)


class Evaluator:
    """Evaluates expressions that were parsed from `text`.

    universe: what allrdeps() looks at with all it depends on; () for `//...`.
    beat:     told EVALUATING before each function.
    """

    def __init__(
        self,
        graph: Graph,
        text: str,
        universe: Sequence[TargetPattern] = (),
        beat: Callable[[str], None] = lambda name: None,
    ) -> None:
        self._graph = graph
        self._text = text
        self._universe = universe or _EVERYTHING
        self._beat = beat

    def answer(self, expression: Expression) -> tuple[Label, ...]:
        """Returns the labels that `expression` means: a path from its start to its end, all else sorted.

        Raises UserError.
        """
        if isinstance(expression, Call) and expression.function == "somepath":
            start, end = (self._set(argument, {}) for argument in expression.arguments)
            return tuple(shortest_path(start, set(end), self._below))
        return tuple(sorted(self._value(expression, {})))

    def _value(self, expression: Expression, variables: Variables) -> Labels:
        match expression:
            case Pattern():
                return self._matched(expression)
            case Variable(name):
                return variables[name]
            case SetOf(members):
                return frozenset(label for member in members for label in self._matched(member))
            case Let(name, value, body):
                return self._value(body, {**variables, name: self._value(value, variables)})
            case Operation(first, rest):
                found = set(self._value(first, variables))
                for operator, operand in rest:
                    _OPERATORS[operator](found, self._value(operand, variables))
                return frozenset(found)
            case Call():
                return self._call(expression, variables)

    def _matched(self, member: Pattern) -> Labels:
        try:
            return frozenset(self._graph.match(member.pattern))
        except UserError as error:
            if not error.details and not (error.at and error.at.line):  # no fault of a BUILD file
                error.details = pointer(self._text, member.start, member.end)
            raise

    def _set(self, argument: Argument, variables: Variables) -> Labels:
        return self._value(cast(Expression, argument), variables)

    def _call(self, call: Call, variables: Variables) -> Labels:
        values = [
            argument if isinstance(argument, Word | int) else self._value(argument, variables)
            for argument in call.arguments
        ]
        self._beat(EVALUATING)
        if call.function == "some":
            return self._some(call, *values)  # type: ignore[arg-type]
        return frozenset(getattr(self, f"_{call.function}")(*values))

    # The functions, by their names in the language.

    def _allpaths(self, start: Labels, end: Labels) -> Iterable[Label]:
        return on_paths(start, set(end), self._below)

    def _allrdeps(self, labels: Labels, depth: int | None = None) -> Iterable[Label]:
        return self._within(self._everything, labels, depth)

    def _attr(self, attribute: Word, regex: Word, labels: Labels) -> Iterable[Label]:
        search = re.compile(regex.text).search
        for label in labels:
            attributes = self._graph.attributes(label)
            if attribute.text in attributes and search(text_of(attributes[attribute.text])):
                yield label

    def _buildfiles(self, labels: Labels) -> Iterable[Label]:
        return [file for package in _packages(labels) for file in self._graph.build_files(package)]

    def _deps(self, labels: Labels, depth: int | None = None) -> Iterable[Label]:
        return reach(labels, self._below, depth)

    def _filter(self, regex: Word, labels: Labels) -> Iterable[Label]:
        search = re.compile(regex.text).search
        return [label for label in labels if search(str(label))]

    def _kind(self, regex: Word, labels: Labels) -> Iterable[Label]:
        search = re.compile(regex.text).search
        return [label for label in labels if search(self._graph.kind(label))]

    def _labels(self, attribute: Word, labels: Labels) -> Iterable[Label]:
        return [
            other for label in labels for name, other in self._graph.edges(label) if name == attribute.text
        ]

    def _loadfiles(self, labels: Labels) -> Iterable[Label]:
        return [file for package in _packages(labels) for file in self._graph.loads(package)]

    def _rdeps(self, universe: Labels, labels: Labels, depth: int | None = None) -> Iterable[Label]:
        return self._within(reach(universe, self._below), labels, depth)

    def _same_pkg_direct_rdeps(self, labels: Labels) -> Iterable[Label]:
        for package in _packages(labels):
            for label in self._graph.siblings(package):
                if any(other.package == package and other in labels for other in self._below(label)):
                    yield label

    def _siblings(self, labels: Labels) -> Iterable[Label]:
        return labels.union(*map(self._graph.siblings, _packages(labels)))

    def _some(self, call: Call, labels: Labels, count: int = 1) -> Labels:
        if not labels:
            raise wrong("some() of nothing", self._text, call.start, call.end, hint="ask for the set itself")
        return frozenset(sorted(labels)[:count])

    def _somepath(self, start: Labels, end: Labels) -> Iterable[Label]:
        return shortest_path(start, set(end), self._below)

    # What they share.

    def _below(self, label: Label) -> list[Label]:
        return [other for _, other in self._graph.edges(label)]

    def _within(self, universe: set[Label], labels: Labels, depth: int | None) -> set[Label]:
        return reach(labels & universe, reversed_edges(universe, self._below), depth)

    @cached_property
    def _everything(self) -> set[Label]:
        found: dict[Label, None] = {}
        for pattern in self._universe:
            for label in self._graph.match(pattern):
                if pattern.negative:
                    found.pop(label, None)
                else:
                    found[label] = None
        return reach(found, self._below)


_OPERATORS: Mapping[str, Callable[[set[Label], Labels], None]] = {
    "union": set.update,
    "intersect": set.intersection_update,
    "except": set.difference_update,
}


def _packages(labels: Iterable[Label]) -> list[str]:
    return sorted({label.package for label in labels})
