"""Which input of one document is which of another.

Paths alone do not say: layers are numbered, so one more in front gives all
others another path. So inputs that are equal are matched first, wherever they
are, then sources by where they lie in the workspace, then outputs by what makes
them, the most alike actions of one target first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lambdabuild.explain.fields import leaves
from lambdabuild.explain.state import Find, Hashed, Maker, Origin


@dataclass(frozen=True, slots=True)
class Entry:
    """One input. `made` is the document of the action that puts it out, if that is known."""

    path: str
    reference: Mapping[str, Any]
    origin: Origin | None
    made: Hashed | None = None

    @property
    def is_source(self) -> bool:
        return "digest" in self.reference

    @property
    def place(self) -> str:
        """Where a source lies in the workspace; in the input root where nothing else is known."""
        return self.origin if isinstance(self.origin, str) else self.path

    @property
    def maker(self) -> Maker | None:
        return self.origin if isinstance(self.origin, Maker) else None

    @property
    def label(self) -> str:
        """The label of the target whose action puts it out, "" where that is not known."""
        return self.maker.label if self.maker else ""

    @property
    def content(self) -> tuple[object, ...]:
        """What equal inputs share."""
        return tuple(sorted(self.reference.items()))


class Pairs(NamedTuple):
    """Inputs of two documents, those at one path that are equal left out."""

    both: list[tuple[Entry, Entry]]
    old: list[Entry]
    new: list[Entry]


def pair_sources(old: Hashed, new: Hashed) -> Pairs:
    """Matches sources by their path in the workspace; at one place in the input root before others."""
    exact = _matched(Pairs([], *_differing(old, new, sources=True)), lambda entry: (entry.place, entry.path))
    return _matched(exact, lambda entry: entry.place)


def pair_outputs(old: Hashed, new: Hashed, before: Find, now: Find) -> Pairs:
    """Matches outputs of actions: equal ones, then the most alike of one target."""
    equal = _matched(Pairs([], *_differing(old, new, sources=False)), lambda entry: entry.content)
    left = [_with_document(entry, before) for entry in equal.old]
    right = [_with_document(entry, now) for entry in equal.new]
    alike: list[tuple[Entry, Entry]] = []
    used: set[int] = set()
    for one, other in _by_likeness(left, right):
        if not {id(one), id(other)} & used:
            used |= {id(one), id(other)}
            alike.append((one, other))
    rest = ([entry for entry in entries if id(entry) not in used] for entries in (left, right))
    return Pairs([*equal.both, *alike], *rest)


def _differing(old: Hashed, new: Hashed, *, sources: bool) -> tuple[list[Entry], list[Entry]]:
    """Returns the sources, or the outputs, that are not equal at their path."""
    return _entries(old, new, sources=sources), _entries(new, old, sources=sources)


def entries_of(document: Hashed) -> list[Entry]:
    """Returns the inputs of `document`."""
    return [Entry(path, reference, document.origins.get(path)) for path, reference in document.inputs.items()]


def _entries(document: Hashed, other: Hashed, *, sources: bool) -> list[Entry]:
    return [
        entry
        for entry in entries_of(document)
        if entry.is_source == sources and other.inputs.get(entry.path) != entry.reference
    ]


def _matched(pairs: Pairs, name: Callable[[Entry], object]) -> Pairs:
    """Returns `pairs` with those of one name, which were not paired, paired as well."""
    waiting: dict[object, list[Entry]] = {}
    for entry in reversed(pairs.old):
        waiting.setdefault(name(entry), []).append(entry)
    both, new = list(pairs.both), []
    for entry in pairs.new:
        if matches := waiting.get(name(entry)):
            both.append((matches.pop(), entry))
        else:
            new.append(entry)
    return Pairs(both, [entry for entries in waiting.values() for entry in reversed(entries)], new)


def _with_document(entry: Entry, find: Find) -> Entry:
    return replace(entry, made=find(entry.reference["action"], entry.maker))


def _by_likeness(left: Iterable[Entry], right: Iterable[Entry]) -> list[tuple[Entry, Entry]]:
    """Returns the pairs that can be one input before and now, the most alike first."""
    facts = {
        id(entry): facts_of(entry.made) if entry.made else frozenset()
        for entries in (left, right)
        for entry in entries
    }
    ranked = []
    for one in left:
        for other in right:
            if not _comparable(one, other):
                continue
            shared = len(facts[id(one)] & facts[id(other)])
            same = one.origin == other.origin
            if shared or (one.path == other.path and not _is_leaf(one)) or one.made is None:
                ends = (min(one.path, other.path), max(one.path, other.path))
                rank = (-shared, one.path != other.path, not same, ends)
                ranked.append((rank, one, other))
    return [(one, other) for _, one, other in sorted(ranked, key=lambda each: each[0])]


def _comparable(one: Entry, other: Entry) -> bool:
    if one.label != other.label or one.reference["output"] != other.reference["output"]:
        return False
    if one.made is None or other.made is None:
        return one.path == other.path
    return one.made.tool == other.made.tool


def _is_leaf(entry: Entry) -> bool:
    return entry.made is not None and not entry.made.inputs


def facts_of(document: Hashed) -> frozenset[object]:
    """Returns what an action's document says, as things that another can say as well."""
    told = leaves(document.fields).items()
    facts: set[object] = {(path, value) for path, value in told if path != "outputs"}
    for entry in entries_of(document):
        facts |= {("path", entry.path), ("place", entry.place), entry.content}
    return frozenset(facts)
