"""Where the time of one command goes: spans of it, from all threads and the evaluating process.

Spans are collected between `recording` and its end; otherwise `span` costs a call
and a look. Why not a recorder that is handed down: what takes time is in every row
of docs/ARCHITECTURE.md, and nothing that is built may depend on whether somebody
watches. Absent are values of any kind: a span is told names, digests and counts,
never parameters, variables or addresses. What becomes of spans is `trace_file`'s
matter.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

B = TypeVar("B")
T = TypeVar("T")
Detail: TypeAlias = "int | str | bool"
Emit: TypeAlias = Callable[[Any], None]

PROGRAM: Final = "lambdabuild"
EVALUATION: Final = "evaluation of BUILD files"

_TOGETHER: Final = 64
"""Spans that a child process sends at once: so many are lost, at most, with one that is killed."""


class Row(NamedTuple):
    """What spans follow each other on: a thread, or a build elsewhere. `number` tells equal names apart."""

    process: str
    pid: int
    name: str
    number: int


class Span(NamedTuple):
    """Some work. started, ended: nanoseconds, as time.monotonic_ns counts them in all processes."""

    row: Row
    kind: str
    name: str
    started: int
    ended: int
    details: Mapping[str, Detail]


class Recorder:
    """The spans of one process, and those that come from its children. For any thread.

    send: takes spans away, a few at a time; without, they stay in `spans`.
    """

    def __init__(self, process: str = PROGRAM, send: Callable[[Sequence[Span]], None] | None = None) -> None:
        self.spans: list[Span] = []
        self._process, self._pid, self._send = process, os.getpid(), send

    def thread(self) -> Row:
        """Returns the row of the thread that asks."""
        thread = threading.current_thread()
        return Row(self._process, self._pid, thread.name, thread.ident or 0)

    def add(self, span: Span) -> None:
        self.spans.append(span)
        if self._send and len(self.spans) >= _TOGETHER:
            self.flush()

    def flush(self) -> None:
        """Sends what has not been sent."""
        if self._send and self.spans:
            self._send(self.spans)
            self.spans = []


class Work:
    """A span under way, which is nobody's if nothing is recorded."""

    __slots__ = ("_details", "_kind", "_recorder", "_started", "_words")

    def __init__(
        self, recorder: Recorder | None, kind: str, words: Sequence[object], details: dict[str, Detail]
    ) -> None:
        self._recorder, self._kind, self._words, self._details = recorder, kind, words, details
        self._started = 0

    def note(self, **details: Detail) -> None:
        """Adds what was not known at the start."""
        self._details.update(details)

    def __enter__(self) -> Work:
        self._started = time.monotonic_ns()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended, recorder = time.monotonic_ns(), self._recorder
        if recorder is None:
            return
        if kind is not None:
            self._details["ended"] = kind.__name__
        name = " ".join(map(str, self._words))
        recorder.add(Span(recorder.thread(), self._kind, name, self._started, ended, self._details))


class _Nothing(Work):
    """What is handed out while nothing is recorded; it keeps nothing, so that all share one."""

    def note(self, **details: Detail) -> None:
        pass

    def __enter__(self) -> Work:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


_NOTHING: Final = _Nothing(None, "", (), {})
_recorder: Recorder | None = None


def span(kind: str, *words: object, **details: Detail) -> Work:
    """Returns a context whose time is recorded, if anything is.

    kind:  what sort of work, such as "action". People see it as a category.
    words: its name, put together only when it is recorded.
    """
    return _NOTHING if _recorder is None else Work(_recorder, kind, words, details)


def current() -> Recorder | None:
    """Returns what records now; None if nothing does."""
    return _recorder


@contextlib.contextmanager
def recording() -> Iterator[Recorder]:
    """Records spans meanwhile."""
    global _recorder
    before, _recorder = _recorder, Recorder()
    try:
        yield _recorder
    finally:
        _recorder = before


class Sent(NamedTuple):
    """Spans on their way from a child process to the one that records."""

    spans: Sequence[Span]


def across(work: Callable[[B, Emit], T], on_event: Emit) -> tuple[Callable[[B, Emit], T], Emit]:
    """Returns what an isolated process is to do, and what takes its events, such that its spans come too.

    They are as they were given if nothing is recorded.
    """
    recorder = _recorder
    if recorder is None:
        return work, on_event

    def recorded(beat: B, emit: Emit) -> T:
        global _recorder
        _recorder = inner = Recorder(EVALUATION, lambda spans: emit(Sent(spans)))
        try:
            return work(beat, emit)
        finally:
            inner.flush()

    def take(event: Any) -> None:
        if isinstance(event, Sent):
            recorder.spans.extend(event.spans)
        else:
            on_event(event)

    return recorded, take
