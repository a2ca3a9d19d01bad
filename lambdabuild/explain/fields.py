"""What an action is told, leaf by leaf: `env.TABLE` -> `"receipts"`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

OF_THE_TOOL = ("tool", "tool_version", "platform")


def leaves(fields: Mapping[str, Any]) -> dict[str, str]:
    """Returns path -> JSON of all that a document says beside inputs, tool and platform.

    Parameters stand without `params.` in front. Members of an object are steps of
    the path, and so are those of a list of objects with names; other lists are
    leaves, as they are, and so is what is empty.
    """
    rest = {name: value for name, value in fields.items() if name not in (*OF_THE_TOOL, "params")}
    params = fields.get("params")
    return dict(_walk("", rest)) | dict(_walk("", params if isinstance(params, dict) else {}))


def _walk(path: str, value: object) -> Iterator[tuple[str, str]]:
    members = _members(value)
    if members is None or (path and not members):
        yield path, json.dumps(value, ensure_ascii=False, sort_keys=True)
        return
    for name, item in members.items():
        yield from _walk(f"{path}.{name}" if path else name, item)


def _members(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        named = {item.get("name"): item for item in value}
        if len(named) == len(value) and all(isinstance(name, str) for name in named):
            return named
    return None


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Returns (path, JSON before, JSON now) of the leaves that differ; "" where there is none."""
    before, now = leaves(old), leaves(new)
    paths = sorted(before.keys() | now.keys())
    found = [(path, before.get(path, ""), now.get(path, "")) for path in paths]
    return [(path, was, is_) for path, was, is_ in found if was != is_ and not _parent(path, before, now)]


def _parent(path: str, before: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Tells whether `path` is an empty object on the one side that has members on the other."""
    empty = {before.get(path), now.get(path)} <= {"{}", "[]", None}
    return empty and any(other.startswith(f"{path}.") for other in (*before, *now))
