"""Several functions at once: all are tried out, then all are changed, and if one fails all are put back.

In parallel across functions, one step after the other for one. Only an alias moves at once: between the
update of its code and that of its ImageConfig, a function answers with new code and old handler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from lambdabuild.deploying.deployed import Deployed
from lambdabuild.deploying.plan import Change, at_once
from lambdabuild.deploying.service import Seen
from lambdabuild.deploying.steps import Move, Steps, Stopped
from lambdabuild.errors import ExternalError, LambdaBuildError
from lambdabuild.report import error_json

DEPLOYED: Final = "deployed"
UNCHANGED: Final = "unchanged"
FAILED: Final = "failed"
SKIPPED: Final = "skipped"
ROLLED_BACK: Final = "rolled back"
INTERRUPTED: Final = "interrupted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one function.

    status:  "deployed"; "unchanged", it was as it should be; "failed", and stands somewhere on the way;
             "skipped" after another's failure; "rolled back" to what it was, after its own failure or
             another's; "interrupted" by the user.
    version: the number that was published, "" for none.
    error:   why it failed; for one that was rolled back, why it had to be.
    """

    change: Change
    status: str
    version: str = ""
    error: LambdaBuildError | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            **self.change.to_json(),
            "status": self.status,
            "version": self.version or None,
            "error": error_json(self.error) if self.error else None,
        }


def try_out(changes: Sequence[Change], steps: Steps, *, keep_going: bool) -> tuple[Outcome, ...]:
    """Asks Lambda of all changes whether it would do them; returns those that it would not.

    Raises the first refusal unless told to keep going.
    """

    def ask(change: Change) -> Outcome | None:
        if change.wanted is None or change.seen.runs(change.wanted):
            return None
        try:
            steps.try_out(change.name, change.wanted, change.seen)
        except LambdaBuildError as error:
            if not keep_going:
                raise
            return Outcome(change, FAILED, error=error)
        return None

    return tuple(filter(None, at_once(ask, changes)))


def carry_out(changes: Sequence[Change], steps: Steps, *, keep_going: bool) -> tuple[Outcome, ...]:
    """Does all changes; returns what became of each, in order. Ctrl-C ends it at the next step's end.

    Those that were done are undone when another fails, unless told to keep going.
    """
    failed: list[Outcome] = []

    def do(change: Change) -> Outcome:
        if steps.stopped.is_set() or (failed and not keep_going):
            return Outcome(change, SKIPPED)
        outcome = _one(change, steps)
        if outcome.status == FAILED:
            failed.append(outcome)
        return outcome

    outcomes = at_once(do, changes, on_interrupt=steps.stopped.set)
    if failed and not keep_going:
        outcomes = at_once(lambda outcome: _back(outcome, steps), outcomes, on_interrupt=steps.stopped.set)
    return tuple(outcomes)


def _one(change: Change, steps: Steps) -> Outcome:
    """Does one change, step by step."""
    assert change.wanted is not None
    version = change.restore
    try:
        if change.restore and change.move:  # the alias first: what it points at is whole
            steps.point(change.name, change.move, version)
        steps.bring(change.name, _known(change), change.wanted)
        if change.publish and not change.restore:
            version = steps.publish(change.name, change.wanted)
            if change.move:
                steps.point(change.name, change.move, version)
    except Stopped:
        return Outcome(change, INTERRUPTED)
    except LambdaBuildError as error:
        return Outcome(change, FAILED, version, error)
    return Outcome(change, DEPLOYED if change.reason else UNCHANGED, version)


def _back(outcome: Outcome, steps: Steps) -> Outcome:
    """Puts back what was done, as far as it was done."""
    if outcome.status not in (DEPLOYED, FAILED) and not (
        outcome.status == UNCHANGED and outcome.change.resumed
    ):
        return outcome
    try:
        put_back(outcome.change, outcome.version, steps)
    except Stopped:
        return replace(outcome, status=INTERRUPTED)
    except LambdaBuildError as error:
        return replace(outcome, status=FAILED, error=_stranded(outcome, error))
    return replace(outcome, status=ROLLED_BACK)


def _stranded(outcome: Outcome, error: LambdaBuildError) -> LambdaBuildError:
    """Returns the error for a function that could neither be deployed nor put back."""
    why = (f"it was to be put back because {outcome.error.message}",) if outcome.error else ()
    return ExternalError(
        f"{outcome.change.name} could not be put back: {error.message}",
        hint="lambdabuild deploy --rollback tries it again",
        details=why,
    )


def put_back(change: Change, version: str, steps: Steps) -> Seen:
    """Brings a function back to what it was: its alias first, if that has moved to `version`."""
    assert change.wanted is not None
    move = change.move
    if move and move.before and version:
        now = steps.service.alias(change.name, move.alias)
        if now and now.version == version:
            steps.point(change.name, Move(move.alias, now), move.before)
    return steps.bring(change.name, (*_known(change), change.wanted), change.before)


def _known(change: Change) -> tuple[Deployed, ...]:
    """Returns what the function may be made of while it changes."""
    return (change.before, change.seen.deployed)
