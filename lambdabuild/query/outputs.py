"""The forms of --output: an answer -> lines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lambdabuild.label import Label
from lambdabuild.query.answer import Answer
from lambdabuild.query.drawings import dot, edges_among, mermaid
from lambdabuild.query.graph import Edges, Node
from lambdabuild.query.ranks import max_ranks, min_ranks
from lambdabuild.report import error_json


@dataclass(frozen=True, slots=True)
class Output:
    """One form.

    lines:      the answer in this form.
    attributes, edges: whether it needs them of each node.
    """

    lines: Callable[[Answer], Iterator[str]]
    attributes: bool = False
    edges: bool = False


def document(node: Node) -> dict[str, Any]:
    """Returns a node as JSON has it; what files do not have is left out of theirs."""
    common = {
        "label": str(node.label),
        "kind": node.kind,
        "package": node.label.package,
        "name": node.label.name,
        "at": str(node.at),
    }
    if node.rule is None:
        return common
    edges = [{"attribute": name, "label": str(label)} for name, label in node.edges]
    return {**common, "rule": node.rule, "attributes": dict(node.attributes), "dependencies": edges}


def _labels(answer: Answer) -> Iterator[str]:
    return (str(node.label) for node in answer.nodes)


def _kinds(answer: Answer) -> Iterator[str]:
    return (f"{node.kind} {node.label}" for node in answer.nodes)


def _locations(answer: Answer) -> Iterator[str]:
    return (f"{node.at}: {node.kind} {node.label}" for node in answer.nodes)


def _packages(answer: Answer) -> Iterator[str]:
    return iter(sorted({node.label.package or "." for node in answer.nodes}))


def _json_lines(answer: Answer) -> Iterator[str]:
    return (json.dumps(document(node), ensure_ascii=False) for node in answer.nodes)


def _json(answer: Answer) -> Iterator[str]:
    found = {
        "targets": [document(node) for node in answer.nodes],
        "errors": [error_json(error) for error in answer.failures],
    }
    yield json.dumps(found, indent=2, ensure_ascii=False)


def _ranked(ranks: Callable[[Sequence[Label], Edges], dict[Label, int]]) -> Callable[[Answer], Iterator[str]]:
    def lines(answer: Answer) -> Iterator[str]:
        edges = edges_among(answer.nodes)
        found = ranks(list(edges), edges.__getitem__)
        return (f"{rank} {label}" for rank, label in sorted((rank, label) for label, rank in found.items()))

    return lines


def _build(answer: Answer) -> Iterator[str]:
    for node in answer.nodes:
        if node.rule is not None:
            yield f"# {node.at}"
            yield f"{node.rule}("
            for name, value in node.attributes.items():
                if name not in node.defaults:
                    yield f"    {name} = {_starlark(value)},"
            yield ")"
            yield ""


def _starlark(value: Any) -> str:
    """Returns plain data as Starlark has it, one line an item of what has more than one."""
    if isinstance(value, list | dict) and len(value) > 1:
        items = [f"        {item},\n" for item in _items(value)]
        ends = "{}" if isinstance(value, dict) else "[]"
        return f"{ends[0]}\n{''.join(items)}    {ends[1]}"
    return _flat(value)


def _flat(value: Any) -> str:
    if isinstance(value, list | dict):
        ends = "{}" if isinstance(value, dict) else "[]"
        return ends[0] + ", ".join(_items(value)) + ends[1]
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _items(value: list[Any] | dict[str, Any]) -> list[str]:
    if isinstance(value, dict):
        return [f"{_flat(key)}: {_flat(item)}" for key, item in value.items()]
    return [_flat(item) for item in value]


OUTPUTS = {
    "label": Output(_labels),
    "label_kind": Output(_kinds),
    "build": Output(_build, attributes=True),
    "location": Output(_locations),
    "package": Output(_packages),
    "minrank": Output(_ranked(min_ranks), edges=True),
    "maxrank": Output(_ranked(max_ranks), edges=True),
    "graph": Output(lambda answer: dot(answer.nodes), edges=True),
    "mermaid": Output(lambda answer: mermaid(answer.nodes), edges=True),
    "json": Output(_json, attributes=True, edges=True),
    "jsonl": Output(_json_lines, attributes=True, edges=True),
}
"""By name, the default first."""
