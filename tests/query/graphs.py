"""Graphs as plain values, and the vocabulary of the laws about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.label import Label, TargetPattern, parse_label
from lambdabuild.query.evaluation import Evaluator
from lambdabuild.query.graph import SOURCE_FILE
from lambdabuild.query.parser import parse

PACKAGES = ("a", "a/b", "c")
LABELS = tuple(Label(package, f"t{number}") for package in PACKAGES for number in range(4))
FILES = tuple(Label(package, "x.py") for package in PACKAGES)


@dataclass(frozen=True)
class Plain:
    """A Graph that is all there.

    depends: for each target (attribute, label) of what it depends on.
    kinds:   of targets: a rule's name.
    asked:   the labels whose edges were asked for.
    """

    depends: Mapping[Label, Sequence[tuple[str, Label]]]
    kinds: Mapping[Label, str] = field(default_factory=dict)
    asked: set[Label] = field(default_factory=set)

    def match(self, pattern: TargetPattern) -> Sequence[Label]:
        if not pattern.wildcard:
            if pattern.label not in (*self.depends, *FILES):
                raise UserError(f"no target {pattern.label}")
            return [pattern.label]
        below = f"{pattern.package}/" if pattern.package else ""
        names = {
            label.package
            for label in self.depends
            if label.package == pattern.package or (pattern.recursive and label.package.startswith(below))
        }
        found = [label for label in self.depends if label.package in names]
        return found + [file for file in FILES if file.package in names and pattern.name == "*"]

    def kind(self, label: Label) -> str:
        return SOURCE_FILE if label in FILES else f"{self.kinds.get(label, 'files')} rule"

    def attributes(self, label: Label) -> Mapping[str, Any]:
        named: dict[str, Any] = {} if label in FILES else {"name": label.name}
        for attribute, other in self.depends.get(label, ()):
            named.setdefault(attribute, []).append(str(other))
        return named

    def edges(self, label: Label) -> Sequence[tuple[str, Label]]:
        self.asked.add(label)
        return self.depends.get(label, ())

    def siblings(self, package: str) -> Sequence[Label]:
        return [label for label in (*self.depends, *FILES) if label.package == package]

    def build_files(self, package: str) -> Sequence[Label]:
        return [Label(package, "BUILD")]

    def loads(self, package: str) -> Sequence[Label]:
        return []

    def ask(self, text: str) -> tuple[Label, ...]:
        """Returns the answer to a query."""
        return Evaluator(self, text).answer(parse(text))

    def set(self, text: str) -> frozenset[Label]:
        return frozenset(self.ask(text))


def graph(text: str) -> Plain:
    """Returns the graph that lines `//a:t0: srcs=//a:t1 base=//c:t2` describe."""
    depends = {}
    for line in text.split("\n"):
        if line.strip():
            label, _, rest = line.strip().partition(": ")
            pairs = [edge.split("=") for edge in rest.split()]
            depends[parse_label(label.rstrip(":"))] = [(name, parse_label(other)) for name, other in pairs]
    return Plain(depends)


_EDGES = [(a, name, b) for a in LABELS for name in ("srcs", "base") for b in LABELS + FILES]
_FORWARD = [(a, name, b) for a, name, b in _EDGES if b in FILES or LABELS.index(a) < LABELS.index(b)]


def _graphs(edges: list[tuple[Label, str, Label]]) -> st.SearchStrategy[Plain]:
    def build(numbers: set[int]) -> Plain:
        depends: dict[Label, list[tuple[str, Label]]] = {label: [] for label in LABELS}
        for user, name, other in map(edges.__getitem__, sorted(numbers)):
            depends[user].append((name, other))
        return Plain(depends)

    return st.sets(st.integers(0, len(edges) - 1), max_size=24).map(build)


graphs: st.SearchStrategy[Plain] = _graphs(_EDGES)
"""Twelve targets and three files; cycles may be among their edges."""

acyclic: st.SearchStrategy[Plain] = _graphs(_FORWARD)


def _set(labels: set[Label]) -> str:
    return f"set({' '.join(map(str, sorted(labels)))})"


sets: st.SearchStrategy[str] = st.sets(st.sampled_from(LABELS + FILES), max_size=4).map(_set)
"""Sets of labels, as text; the empty one as well."""

expressions: st.SearchStrategy[str] = st.recursive(
    sets | st.sampled_from(["//...", "//a/...", "//a:*", "//c:t0"]),
    lambda below: st.one_of(
        st.builds("({} {} {})".format, below, st.sampled_from(["+", "^", "-", "except", "union"]), below),
        st.builds("deps({})".format, below),
        st.builds("deps({}, {})".format, below, st.integers(0, 3)),
        st.builds("rdeps({}, {})".format, below, below),
        st.builds("allpaths({}, {})".format, below, below),
        st.builds("kind(rule, {})".format, below),
        st.builds("siblings({})".format, below),
        st.builds("(let v = {} in ($v + {}))".format, below, below),
    ),
    max_leaves=6,
)
"""Expressions that every generated graph has an answer to."""
