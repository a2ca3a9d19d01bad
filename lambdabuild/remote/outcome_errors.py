"""Why an action has no result after its build was over, as an error for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from lambdabuild.errors import ExternalError, LambdaBuildError
from lambdabuild.remote.outcomes import ActionFailure
from lambdabuild.remote.states import VANISHED, BuildState

_LINES: Final = 20
"""Lines of a log that an error shows."""

_OF_CODEBUILD: Final = "[Container] "
"""What lines begin with by which CodeBuild says which phase it is in. What went wrong is in the phases."""

_AGAIN: Final = "run the same command again; what was done is kept"
_REASONS: Final = {
    "FAULT": ("CodeBuild had a fault of its own", _AGAIN),
    "STOPPED": ("somebody stopped the build", _AGAIN),
    VANISHED: ("CodeBuild no longer knows the build", _AGAIN),
    "FAILED": ("the worker ended before it said what became of its order", _AGAIN),
    "SUCCEEDED": (
        "the build ended well, but its results are not in the store",
        "check that its role may write there: lambdabuild doctor",
    ),
}
_QUEUED: Final = (
    "the build waited in CodeBuild's queue for longer than its project allows",
    "see which builds hold the account's places, or ask AWS for more: lambdabuild doctor",
)
_TIMED_OUT: Final = (
    "the build took longer than its project allows",
    "give it more time: lambdabuild bootstrap --build-minutes N",
)


def build_error(state: BuildState, lines: Sequence[str]) -> ExternalError:
    """Returns the error of actions that a build did not get to.

    lines: the last ones of its log.
    """
    message, hint = _REASONS.get(state.status, (f"the build ended with {state.status}", _AGAIN))
    if state.status == "TIMED_OUT":
        entered = [phase.name for phase in state.phases]
        message, hint = _TIMED_OUT if "PROVISIONING" in entered else _QUEUED
    reasons = [phase.message for phase in state.phases if phase.message]
    told = [line for line in lines if not line.startswith(_OF_CODEBUILD)]
    return ExternalError(message, hint=hint, details=(*reasons, *told[-_LINES:], *_page(state)))


def action_error(failure: ActionFailure, state: BuildState, lines: Sequence[str]) -> LambdaBuildError:
    """Returns the error of an action that failed in a build, with the end of its log and the build's page."""
    error = failure.error
    said = {"", error.message, *error.details}
    log = [line for line in failure.log or lines if line not in said]
    error.details = (*error.details, *log[-_LINES:], *_page(state))
    return error


def _page(state: BuildState) -> tuple[str, ...]:
    return (f"the build: {state.console or state.id}",)
