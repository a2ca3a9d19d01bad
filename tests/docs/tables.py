"""The parts of the manual that are made from the code: rules, settings, limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lambdabuild.errors import Location
from lambdabuild.rule import COMMON_ATTRS, Attr, Rule
from lambdabuild.rulebook import Rulebook
from lambdabuild.settings import SETTINGS, Setting, Value
from lambdabuild.sources import WorkingTree
from lambdabuild.starlark import guard, interpreter, isolate
from lambdabuild.tools import KINDS


def manual_parts() -> dict[str, str]:
    """Returns the generated parts of docs/manual.md, by name."""
    parts = {f"rule {rule.name}": _rule(rule) for rule in bundled_rules()}
    parts["every target"] = _attributes(COMMON_ATTRS.values())
    parts["settings"] = _settings()
    parts["limits"] = _limits()
    return parts


def hashing_parts() -> dict[str, str]:
    """Returns the generated parts of docs/hashing.md, by name."""
    rows = [(f"`{tool.name}`", str(tool.version)) for tool in KINDS]
    return {"tools": _table(("tool", "version"), sorted(rows))}


def bundled_rules() -> list[Rule]:
    rulebook = Rulebook(WorkingTree(Path("/nonexistent")), say=_silent)
    rulebook.build_file("BUILD", "", "")
    return list(rulebook.rules.values())


def _silent(text: str, at: Location | None) -> None:
    raise AssertionError(text)


def _rule(rule: Rule) -> str:
    table = _attributes(rule.attrs.values()) if rule.attrs else "It has no attributes of its own.\n"
    return f"{rule.doc}\n\n{table}"


def _attributes(attrs: Iterable[Attr]) -> str:
    rows = [(f"`{attr.name}`", _type(attr), _default(attr), attr.doc) for attr in attrs]
    return _table(("attribute", "type", "default", "meaning"), rows)


def _type(attr: Attr) -> str:
    text = f"`{attr.type}`"
    if attr.values:
        text += ": " + ", ".join(f'`"{value}"`' for value in attr.values)
    if attr.words:
        text += " or " + ", ".join(f'`"{word}"`' for word in attr.words)
    return text


def _default(attr: Attr) -> str:
    if attr.mandatory:
        return f"mandatory without `{attr.unless}`" if attr.unless else "mandatory"
    return f'`"{attr.default}"`' if attr.default else ""


def _settings() -> str:
    rows = [
        (f"`{section}.{key}`", _kind(setting), _shown(setting.default), setting.doc)
        for section, settings in SETTINGS.items()
        for key, setting in settings.items()
    ]
    return _table(("key", "type", "default", "meaning"), rows)


def _kind(setting: Setting) -> str:
    if setting.choices:
        return " or ".join(f'`"{choice}"`' for choice in setting.choices)
    return {str: "string", tuple: "list of strings", int: "number", bool: "true or false"}[
        type(setting.default)
    ]


def _shown(default: Value) -> str:
    if isinstance(default, int):
        return f"`{str(default).lower()}`"
    values = (default,) if isinstance(default, str) else default
    return ", ".join(f'`"{value}"`' for value in values if value)


def _limits() -> str:
    rows = [
        ("characters in one file", f"{guard.MAX_BYTES:,}"),
        ("brackets within each other", f"{guard.MAX_BRACKETS:,}"),
        ("operators in one expression", f"{guard.MAX_OPERATORS:,}"),
        ("`elif` branches in one file", f"{guard.MAX_ELIFS:,}"),
        ("calls within each other", f"{interpreter.MAX_CALL_DEPTH:,}"),
        (
            "instructions for one file, or one rule's implementation on one target",
            f"about {interpreter.MAX_CHECKS // 1000} million",
        ),
        ("memory (Linux)", f"{isolate.MEMORY_BYTES >> 30} GiB"),
        ("one operation without progress", f"{isolate.PATIENCE_SECONDS:g} seconds"),
    ]
    return _table(("what", "at most"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["-"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)
