"""What an invocation came to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["response", "handler error", "init error", "exit", "timeout"]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the caller of a function gets, and how it came about.

    kind:          "response"       the handler returned;
                   "handler error"  it raised, or returned what cannot be sent;
                   "init error"     its module could not be imported or lacks it;
                   "exit"           the process ended before it answered;
                   "timeout"        there was no answer in time.
    payload:       the bytes that Invoke would return: JSON, unless a handler
                   returned something else through a runtime of its own.
    stack_trace:   lines without line ends, outermost call first.
    exit_code:     of the process, if kind is "exit"; negative: killed by that signal.
    """

    kind: Kind
    payload: bytes
    error_type: str = ""
    error_message: str = ""
    stack_trace: tuple[str, ...] = ()
    exit_code: int | None = None


def failure(kind: Kind, error_type: str, message: str, *, exit_code: int | None = None) -> Answer:
    """Returns the answer for a failure that the runtime did not report itself."""
    payload = json.dumps({"errorType": error_type, "errorMessage": message}, ensure_ascii=False).encode()
    return Answer(
        kind=kind, payload=payload, error_type=error_type, error_message=message, exit_code=exit_code
    )


def reported_failure(kind: Kind, body: bytes, error_type: str) -> Answer:
    """Returns the answer for an error that the runtime posted.

    body:       a JSON object with errorMessage, errorType and stackTrace, all optional
                (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
    error_type: of the header Lambda-Runtime-Function-Error-Type; the body's goes first.
    """
    try:
        said: Any = json.loads(body)
    except ValueError:
        said = body.decode(errors="replace")
    if not isinstance(said, dict):
        return Answer(kind=kind, payload=body, error_type=error_type, error_message=str(said))
    trace = said.get("stackTrace")
    entries = trace if isinstance(trace, list) else []
    return Answer(
        kind=kind,
        payload=body,
        error_type=str(said.get("errorType") or error_type),
        error_message=str(said.get("errorMessage") or ""),
        stack_trace=tuple(line for entry in entries for line in str(entry).splitlines()),
    )
