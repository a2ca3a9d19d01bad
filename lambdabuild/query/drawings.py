"""Answers as pictures: DOT for Graphviz, Mermaid for Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lambdabuild.label import Label
from lambdabuild.query.graph import Node


def edges_among(nodes: Sequence[Node]) -> dict[Label, list[Label]]:
    """Returns for each node those of the others that it depends on itself, sorted."""
    present = {node.label for node in nodes}
    return {node.label: sorted({label for _, label in node.edges} & present) for node in nodes}


def dot(nodes: Sequence[Node]) -> Iterator[str]:
    """Yields lines in the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""
    edges = edges_among(nodes)
    yield "digraph targets {"
    yield "  node [shape=box];"
    for label in edges:
        yield f"  {_dot_name(label)}"
    for label, others in edges.items():
        for other in others:
            yield f"  {_dot_name(label)} -> {_dot_name(other)}"
    yield "}"


def _dot_name(label: Label) -> str:
    escaped = str(label).replace('"', '\\"')  # labels have no backslash
    return f'"{escaped}"'


def mermaid(nodes: Sequence[Node]) -> Iterator[str]:
    """Yields a flowchart (https://mermaid.js.org/syntax/flowchart.html)."""
    edges = edges_among(nodes)
    names = {label: f"n{number}" for number, label in enumerate(edges)}
    yield "graph TD"
    for label, name in names.items():
        yield f'  {name}["{_mermaid_text(label)}"]'
    for label, others in edges.items():
        for other in others:
            yield f"  {names[label]} --> {names[other]}"


def _mermaid_text(label: Label) -> str:
    """Returns the label with Mermaid's own entities for what ends a text or begins an entity."""
    return str(label).replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")
