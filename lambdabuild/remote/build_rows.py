"""What a client sees of builds on CodeBuild, as spans: a row for each build, a span for each phase.

The times are this machine's: when it heard of a phase, which is up to a few seconds
after it began. How long CodeBuild says that phases took is in the build's own span.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from lambdabuild.remote.following import Ended, PhaseChanged
from lambdabuild.remote.states import BuildState
from lambdabuild.tracing import Detail, Recorder, Row, Span

E = TypeVar("E")


@dataclass(slots=True)
class _Seen:
    """A build that was heard of, its phase, and when both were, by time.monotonic_ns."""

    row: Row
    began: int
    phase: str
    phase_began: int


class BuildRows:
    """Records builds while they are followed. For one thread."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._seen: dict[str, _Seen] = {}
        self._count = 0

    def noting(self, on_event: Callable[[E], None]) -> Callable[[E], None]:
        """Returns `on_event`, which notes what it is told of builds before it passes it on."""

        def note(event: E) -> None:
            if isinstance(event, PhaseChanged):
                self._phase(event)
            elif isinstance(event, Ended):
                self._end(event.build, event.state)
            on_event(event)

        return note

    def close(self) -> None:
        """Ends what is under way: nobody follows it any longer."""
        for build in [*self._seen]:
            self._end(build, None)

    def _phase(self, event: PhaseChanged) -> None:
        now = time.monotonic_ns()
        if seen := self._seen.get(event.build):
            self._add(seen.row, seen.phase, seen.phase_began, now, {})
            seen.phase, seen.phase_began = event.phase, now
            return
        self._count += 1  # two builds in one row would lie across each other
        _, _, name = event.build.rpartition(":")
        row = Row("CodeBuild", 0, f"build {name[:8]}", self._count)
        self._seen[event.build] = _Seen(row, now, event.phase, now)

    def _end(self, build: str, state: BuildState | None) -> None:
        seen, now = self._seen.pop(build, None), time.monotonic_ns()
        if seen is None:
            return
        details: dict[str, Detail] = {"status": state.status if state else "followed no longer"}
        for phase in state.phases if state else ():
            if phase.seconds is not None:
                details[f"{phase.name} seconds"] = str(phase.seconds)
        self._add(seen.row, seen.phase, seen.phase_began, now, {})
        self._add(seen.row, f"build {build}", seen.began, now, details)

    def _add(self, row: Row, name: str, began: int, ended: int, details: dict[str, Detail]) -> None:
        self._recorder.add(Span(row, "codebuild", name, began, ended, details))
