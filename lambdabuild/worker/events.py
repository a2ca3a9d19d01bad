"""What happens, as JSON lines for the build's log.

    {"lambdabuild": 1, "event": "started", "label": "//a:b", "tool": "layer"}

They are for people to look at while the build runs; results come from the store.
What child processes print stands in "text" alone, unprintable characters escaped,
so that it cannot pass for a line of ours nor move a cursor.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Final

from lambdabuild.action import Action
from lambdabuild.errors import LambdaBuildError, escaped
from lambdabuild.execution import Event, Failed, Finished, Planned, Started

LONGEST_TEXT: Final = 4000
"""Characters of a text. CloudWatch Logs takes 256 KB an event."""


class Log:
    """Writes events, each a line, from any thread.

    write: takes a line with its end, and does not keep it back.
    """

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lock = threading.Lock()

    def tell(
        self, event: str, *, label: str = "", tool: str = "", text: str = "", seconds: float | None = None
    ) -> None:
        """Writes an event: started, finished, failed, pushing, pushed, output or note."""
        line: dict[str, object] = {"lambdabuild": 1, "event": event}
        line |= {name: _plain(value) for name, value in (("label", label), ("tool", tool)) if value}
        if text:
            line["text"] = _plain(text)
        if seconds is not None:
            line["seconds"] = round(seconds, 3)
        written = json.dumps(line) + "\n"
        with self._lock:
            self._write(written)

    def failed(self, error: LambdaBuildError, *, label: str = "", tool: str = "") -> None:
        """Writes an error: what was printed first, then the sentence."""
        for detail in error.details:
            self.tell("output", label=label, tool=tool, text=detail)
        self.tell("failed", label=label, tool=tool, text=error.message)

    def on_event(self, event: Event) -> None:
        """Takes an event of the execution; called from several threads."""
        if isinstance(event, Planned):
            self.tell("note", text=f"{event.dirty} of {event.total} actions have to run")
            return
        label, tool = _label(event.action), event.action.tool
        if isinstance(event, Started):
            self.tell("started", label=label, tool=tool)
        elif isinstance(event, Failed):
            self.failed(event.error, label=label, tool=tool)
        elif isinstance(event, Finished):
            text = "" if event.ran else "an equal result was known"
            self.tell(
                "finished",
                label=label,
                tool=tool,
                text=text,
                seconds=event.result.seconds if event.ran else None,
            )


def _label(action: Action) -> str:
    return str(action.id.label)


def _plain(text: str) -> str:
    cut = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    return escaped(cut)
