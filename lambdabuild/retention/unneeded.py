"""What a store holds, and what is needed of it -> what goes. Asks nobody.

A result is needed for a key of something that lives, or for having the same bytes as such a one: each is
kept under two keys. A blob is needed if a result that stays names it, or if it is a source of what lives.
What is young stays, by S3's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from lambdabuild.action import ActionResult
from lambdabuild.digest import Digest, Key
from lambdabuild.retention.choose import DAY
from lambdabuild.store.s3.bucket import Listed
from lambdabuild.store.s3.compaction import MERGED
from lambdabuild.store.s3.packs import LARGE, Member
from lambdabuild.store.s3.segments import Entry, made_at
from lambdabuild.store.s3.survey import Survey

WASTED: Final = 0.5
"""The part of a pack that nobody needs from which on the rest is worth a new one."""


@dataclass(frozen=True, slots=True)
class StoreNeeds:
    """What must not go.

    keys:  deep keys of all actions of what lives.
    blobs: sources of what lives, with the messages of their trees.
    days:  for how many days everything stays; never less than one.
    """

    keys: AbstractSet[str]
    blobs: AbstractSet[Digest]
    days: int

    def oldest(self, now: float) -> float:
        """Returns the time from which on everything is young."""
        return now - max(self.days, 1) * DAY


@dataclass(frozen=True, slots=True)
class Unneeded:
    """What goes.

    results:   keys.
    objects:   of cas/, with their bytes.
    packs:     of cas/ that go once those of their members that are named here lie in a new one.
    sizes:     bytes of these packs.
    documents: packs of keys/, with their bytes.
    blobs:     how many blobs that are.
    """

    results: frozenset[Key] = frozenset()
    objects: Mapping[str, int] = field(default_factory=dict)
    packs: Mapping[str, frozenset[Member]] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, int] = field(default_factory=dict)
    blobs: int = 0

    @property
    def bytes(self) -> int:
        """Bytes that the bucket has less in the end; segments, which are small, are not counted."""
        kept = sum(member.length for members in self.packs.values() for member in members)
        whole = (*self.objects.values(), *self.sizes.values(), *self.documents.values())
        return sum(whole) - kept


def unneeded_results(survey: Survey, needs: StoreNeeds) -> frozenset[Key]:
    """Returns the keys whose results go."""
    oldest = needs.oldest(survey.now)
    live = {entry.result for key, entry in survey.entries() if key in needs.keys}
    staying, known = set(), set()
    for key, entry in survey.entries():
        known.add(key)
        if key in needs.keys or entry.result in live or made_at(entry) > oldest:
            staying.add(key)
    return frozenset(known - staying)


def unneeded(survey: Survey, needs: StoreNeeds, results: frozenset[Key]) -> Unneeded:
    """Returns all that goes. results: those that go; what any other one names stays."""
    left = [entry for key, entry in survey.entries() if key not in results]
    wanted = frozenset(_outputs(left)) | needs.blobs
    members = survey.members()
    old = _old(survey.objects, needs.oldest(survey.now))
    used = {name: frozenset(m for m in members[name] if m.digest in wanted) for name in old}
    packs = {name: used[name] for name in old if used[name] and _is_wasted(used[name], old[name])}
    objects = {name: size for name, size in old.items() if not used[name]}
    named = {entry.document.pack for entry in left}
    documents = _old(survey.documents, needs.oldest(survey.now))
    return Unneeded(
        results,
        objects,
        packs,
        {name: old[name] for name in packs},
        {name: size for name, size in documents.items() if name not in named},
        _blobs_gone(members, objects, packs),
    )


def _old(listed: Mapping[str, Listed], oldest: float) -> dict[str, int]:
    """Returns the bytes of the objects that are not young."""
    return {name: each.size for name, each in listed.items() if each.modified <= oldest}


def _blobs_gone(
    members: Mapping[str, frozenset[Member]],
    objects: Mapping[str, int],
    packs: Mapping[str, frozenset[Member]],
) -> int:
    """Returns how many blobs are nowhere any more."""
    gone = objects.keys() | packs.keys()
    left = [*packs.values(), *(each for name, each in members.items() if name not in gone)]
    told = {m.digest for name in gone for m in members[name]}
    return len(told - {m.digest for each in left for m in each})


def _outputs(entries: Iterable[Entry]) -> Iterable[Digest]:
    """Yields the blobs that results name."""
    for data in {entry.result for entry in entries}:
        try:
            result = ActionResult.from_json(data)
        except ValueError:
            continue  # nobody can read it, so it names nothing to anybody
        yield from (node.digest for node in result.outputs.values())


def _is_wasted(used: frozenset[Member], size: int) -> bool:
    """Tells whether an object is a pack of which so little is needed that it had better be a new one."""
    needed = sum(member.length for member in used)
    small = all(member.digest.size < LARGE for member in used)
    return small and size <= MERGED and needed <= (1 - WASTED) * size
