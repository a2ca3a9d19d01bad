"""Where a command's actions run: its options, and what is told of builds elsewhere"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lambdabuild.errors import UserError
from lambdabuild.ui import Ui, size_of
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.remote.builder import RemoteEvent
    from lambdabuild.remote.following import Logged, PhaseChanged
    from lambdabuild.remote.logs import LogLine
    from lambdabuild.remote.uploads import Uploading
    from lambdabuild.remote.working import RemoteWishes

F = TypeVar("F", bound=Callable[..., Any])

LOCAL, CODEBUILD = "local", "codebuild"


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
    """Writes what happens on CodeBuild, one line each, with the target's label or the build in front."""

    def __init__(self, ui: Ui) -> None:
        self._ui = ui
        self._told: dict[str, str] = {}
        self._quarter = _IDLE

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
        """Says once what is sent, and of much of it each quarter that arrived."""
        quarter = 4 * event.done // max(event.total, 1)
        if self._quarter == _IDLE:
            there = f"; {size_of(event.saved)} are there already" if event.saved else ""
            self._ui.note(f"uploading {size_of(event.total)}{there}")
        elif event.total >= _MUCH and self._quarter < quarter < _ALL:
            self._ui.note(f"uploaded {size_of(event.done)} of {size_of(event.total)}")
        self._quarter = quarter if event.done < event.total else _IDLE

    def _phase(self, event: PhaseChanged) -> None:
        phase = _PHASES.get(event.phase)
        if phase and self._told.get(event.build) != phase:
            self._told[event.build] = phase
            self._tell(event.build, None, phase)

    def _line(self, event: Logged) -> None:
        text = _said(event.line)
        if text:
            self._tell(event.build, event.line.label, text)

    def _tell(self, build: str, label: str | None, text: str) -> None:
        front = click.style(_short(label), fg="cyan") if label else click.style(_build(build), dim=True)
        self._ui.note(f"{front}: {text}")


_IDLE, _ALL = -1, 4
_MUCH = 10_000_000
"""Bytes of an upload that is worth more than a line."""

_PHASES: Mapping[str, str] = {"QUEUED": "queued", "PROVISIONING": "provisioning", "BUILD": "building"}


def _said(line: LogLine) -> str:
    """Returns what a person wants to read of a line of a build that goes well; "" for nothing."""
    seconds = "" if line.seconds is None else f" {line.seconds:.2f}s"
    match line.kind:
        case "finished":
            return f"{line.tool}{seconds}" if seconds else ""  # the others did not run
        case "failed":
            what = click.style(" ".join(filter(None, (line.tool, "failed"))), fg="red")
            return f"{what}: {line.text}"
        case "pushing":
            return f"pushing {line.text}"
        case "pushed":
            return f"pushed{seconds}"
        case "note":
            return line.text
    return ""  # what a step printed comes with its error, and once


def _short(label: str) -> str:
    """Returns "//a/b" for "//a/b:b", as far as the text of a log is a label at all."""
    package, _, name = label.rpartition(":")
    return package if package.endswith(f"/{name}") else label


def _build(build: str) -> str:
    """Returns enough of a build's id to tell it from others."""
    return f"build {build.rpartition(':')[2][:8]}"
