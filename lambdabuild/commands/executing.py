"""Where a command's actions run: its options, and what is told of builds elsewhere"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambdabuild.errors import UserError
from lambdabuild.ui import Ui, size_of
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.remote.builder import RemoteEvent
    from lambdabuild.remote.following import Logged, PhaseChanged
    from lambdabuild.remote.uploads import Uploading
    from lambdabuild.remote.working import RemoteWishes

F = TypeVar("F", bound=Callable[..., Any])

LOCAL, CODEBUILD = "local", "codebuild"
_QUIET = frozenset({"plain", "started"})
"""Kinds of log lines that nobody wants to see of a build that goes well."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Where and how to build.

    remote:   on CodeBuild.
    detach:   do not wait for it.
    download: "documents" or "all".
    """

    remote: bool = False
    detach: bool = False
    download: str = "documents"


def executor(function: F) -> F:
    """Adds --executor."""
    return click.option(
        "--executor",
        type=click.Choice((LOCAL, CODEBUILD)),
        help="Run actions here, or on AWS CodeBuild.  [default: [executor] default]",
    )(function)


def options(function: F) -> F:
    """Adds --executor, --detach and --download."""
    decorators = [
        executor,
        click.option("--detach", is_flag=True, help="Start the builds on CodeBuild, and do not wait."),
        click.option(
            "--download",
            type=click.Choice(("documents", "all")),
            help="What to bring here from CodeBuild: manifests and configs, or layers too.  "
            "[default: documents]",
        ),
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def read_choice(
    workspace: Workspace, executor: str | None, *, detach: bool = False, download: str | None = None
) -> Choice:
    """Returns what flags and settings say; raises UserError for flags that do not go together."""
    remote = (executor or workspace.text("executor.default")) == CODEBUILD
    if not remote and (detach or download):
        raise UserError(
            f"{'--detach' if detach else '--download'} is for builds on CodeBuild",
            hint="add --executor codebuild",
        )
    return Choice(remote, detach, download or "documents")


def whole_images(ui: Ui, workspace: Workspace) -> RemoteWishes | None:
    """Returns how a command builds that needs layers too, by the settings alone; None for here."""
    if not read_choice(workspace, None).remote:
        return None
    from lambdabuild.remote.working import ALL, RemoteWishes

    return RemoteWishes(download=ALL, on_event=RemoteLines(ui).on_event)


class RemoteLines:
    """Writes what happens on CodeBuild, one line each, with the target's label in front."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self._told: dict[str, str] = {}
        self._uploading = False

    def on_event(self, event: RemoteEvent) -> None:
        from lambdabuild.remote.following import Logged, PhaseChanged
        from lambdabuild.remote.uploads import Uploading

        if isinstance(event, Uploading):
            self._upload(event)
        elif isinstance(event, PhaseChanged):
            self._phase(event)
        elif isinstance(event, Logged):
            self._line(event)

    def _upload(self, event: Uploading) -> None:
        if not self._uploading:
            there = f", {size_of(event.saved)} are there already" if event.saved else ""
            self._ui.note(f"uploading {size_of(event.total)}{there}")
        self._uploading = event.done < event.total

    def _phase(self, event: PhaseChanged) -> None:
        phase = event.phase.lower().replace("_", " ")
        if phase in _PHASES and self._told.get(event.build) != phase:
            self._told[event.build] = phase
            self._ui.note(f"{click.style(event.build, dim=True)}: {phase}")

    def _line(self, event: Logged) -> None:
        line = event.line
        if line.kind in _QUIET:
            return
        label = click.style(line.label, fg="cyan") if line.label else click.style(event.build, dim=True)
        seconds = "" if line.seconds is None else f" {line.seconds:.2f}s"
        parts = [each for each in (line.tool, "" if line.kind == "output" else line.kind, line.text) if each]
        self._ui.note(f"{label}: {' '.join(parts)}{seconds}")


_PHASES = frozenset({"queued", "provisioning", "build"})
