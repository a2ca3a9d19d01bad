"""Two documents that are hashed -> the changes that lead from the one to the other.

Walks both graphs of documents together, from the target down, along inputs that
differ, and stops where a change is a cause: a file, a parameter, a tool, a base.
So equal parts are never entered, and of equal keys there is nothing to tell.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from lambdabuild.explain.change import EXECUTABLE, Change, mode_of, settle
from lambdabuild.explain.fields import changed
from lambdabuild.explain.pairing import Entry, Pairs, entries_of, pair_outputs, pair_sources
from lambdabuild.explain.state import Find, Hashed, TargetState
from lambdabuild.oci.digest import sha256_of

Via = tuple[str, ...]


def difference(old: Hashed, new: Hashed, before: Find, now: Find) -> tuple[Change, ...]:
    """Returns what leads from `old` to `new`, through dependencies down to the causes, each once.

    before, now: give the documents of the actions below `old` and `new`.
    """
    return _settled(old, new, _Walk(before, now, follow=True))


def direct_difference(old: Hashed, new: Hashed, before: Find, now: Find) -> tuple[Change, ...]:
    """Returns the same, but of what other actions make only that they make it anew."""
    return _settled(old, new, _Walk(before, now, follow=False))


def state_difference(old: TargetState, new: TargetState, before: Find, now: Find) -> tuple[Change, ...]:
    """Returns what leads from one state of a target to another."""
    rule = [Change("rule", new.label, old.kind, new.kind, (new.label,))] if old.kind != new.kind else []
    return (*rule, *difference(old.target, new.target, before, now))


def _settled(old: Hashed, new: Hashed, walk: _Walk) -> tuple[Change, ...]:
    found = settle(walk.compare(old, new))
    # What only went from one layer to another leaves nothing else to tell.
    return found or (() if old.key == new.key else (Change("order", "inputs", via=_via(new)),))


def _via(document: Hashed) -> Via:
    return (document.label,) if document.label else ()


class _Walk:
    def __init__(self, before: Find, now: Find, *, follow: bool) -> None:
        self._before = before
        self._now = now
        self._follow = follow
        self._todo: deque[tuple[Hashed, Hashed, Via]] = deque()
        self._seen: set[tuple[str, str]] = set()

    def compare(self, old: Hashed, new: Hashed) -> list[Change]:
        """Returns all causes, breadth first, so that the shortest way to each is the first."""
        self._enter(old, new, ())
        found: list[Change] = []
        while self._todo:
            found += self._pair(*self._todo.popleft())
        return found

    def _enter(self, old: Hashed, new: Hashed, via: Via) -> None:
        if old.key != new.key and (old.key, new.key) not in self._seen:
            self._seen.add((old.key, new.key))
            label = new.label or old.label
            self._todo.append((old, new, via if via[-1:] == (label,) or not label else (*via, label)))

    def _pair(self, old: Hashed, new: Hashed, via: Via) -> list[Change]:
        if new.label.startswith("@"):
            return _base(old, new, via)
        if old.tool != new.tool:
            return [Change("tool", new.tool or "none", old.tool, new.tool, via)]
        sources = pair_sources(old, new)
        outputs = pair_outputs(old, new, self._before, self._now)
        return [*_fields(old, new, via), *_sources(sources, old, new, via), *self._outputs(outputs, via)]

    def _outputs(self, pairs: Pairs, via: Via) -> Iterator[Change]:
        for old, new in pairs.both:
            yield from self._output(old, new, via)
        yield from _order(pairs, via)
        yield from self._replaced(pairs, via)

    def _output(self, old: Entry, new: Entry, via: Via) -> Iterator[Change]:
        """Yields what is to say of an output, and enters the actions that make it."""
        modes = [json.dumps(entry.reference.get("executable")) for entry in (old, new)]
        if modes[0] != modes[1]:
            yield Change("attr", f"{new.path} mode", modes[0], modes[1], via)
        key, other = old.reference["action"], new.reference["action"]
        if key == other:
            return
        if not self._follow:
            yield Change("remade", _made(new), key, other, via)
        elif old.made is None or new.made is None:
            yield Change("unknown", _made(new), key, other, via)
        else:
            self._enter(old.made, new.made, via)

    def _replaced(self, pairs: Pairs, via: Via) -> Iterator[Change]:
        """Yields what is to say of outputs that are only there before, or only now."""
        own = via[-1] if via else ""
        old = {entry.path: entry for entry in pairs.old}
        for new in pairs.new:
            other = old.get(new.path)
            if other and other.label != new.label and new.label and other.label:
                del old[new.path]
                yield Change("dependency", new.path, other.label, new.label, via)
            else:
                yield from self._alone(new, own, self._now, via, gone=False)
        for entry in old.values():
            yield from self._alone(entry, own, self._before, via, gone=True)

    def _alone(self, entry: Entry, own: str, find: Find, via: Via, *, gone: bool) -> Iterator[Change]:
        """Yields what came, or went, with one action: its files where it is of the same target."""
        if not self._follow:
            was, now = _ends(entry.reference["action"], gone=gone)
            yield Change("remade", _made(entry), was, now, via)
            return
        if entry.label != own or entry.made is None:
            yield _dependency(entry, via, gone=gone)
            return
        seen, todo = {entry.made.key}, [entry.made]
        while todo:
            made = todo.pop()
            if made.tool == "fetch":
                yield _package(made, via, gone=gone)
            for below in entries_of(made):
                taken = below.label == own and not below.is_source
                found = find(below.reference["action"], below.maker) if taken else None
                if below.is_source:
                    yield _source(below, via, gone=gone)
                elif found is None:
                    yield _dependency(below, via, gone=gone)
                elif found.key not in seen:
                    seen.add(found.key)
                    todo.append(found)


def _made(entry: Entry) -> str:
    """Returns which action puts out an input, for people."""
    tool = entry.made.tool if entry.made else entry.reference["output"]
    return f"{tool} of {entry.label}" if entry.label else entry.path


def _dependency(entry: Entry, via: Via, *, gone: bool) -> Change:
    was, now = _ends(entry.label or entry.path, gone=gone)
    return Change("dependency", entry.path, was, now, via)


def _package(fetch: Hashed, via: Via, *, gone: bool) -> Change:
    was, now = _ends(str(_params(fetch).get("file")), gone=gone)
    return Change("package", str(_params(fetch).get("project")), was, now, via)


def _params(document: Hashed) -> Mapping[str, Any]:
    params = document.fields.get("params")
    return params if isinstance(params, dict) else {}


def _ends(text: str, *, gone: bool) -> tuple[str, str]:
    return (text, "") if gone else ("", text)


def _fields(old: Hashed, new: Hashed, via: Via) -> Iterator[Change]:
    """Yields the parameters that differ, and what else a document says."""
    for kind, place, name in (("tool", new.tool, "tool_version"), ("platform", "", "platform")):
        was, now = (str(each.fields.get(name, "")) for each in (old, new))
        if was != now:
            yield Change(kind, place, was, now, via)
    found = changed(old.fields, new.fields)
    if new.tool == "fetch" and found:
        was, now = (str(_params(each).get("file")) for each in (old, new))
        yield Change("package", str(_params(new).get("project")), was, now, via)
        return
    for path, before, now in found:
        yield Change("attr", path, before, now, via)


def _sources(pairs: Pairs, old: Hashed, new: Hashed, via: Via) -> Iterator[Change]:
    for before, after in pairs.both:
        yield from _one_source(before, after, via)
    for entries, other, gone in ((pairs.old, new, True), (pairs.new, old, False)):
        places = {entry.place for entry in entries_of(other) if entry.is_source} if entries else set()
        for entry in entries:
            if entry.place in places:
                was, now = _ends(entry.path, gone=gone)
                yield Change("moved", entry.place, was, now, via)
            else:
                yield _source(entry, via, gone=gone)


def _one_source(old: Entry, new: Entry, via: Via) -> Iterator[Change]:
    was, now = old.reference["digest"], new.reference["digest"]
    if was != now:
        yield Change("edited", new.place, was, now, via)
    was, now = (mode_of(entry.reference.get("executable") is True) for entry in (old, new))
    if was != now:
        yield Change("mode", new.place, was, now, via)
    if old.path != new.path:
        yield Change("moved", new.place, old.path, new.path, via)


def _source(entry: Entry, via: Via, *, gone: bool) -> Change:
    text = entry.reference["digest"] + (EXECUTABLE if entry.reference.get("executable") is True else "")
    was, now = _ends(text, gone=gone)
    return Change("removed" if gone else "added", entry.place, was, now, via)


def _order(pairs: Pairs, via: Via) -> Iterator[Change]:
    """Yields the directories of the input root whose numbered inputs stand in another order."""
    places: dict[str, list[tuple[str, str]]] = {}
    for old, new in pairs.both:
        directory = new.path.rpartition("/")[0]
        # Among actions of one target, which is which is a guess where they are not equal.
        sure = old.content == new.content or (new.label,) != via[-1:]
        if sure and directory == old.path.rpartition("/")[0]:
            places.setdefault(directory, []).append((old.path, new.path))
    for directory, paths in places.items():
        now = [new for _, new in sorted(paths)]
        if now != sorted(now):
            yield Change("order", directory, via=via)


def _base(old: Hashed, new: Hashed, via: Via) -> list[Change]:
    """Returns that an external image is another one: told once, by its manifest."""
    was, now = (str(_params(each).get("content", "")) for each in (old, new))
    if not _is_manifest(was) or not _is_manifest(now):
        return []
    return [Change("base", new.label, sha256_of(was.encode()), sha256_of(now.encode()), via[:-1])]


def _is_manifest(text: str) -> bool:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("layers"), list)
