"""The log of a build, as lines for people.

A worker tells events as JSON objects, one a line, that begin with their mark:

    {"lambdabuild":1,"event":"finished","label":"//a:b","tool":"layer","text":"","seconds":1.2}

Whatever a step prints comes inside the "text" of its worker's "output" events,
so that it cannot tell any itself; and lines are for display only: nothing
is decided by them. What does not print is escaped, what is long is cut.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lambdabuild.aws.errors import aws_errors, code_of
from lambdabuild.errors import ExternalError
from lambdabuild.remote.states import plain

EVENTS = frozenset({"started", "finished", "failed", "pushing", "pushed", "output", "note"})
PLAIN_LINE = "plain"

_MARK = '{"lambdabuild":'
_VERSION = 1
_MAX_TEXT = 4000
_MAX_NAME = 300
_PAGES = 20
"""Pages (1 MiB or 10,000 events each) that one `read` asks for at most."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a build's log, fit for a terminal.

    label:   the target it speaks of; None if it speaks of none.
    kind:    one of EVENTS, or PLAIN_LINE for what is no event.
    seconds: how long what it tells of took, if it says so.
    tool:    that of the action it tells of, or "".
    """

    label: str | None
    kind: str
    text: str
    seconds: float | None = None
    tool: str = ""


def parse_line(line: str) -> LogLine:
    """Returns what a line tells: an event if it is one in every respect, else its text."""
    return _event(line) or LogLine(None, PLAIN_LINE, plain(line, _MAX_TEXT))


class Tail:
    """Reads one log stream, from its beginning on."""

    def __init__(self, client: Callable[[], Any], group: str, stream: str) -> None:
        """client: gives the boto3 client of CloudWatch Logs."""
        self._client = client
        self._group = group
        self._stream = stream
        self._token: str | None = None

    def read(self) -> tuple[LogLine, ...]:
        """Returns the lines that came since the last call; none while the stream does not exist.

        Raises ExternalError where nothing can be read; what can be is returned first.
        """
        messages: list[str] = []
        try:
            for page in self._pages():
                messages.extend(page)
        except ExternalError:
            if not messages:
                raise
        return tuple(parse_line(line) for message in messages for line in _lines(message))

    def _pages(self) -> Iterator[list[str]]:
        for _ in range(_PAGES):
            answer = self._page()
            if answer is None:
                return
            yield [str(event.get("message", "")) for event in answer["events"]]
            # At the end the token stays the same. A page in between may be empty.
            if answer["nextForwardToken"] == self._token:
                return
            self._token = answer["nextForwardToken"]

    def _page(self) -> Any:
        from botocore.exceptions import ClientError

        more = {"nextToken": self._token} if self._token else {}
        with aws_errors("cannot read the log of a build", service="logs", resource=self._group):
            try:
                return self._client().get_log_events(
                    logGroupName=self._group, logStreamName=self._stream, startFromHead=True, **more
                )
            except ClientError as error:
                if code_of(error) == "ResourceNotFoundException":
                    return None
                raise


def _lines(message: str) -> list[str]:
    # Not splitlines: it also splits at characters that JSON may hold as they are.
    return [line.rstrip("\r") for line in message.rstrip("\n").split("\n")]


def _event(line: str) -> LogLine | None:
    if not line.startswith(_MARK):
        return None
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    kind, label, tool, text = (told.get(name) or "" for name in ("event", "label", "tool", "text"))
    if not all(isinstance(value, str) for value in (kind, label, tool, text)):
        return None
    if told["lambdabuild"] != _VERSION or kind not in EVENTS:
        return None
    return LogLine(
        plain(label, _MAX_NAME) or None,
        kind,
        plain(text, _MAX_TEXT),
        _seconds(told.get("seconds")),
        plain(tool, _MAX_NAME),
    )


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN is in no range.
    return float(value) if 0 <= value < 1e9 else None
