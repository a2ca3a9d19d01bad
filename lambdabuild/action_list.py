"""The actions of targets, with what they take, make and are told: as text, and for JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lambdabuild.action import Action, ActionOutput, ActionResult, HostFile, Input
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.keys import KeyTable
from lambdabuild.tools import tool_version

_MAX_VALUE = 72


@dataclass(frozen=True, slots=True)
class ListedAction:
    """An action, with what is known of it before it runs.

    key:       its deep key.
    reference: path in the input root -> how the input stands in the key's document.
    executor:  where a build would run it.
    result:    what it put out, where that is known.
    """

    action: Action
    key: Key
    reference: Mapping[str, Any]
    executor: str
    result: ActionResult | None = None

    @property
    def name(self) -> str:
        """Who declared it, for people: label, platform and number."""
        id_ = self.action.id
        return f"{id_.label.short} ({id_.platform}) #{id_.number}"

    def to_json(self) -> dict[str, Any]:
        action, result = self.action, self.result
        return {
            "label": str(action.id.label),
            "target_platform": action.id.platform,
            "number": action.id.number,
            "tool": action.tool,
            "tool_version": tool_version(action.tool),
            "params": action.params,
            "platform": action.platform,
            "inputs": [
                {"path": path, **_origin_json(action.inputs[path]), **self.reference[path]}
                for path in sorted(action.inputs)
            ],
            "outputs": {
                name: str(result.outputs[name].digest) if result else None for name in sorted(action.outputs)
            },
            "key": self.key,
            "executor": self.executor,
            "shareable": action.shareable,
        }


def list_actions(
    graph: ConfiguredGraph,
    keys: KeyTable,
    roots: Iterable[ConfiguredLabel],
    executor_of: Callable[[Action], str],
    results: Callable[[Iterable[Key]], Mapping[Key, ActionResult]],
) -> list[ListedAction]:
    """Returns the actions that the targets in `roots` declare themselves, by label, platform and number."""
    actions = [action for root in sorted(set(roots)) for action in graph.targets[root].actions]
    known = results([keys.deep_key(action.id) for action in actions])
    listed = []
    for action in actions:
        key, document = keys.deep_key(action.id), keys.deep_document(action)
        inputs: Any = document["inputs"]
        listed.append(ListedAction(action, key, dict(inputs), executor_of(action), known.get(key)))
    return listed


def text(listed: Iterable[ListedAction]) -> Iterator[str]:
    """Yields what people read: a block for each action."""
    for each in listed:
        action = each.action
        yield f"{action.tool} of {each.name}"
        yield f"  key: {each.key}"
        yield f"  tool: {action.tool}, version {tool_version(action.tool)}"
        yield f"  platform: {action.platform}"
        yield f"  executor: {each.executor}"
        yield from _section("params", (f"{k} = {_shown(v)}" for k, v in sorted(action.params.items())))
        yield from _section("inputs", (f"{p} <- {_origin(s)}" for p, s in sorted(action.inputs.items())))
        yield f"  outputs: {', '.join(sorted(action.outputs))}"


def output_lines(listed: Iterable[ListedAction]) -> Iterator[str]:
    """Yields a line for each output: its digest where it is known, its name, and which action makes it."""
    for each in listed:
        for name in sorted(each.action.outputs):
            digest = str(each.result.outputs[name].digest) if each.result else "-"
            yield f"{digest}  {name}  {each.action.tool} of {each.name}"


def _section(title: str, found: Iterable[str]) -> Iterator[str]:
    entries = list(found)
    if entries:
        yield f"  {title}:"
        yield from (f"    {entry}" for entry in entries)


def _shown(value: object) -> str:
    shown = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return shown if len(shown) <= _MAX_VALUE else f"{shown[: _MAX_VALUE - 1]}…"


def _origin(source: Input) -> str:
    if isinstance(source, ActionOutput):
        id_ = source.action
        return f"{source.name} of {id_.label.short} ({id_.platform}) #{id_.number}"
    mode = {None: "", True: ", executable", False: ", not executable"}[source.executable]
    return source.path + mode


def _origin_json(source: Input) -> dict[str, Any]:
    if isinstance(source, ActionOutput):
        id_ = source.action
        return {"label": str(id_.label), "target_platform": id_.platform, "number": id_.number}
    return {"host_file" if isinstance(source, HostFile) else "source": source.path}
