"""Changes in words: a sentence for all, and a line for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from lambdabuild.errors import escaped
from lambdabuild.explain.change import EXECUTABLE, Change

MAX_LINES = 40
_MAX_TEXT = 60
_HEX = 6
_SHA256 = len("sha256:") + 12

Counts = Callable[[Change], "tuple[int, int] | None"]
"""Gives the lines added and removed in an edited file, where both versions are at hand."""


def sentence(changes: Sequence[Change]) -> str:
    """Returns what happened, as the end of a sentence: `a.py changed, and 2 other things did`."""
    files = [change for change in changes if not _of_this_machine(change)]
    told = [_clause(change) for change in files]
    if len(files) < len(changes):
        told.append("files of this machine changed")
    if len(told) <= 2:
        return escaped(" and ".join(told))
    return escaped(f"{told[0]}, and {len(told) - 1} more changes")


def lines(changes: Sequence[Change], counts: Counts = lambda change: None) -> list[str]:
    """Returns a line for each change, those of this machine's files folded where they are many."""
    host = [change for change in changes if _of_this_machine(change)]
    folded = host if len(host) > 3 else []
    shown = [change for change in changes if change not in folded]
    found = [detail(change, counts) for change in shown[:MAX_LINES]]
    if len(shown) > MAX_LINES:
        found.append(f"… and {len(shown) - MAX_LINES} more: --json has all")
    if folded:
        found.append(f"{len(folded)} files of this machine, such as {folded[0].place}: --json has all")
    return found


def detail(change: Change, counts: Counts = lambda change: None) -> str:
    """Returns one change as a line, with the way by which it comes in."""
    through = ", ".join(map(_short_label, change.via[1:]))
    return escaped(_line(change, counts) + (f"  through {through}" if through else ""))


def _of_this_machine(change: Change) -> bool:
    return change.place.startswith("/") and bool(change.paths())


def _short_label(text: str) -> str:
    """Returns labels in `text`, which ends with one, as people write them."""
    start, colon, name = text.rpartition(":")
    return start if colon and name and start.endswith(f"/{name}") else text


_CLAUSES = {
    "added": "{place} was added",
    "removed": "{place} was removed",
    "renamed": "{old} was renamed",
    "moved": "{place} goes to another place",
    "attr": "{place} of {owner} changed",
    "tool": "the tool {place} changed",
    "platform": "its platform changed",
    "rule": "its rule changed",
    "package": "the package {place} changed",
    "order": "the order of {place} of {owner} changed",
}


def _clause(change: Change) -> str:
    owner = _short_label(change.owner)
    if change.kind == "mode":
        return f"{change.place} is {'now' if change.new == '+x' else 'no longer'} executable"
    if change.kind == "dependency":
        return f"{_short_label(change.new or change.old)} is {_came(change)} of {owner}"
    form = _CLAUSES.get(change.kind, "{place} changed")
    return form.format(place=_short_label(change.place), old=change.old, owner=owner)


def _came(change: Change) -> str:
    if change.old and change.new:
        return f"in place of {_short_label(change.old)} a part"
    return "now a part" if change.new else "no longer a part"


def _line(change: Change, counts: Counts) -> str:
    match change.kind:
        case "edited":
            return f"{change.place}: {_short(change.old)} → {_short(change.new)}{_counted(counts(change))}"
        case "added" | "removed":
            end = change.new or change.old
            mode = ", executable" if end.endswith(EXECUTABLE) else ""
            return f"{change.place}: {change.kind} ({_short(end)}{mode})"
        case "renamed":
            return f"{change.place}: renamed from {change.old}"
        case "mode":
            return f"{change.place}: mode {change.new}"
        case "moved":
            return f"{change.place}: place {change.old or '(none)'} → {change.new or '(none)'}"
        case "tool":
            version = "version " if change.new.isdecimal() else ""
            return f"tool {change.place}: {version}{change.old} → {change.new}"
        case "base":
            return f"base {change.place}: {change.old[:_SHA256]}… → {change.new[:_SHA256]}…"
        case "order":
            return f"order of {change.place}"
        case "remade" | "unknown":
            known = ", and what it was is no longer known" if change.kind == "unknown" else ""
            ends = [_short(key) if key else "(none)" for key in (change.old, change.new)]
            return f"{_short_label(change.place)}: {' → '.join(ends)}{known}"
    names = {"platform": "platform", "rule": "rule"}
    name = names.get(change.kind, f"{change.kind} {change.place}")
    return f"{name}: {_value(change.old)} → {_value(change.new)}"


def _counted(counts: tuple[int, int] | None) -> str:
    if counts is None:
        return ""
    added, removed = counts
    return f" (+{added} \N{MINUS SIGN}{removed} line{'s' * (added + removed != 1)})"


def _short(digest: str) -> str:
    return f"{digest[:_HEX]}…"


def _value(text: str) -> str:
    """Returns a value as it fits into a line; what could act on a terminal is escaped."""
    if not text:
        return "(none)"
    shown = text if text.isprintable() else json.dumps(text)
    return shown if len(shown) <= _MAX_TEXT else f"{shown[: _MAX_TEXT - 1]}…"
