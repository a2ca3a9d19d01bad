"""Which earlier state is the nearest: the one that shares most, and differs in least."""

from __future__ import annotations

from collections.abc import Iterable

from lambdabuild.explain.fields import leaves
from lambdabuild.explain.pairing import entries_of, facts_of
from lambdabuild.explain.state import Find, Hashed, TargetState


def nearest(new: TargetState, now: Find, states: Iterable[TargetState], before: Find) -> TargetState | None:
    """Returns the one of `states` with the fewest facts that differ from those of `new`; of equals the first.

    now, before: give the documents of the actions below `new`, and below `states`.
    """
    wanted = facts(new.target, now)
    return min(states, key=lambda state: len(wanted ^ facts(state.target, before)), default=None)


def nearest_action(new: Hashed, candidates: Iterable[Hashed]) -> Hashed | None:
    """Returns the action with the same tool that differs least in its own document."""
    wanted = facts_of(new)
    same = [each for each in candidates if each.tool == new.tool]
    return min(same, key=lambda each: len(wanted ^ facts_of(each)), default=None)


def facts(start: Hashed, find: Find) -> frozenset[object]:
    """Returns what is said in the documents of `start` and all below it that can be found."""
    found: set[object] = set()
    seen, todo = {start.key}, [start]
    while todo:
        document = todo.pop()
        found |= _own_facts(document)
        for entry in entries_of(document):
            key = entry.reference.get("action")
            if key is not None and key not in seen:
                seen.add(key)
                if below := find(key, entry.maker):
                    todo.append(below)
    return frozenset(found)


def _own_facts(document: Hashed) -> set[object]:
    """Returns what one document says itself: what makes its inputs stands for them."""
    owner = document.label
    found: set[object] = {(owner, document.tool, *leaf) for leaf in leaves(document.fields).items()}
    sources = (entry for entry in entries_of(document) if entry.is_source)
    return found | {(owner, entry.path, entry.place, entry.content) for entry in sources}
