"""Attributes of targets as plain data, and as the text that attr() searches."""

from __future__ import annotations

from typing import Any

from lambdabuild.label import Label
from lambdabuild.rule import Attr, Value


def plain(attr: Attr, value: Value) -> Any:
    """Returns a checked value as strings, numbers, lists and dicts, about as a BUILD file has it.

    Labels are absolute. What is not given and has no default is None, or empty.
    """
    if attr.type == "label_list":
        return [str(label) for label in value]
    if attr.type == "packages":
        return [str(label) + (f"[{','.join(extras)}]" if extras else "") for label, extras in value]
    if attr.type == "sources":
        if not any(places for _, places in value):
            return [str(label) for label, _ in value]
        return {str(label): _places(places) for label, places in value}
    if isinstance(value, Label):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _places(places: tuple[str, ...]) -> str | list[str]:
    return places[0] if len(places) == 1 else list(places)


def text(value: Any) -> str:
    """Returns what attr() searches, in Bazel's form: `[a, b]` for lists, 1 and 0 for True and False.

    Dicts are `{a=b, c=[d, e]}`; None is "".
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={text(item)}" for key, item in value.items()) + "}"
    return str(value)
