"""A bar on stderr while a build runs. Only imported where there is a terminal."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from lambdabuild.action import Action, ActionId
from lambdabuild.execution import Event, Planned, Started


class BuildProgress:
    """Shows how many actions are done, and the oldest one that runs."""

    def __init__(self) -> None:
        self._running: dict[ActionId, Action] = {}
        self._progress = Progress(
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("", total=None, visible=False)

    def on_event(self, event: Event) -> None:
        """Takes an event of the build; called from several threads."""
        if isinstance(event, Planned):
            if event.dirty:
                # Not before: it has a thread, beside which sources are not hashed by several processes.
                self._progress.start()
                self._progress.update(self._task, total=event.dirty, visible=True)
            return
        if isinstance(event, Started):
            self._running[event.action.id] = event.action
        else:
            self._running.pop(event.action.id, None)
            self._progress.advance(self._task)
        oldest = next(iter(self._running.values()), None)
        text = f"{oldest.tool} {oldest.id.label.short}" if oldest else ""
        self._progress.update(self._task, description=text)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
