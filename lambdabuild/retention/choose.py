"""All that is known -> what goes, and why the rest stays. Asks nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from lambdabuild.oci.digest import OciDigest
from lambdabuild.retention.held import Held

DAY: Final = 86400.0

UNKNOWN: Final = "nobody has recorded what it is"
FOREIGN: Final = "another workspace's"
TAGGED: Final = "has another tag than that of its hash"
LIVE: Final = "the working tree or a revision gives it"
RUNNING: Final = "a function runs it, or a rollback may"
YOUNG: Final = "young, or of unknown age"
LAST: Final = "one of the last of its target"
BASE: Final = "an image that stays is made of it"

_HASH_TAG = "b3-"


@dataclass(frozen=True, slots=True)
class Needs:
    """What must not go.

    workspace: whose images may go.
    live:      hashes of targets.
    running:   digests of what functions run, and of what they may be brought back to.
    last:      how many images stay of each target and platform in a repository.
    days:      for how many days each image stays; never less than one.
    now:       Unix time.
    """

    workspace: str
    live: AbstractSet[str]
    running: AbstractSet[OciDigest]
    last: int
    days: int
    now: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What goes, in order, and what stays, by why."""

    gone: tuple[Held, ...]
    kept: Mapping[str, tuple[Held, ...]]

    def freed(self, place: str) -> int:
        """Returns the bytes of a repository that only images have that go."""
        staying = {
            blob
            for images in self.kept.values()
            for each in images
            if each.place == place
            for blob in each.sizes or ()
        }
        going = {blob: size for each in self.gone if each.place == place for blob, size in _sizes(each)}
        return sum(size for blob, size in going.items() if blob not in staying)


def choose(images: Sequence[Held], needs: Needs) -> Choice:
    """Returns what goes. Nothing goes of which anything speaks for staying."""
    last = _last(images, needs.last)
    why = {_key(each): _reason(each, needs, last) for each in images}
    _keep_what_they_stand_on(images, why)
    kept: dict[str, list[Held]] = defaultdict(list)
    for each in images:
        if reason := why[_key(each)]:
            kept[reason].append(each)
    gone = tuple(sorted((each for each in images if not why[_key(each)]), key=_key))
    return Choice(gone, {reason: tuple(found) for reason, found in sorted(kept.items())})


def _reason(image: Held, needs: Needs, last: AbstractSet[tuple[str, str]]) -> str:
    """Returns why an image stays for its own sake; "" if nothing speaks for it."""
    # The same bytes count wherever they are.
    if image.digest in needs.running:
        return RUNNING
    if any(origin.hash in needs.live for origin in image.origins):
        return LIVE
    if any(not tag.startswith(_HASH_TAG) for tag in image.tags):
        return TAGGED
    if not image.origins or image.parts:
        return UNKNOWN
    if any(origin.workspace != needs.workspace for origin in image.origins):
        return FOREIGN
    if image.at is None or needs.now - image.at <= max(needs.days, 1) * DAY:
        return YOUNG
    return LAST if _key(image) in last else ""


def _last(images: Sequence[Held], count: int) -> AbstractSet[tuple[str, str]]:
    """Returns the latest images of each target and platform in a repository."""
    targets: dict[tuple[str, str, str], dict[tuple[str, str], float]] = defaultdict(dict)
    for each in images:
        for origin in each.origins:
            targets[each.place, origin.label, origin.platform][_key(each)] = each.at or 0.0
    return {
        key
        for times in targets.values()
        for key in sorted(times, key=lambda key: (times[key], key), reverse=True)[:count]
    }


def _keep_what_they_stand_on(images: Sequence[Held], why: dict[tuple[str, str], str]) -> None:
    """Keeps bases of what stays, in whatever repository, and the manifests of an index that stays."""
    parts = {part for each in images if why[_key(each)] for part in each.parts}
    for each in images:
        if each.digest in parts:
            why[_key(each)] = why[_key(each)] or BASE
    staying = [each.layers for each in images if why[_key(each)]]
    stacks = {layers[:count] for layers in staying for count in range(1, len(layers))}
    for each in images:
        if each.layers in stacks:
            why[_key(each)] = why[_key(each)] or BASE


def _key(image: Held) -> tuple[str, str]:
    return image.place, image.digest


def _sizes(image: Held) -> list[tuple[OciDigest, int]]:
    return list((image.sizes or {}).items())
