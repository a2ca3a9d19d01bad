"""One function from one state to another: code, then ImageConfig, then a version, then the alias.

    look -> change, guarded by the revision that was looked at -> wait until it is over -> look again

So a step that is done already is not done again, whoever did it: an earlier run that was killed, or a
request whose answer was lost. A function that is neither what it was nor on its way to what it should
be was changed by somebody else, and is left alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from lambdabuild.deploying.deployed import Deployed, ImageConfig
from lambdabuild.deploying.service import Alias, Busy, Outdated, Seen, failed, never_ends
from lambdabuild.errors import ExternalError

ATTEMPTS: Final = 8
"""How often a change is tried that others got in the way of."""


class Service(Protocol):
    """What steps need of Lambda; see `service.Lambda`."""

    def look(self, name: str, qualifier: str | None = None) -> Seen: ...

    def update_code(self, name: str, wanted: Deployed, revision: str, *, dry: bool = False) -> None: ...

    def update_config(self, name: str, config: ImageConfig, revision: str) -> None: ...

    def publish(self, name: str, revision: str) -> str: ...

    def alias(self, name: str, alias: str) -> Alias | None: ...

    def point(self, name: str, alias: str, version: str, known: Alias | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How an update is waited for. limit: seconds, as FunctionUpdatedV2's 300 times 1."""

    limit: float = 300.0
    first: float = 0.1
    longest: float = 1.0
    now: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def pause(self, attempt: int) -> None:
        """Waits before the next look, at first a short while."""
        self.sleep(min(self.longest, self.first * 2.0 ** min(attempt, 10)))


@dataclass(frozen=True, slots=True)
class Move:
    """An alias that has to point at what is deployed.

    known:  where it was when that was planned; None: there was none.
    origin: the version that it was at before an earlier deploy that was cut off; "" for that of `known`.
    """

    alias: str
    known: Alias | None
    origin: str = ""

    @property
    def known_version(self) -> str:
        return self.known.version if self.known else ""

    @property
    def before(self) -> str:
        """The version that a rollback brings it back to; "" if there was none."""
        return self.origin or self.known_version


class Stopped(Exception):
    """The user wants no more; what was under way is over."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Brings functions from state to state. For any thread, one function in one thread at a time.

    stopped: is set when no further step may begin.
    """

    service: Service
    patience: Patience
    stopped: threading.Event = field(default_factory=threading.Event)

    def settled(self, name: str) -> Seen:
        """Returns a function once no update of it is under way; raises ExternalError if that never comes."""
        began, attempt = self.patience.now(), 0
        while (seen := self.service.look(name)).busy:
            if self.patience.now() - began >= self.patience.limit:
                raise never_ends(name, self.patience.limit)
            self.patience.pause(attempt)
            attempt += 1
        return seen

    def try_out(self, name: str, wanted: Deployed, known: Seen) -> None:
        """Asks whether Lambda would take the image; raises what it says against that."""
        seen = known
        for attempt in range(ATTEMPTS):
            try:
                return self.service.update_code(name, wanted, seen.revision, dry=True)
            except (Busy, Outdated):
                self.patience.pause(attempt)
                seen = self.settled(name)
                if not seen.deployed.same(known.deployed):
                    raise elsewhere(name, seen.deployed) from None
        raise _no_peace(name)

    def bring(self, name: str, known: Sequence[Deployed], wanted: Deployed) -> Seen:
        """Brings $LATEST to `wanted`; returns it as it is then.

        known: what it may be on the way there. Anything else is somebody else's, and left alone.
        """
        mine = (*known, wanted)

        def has_code(seen: Seen) -> bool:
            return not seen.problem and seen.deployed.same_code(wanted)

        def give_code(seen: Seen) -> None:
            self.service.update_code(name, wanted, seen.revision)

        def give_config(seen: Seen) -> None:
            self.service.update_config(name, wanted.config, seen.revision)

        self._change(name, mine, has_code, give_code)
        return self._change(name, mine, lambda seen: seen.runs(wanted), give_config)

    def publish(self, name: str, wanted: Deployed) -> str:
        """Returns the number of the version that is `wanted`, which $LATEST is."""
        for attempt in range(ATTEMPTS):
            self._go_on()
            seen = self.settled(name)
            if not seen.deployed.same(wanted):
                raise elsewhere(name, seen.deployed)
            try:
                return self.service.publish(name, seen.revision)
            except (Busy, Outdated):
                self.patience.pause(attempt)
        raise _no_peace(name)

    def point(self, name: str, move: Move, version: str) -> None:
        """Points an alias at a version, unless somebody else has moved it since it was looked at."""
        self._go_on()
        if move.known is not None and move.known.version == version:
            return
        try:
            self.service.point(name, move.alias, version, move.known)
        except (Busy, Outdated):
            found = self.service.alias(name, move.alias)
            if found is None or found.version != version:
                raise moved_by_others(name, move, found) from None

    def _change(
        self,
        name: str,
        mine: Sequence[Deployed],
        done: Callable[[Seen], bool],
        change: Callable[[Seen], None],
    ) -> Seen:
        changed = False
        for attempt in range(ATTEMPTS):
            self._go_on()
            seen = self.settled(name)
            if done(seen):
                return seen
            if changed and seen.problem:
                raise failed(name, seen.problem)
            if not made_of(seen.deployed, mine):
                raise elsewhere(name, seen.deployed)
            try:
                change(seen)
                changed = True
            except (Busy, Outdated):
                self.patience.pause(attempt)
        raise _no_peace(name)

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise Stopped


def made_of(found: Deployed, known: Sequence[Deployed]) -> bool:
    """Tells whether a function has the code of one of `known` and the ImageConfig of one."""
    return any(found.same_code(each) for each in known) and found.config in {each.config for each in known}


def elsewhere(name: str, found: Deployed) -> ExternalError:
    handler = f" with the command {' '.join(found.config.command)}" if found.config.command else ""
    return ExternalError(
        f"somebody else has deployed {name} in between: it runs {found.uri}{handler}",
        hint=f"lambdabuild status --function {name} says what that is; deploy again to replace it",
    )


def moved_by_others(name: str, move: Move, found: Alias | None) -> ExternalError:
    was = f"version {move.known.version}" if move.known else "nothing"
    now = f"version {found.version}" if found else "nothing"
    return ExternalError(
        f"somebody else has moved the alias {move.alias} of {name} in between: "
        f"it pointed at {was}, and points at {now}",
        hint="deploy again to move it all the same",
    )


def _no_peace(name: str) -> ExternalError:
    return ExternalError(
        f"others change {name} again and again, {ATTEMPTS} times now",
        hint="let no two deploys of one function run at once, and run the same command again",
    )
