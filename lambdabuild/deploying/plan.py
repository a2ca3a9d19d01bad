"""What functions run against what they should: the changes that a deploy makes, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.deploying.deployed import PLATFORMS, Deployed
from lambdabuild.deploying.names import WantedFunction
from lambdabuild.deploying.offers import Offer
from lambdabuild.deploying.service import Alias, Seen
from lambdabuild.deploying.steps import Move, Service, Steps
from lambdabuild.errors import UserError

REQUESTS: Final = 8
"""Functions that are worked on at once."""

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Change:
    """What a deploy does to one function.

    seen:    the function when it was looked at.
    before:  what a rollback brings back: what it ran then, or before an earlier deploy that was cut off.
    wanted:  what it has to run; None while its image is not in the registry.
    reason:  why it changes; "" if it does not.
    move:    the alias that has to follow, or None.
    publish: whether a version is published of it.
    restore: the version that the alias goes to, where that is known before: in a rollback.
    """

    name: str
    label: str
    platform: str
    hash: str
    seen: Seen
    before: Deployed
    wanted: Deployed | None
    reason: str
    move: Move | None = None
    publish: bool = False
    restore: str = ""

    @property
    def resumed(self) -> bool:
        """Whether an earlier deploy that was cut off is gone on with."""
        return not self.before.same(self.seen.deployed)

    @property
    def needed(self) -> bool:
        """Whether there is anything to ask of Lambda, if only for a version of what runs already."""
        return bool(self.reason) or self.resumed or (self.publish and self.move is None)

    def to_json(self) -> dict[str, Any]:
        return {
            "function": self.name,
            "label": self.label,
            "platform": self.platform,
            "hash": self.hash or None,
            "from": self.before.to_json(),
            "to": self.wanted.to_json() if self.wanted else None,
            "alias": self.move.alias if self.move else None,
            "reason": self.reason or None,
        }


@dataclass(frozen=True, slots=True)
class Releases:
    """Whether versions are published, and which alias ("" for none) points at them."""

    publish: bool = False
    alias: str = ""


def plan_changes(
    functions: Sequence[WantedFunction],
    offers: Mapping[ConfiguredLabel, Offer],
    steps: Steps,
    releases: Releases,
) -> tuple[Change, ...]:
    """Returns what becomes of each function; raises the first error, e.g. for one that is not there."""

    def change(function: WantedFunction) -> Change:
        try:
            return _change(function, offers, steps, releases)
        except UserError as error:
            error.located(function.at)
            raise

    return tuple(at_once(change, functions))


def at_once(
    work: Callable[[T], U], items: Sequence[T], on_interrupt: Callable[[], object] = lambda: None
) -> list[U]:
    """Returns what `work` gives for each item, several at a time; raises the first error.

    on_interrupt: is called at Ctrl-C, so that what is under way comes to an end; only then it is raised.
    """
    if not items:
        return []
    with ThreadPoolExecutor(min(REQUESTS, len(items)), thread_name_prefix="functions") as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            on_interrupt()
            for future in futures:
                future.cancel()
            raise


def _change(
    function: WantedFunction, offers: Mapping[ConfiguredLabel, Offer], steps: Steps, releases: Releases
) -> Change:
    seen = steps.settled(function.name)
    offer = offers[_image_for(function, seen.deployed)]
    now = seen.deployed
    wanted = None
    if offer.digest:
        config = now.config.calling(function.handler, default=function.default)
        wanted = Deployed(offer.reference.name, offer.digest, now.architecture, config)
    move, reason = None, _reason(seen, wanted)
    if releases.alias:
        move = Move(releases.alias, _alias(function.name, releases.alias, steps.service))
        reason = reason or _alias_reason(function.name, move, wanted, steps.service)
    return Change(
        function.name,
        str(function.label),
        offer.id.platform,
        offer.hash,
        seen,
        now,
        wanted,
        reason,
        move,
        releases.publish or bool(releases.alias),
    )


def _image_for(function: WantedFunction, now: Deployed) -> ConfiguredLabel:
    """Returns the image for the function's processor; raises UserError if it is built for others alone."""
    platform = PLATFORMS.get(now.architecture, now.architecture)
    if platform in function.images:
        return function.images[platform]
    raise UserError(
        f"the function {function.name} is for {now.architecture}, "
        f"and {function.label.short} is built for {', '.join(sorted(function.images))}",
        at=function.at,
        hint=f'add "{platform}" to its platforms, '
        "or change the function's architecture where your infrastructure is made",
    )


def _reason(seen: Seen, wanted: Deployed | None) -> str:
    now = seen.deployed
    if wanted is None:
        return "its image is not pushed yet"
    if not now.same_code(wanted):
        return "another image"
    if seen.problem:
        return f"its last update failed: {seen.problem}"
    if now.config != wanted.config:
        return (
            f"calls {' '.join(now.config.command) or 'what its image says'}, not {wanted.config.command[0]}"
        )
    return ""


def _alias(name: str, alias: str, service: Service) -> Alias | None:
    """Returns where the alias is now; raises UserError if it is in two places."""
    known = service.alias(name, alias)
    if known and known.weighted:
        raise UserError(
            f"the alias {alias} of {name} sends a part of its calls to another version",
            hint=f"end that first: aws lambda update-alias --function-name {name} --name {alias} "
            "--routing-config AdditionalVersionWeights={}",
        )
    return known


def _alias_reason(name: str, move: Move, wanted: Deployed | None, service: Service) -> str:
    """Returns why the alias of a function that is as it should be has to move all the same."""
    if move.known is None:
        return f"it has no alias {move.alias}"
    behind = service.look(name, move.known.version)
    if wanted and behind.deployed.same(wanted):
        return ""
    return f"its alias {move.alias} is at version {move.known.version}, which is another"
