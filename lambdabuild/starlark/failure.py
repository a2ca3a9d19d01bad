"""What the evaluator says when it fails, turned into an error with places.

starlark-pyo3 gives one string: frames ("  * file:line, in name"), the message
after "error: ", and the place of the failure after " --> ".
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lambdabuild.errors import Location, UserError

MAX_CALLS_SHOWN = 5  # at each end

_FAIL = "fail: "
_FRAME = re.compile(r"^  \* (.+?):(\d+)(?::\d+)?, in (.+)$", re.MULTILINE)
_MESSAGE = re.compile(r"^error: ([\s\S]*?)(?:\n *--> |\Z)", re.MULTILINE)
_PLACE = re.compile(r"\n *--> (.+?):(\d+):(\d+)\n")


class Frame(NamedTuple):
    """One call on the way to a failure or to a host function."""

    file: str
    line: int
    function: str


class EvaluationError(UserError):
    """Starlark code failed.

    frames: the calls in user-visible files, outermost first.
    """

    frames: tuple[Frame, ...] = ()


def is_internal(file: str) -> bool:
    """Tells whether `file` is glue of ours that no user should be pointed at."""
    return file.startswith("<")


def parse_frames(text: str) -> tuple[Frame, ...]:
    """Returns the user-visible frames of a call stack or an error, outermost first."""
    frames = (Frame(file, int(line), name) for file, line, name in _FRAME.findall(text))
    return tuple(frame for frame in frames if not is_internal(frame.file))


def failure_from(text: str, *, hint: str | None = None) -> EvaluationError:
    """Returns the error that the evaluator's message `text` describes."""
    found = _MESSAGE.search(text)
    message = (found[1] if found else text).strip("\n")
    head, *rest = message.split("\n")
    if head.startswith(_FAIL):
        head = head.removeprefix(_FAIL)  # the user's own words
    else:
        head, _, suggestion = _sentence(head.removeprefix("Parse error: ")).partition(", did you mean ")
        head = head.partition(", expected one of ")[0]  # the grammar's token names help nobody
        if suggestion:
            hint = f"did you mean {suggestion}"
    frames = parse_frames(text)
    error = EvaluationError(
        head, at=_place(text, frames), hint=hint, details=tuple(line.rstrip() for line in rest)
    )
    error.frames = frames
    callers = frames[:-1] if error.at and frames and frames[-1].file == error.at.path else frames
    error.details += _shortened(
        [f"called from {f.file}:{f.line}, in {f.function}" for f in reversed(callers)]
    )
    return error


def _shortened(lines: list[str]) -> tuple[str, ...]:
    """Returns `lines` without the middle of what recursion makes long."""
    left_out = len(lines) - 2 * MAX_CALLS_SHOWN
    if left_out <= 1:
        return tuple(lines)
    return (*lines[:MAX_CALLS_SHOWN], f"and {left_out} more calls", *lines[-MAX_CALLS_SHOWN:])


def _place(text: str, frames: tuple[Frame, ...]) -> Location | None:
    place = _PLACE.search(text)
    if place and not is_internal(place[1]):
        return Location(place[1], int(place[2]), int(place[3]))
    return Location(frames[-1].file, frames[-1].line) if frames else None


def _sentence(message: str) -> str:
    message = message.replace("`", "'").rstrip(".")
    # Lower-case the evaluator's own sentences ("Variable 'x' not found"), not words like "BUILD".
    return message[:1].lower() + message[1:] if message[1:2].islower() else message
