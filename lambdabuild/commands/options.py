"""Options that several commands share, and what becomes of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from lambdabuild.errors import ExternalError, LambdaBuildError, Location, UserError
from lambdabuild.evaluation import Question
from lambdabuild.label import TargetPattern, parse_pattern
from lambdabuild.ui import Ui
from lambdabuild.workspace import FILE_NAME as WORKSPACE_FILE
from lambdabuild.workspace import Workspace, find_root, load_workspace, resolve_platforms

if TYPE_CHECKING:
    from lambdabuild.explain.current import StepReason
    from lambdabuild.oci.registry.client import Client
    from lambdabuild.python.index import Index
    from lambdabuild.session import Session

F = TypeVar("F", bound=Callable[..., Any])

TRANSFERS = 16
"""Requests to registries that are under way at once."""

STDIN = "-"
"""The pattern that stands for those on standard input."""

# Stands in front of negative patterns while click looks for options.
_MINUS = "\0-"


class PatternCommand(click.Command):
    """A command whose arguments may be negative target patterns, such as -//a/..."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, [_MINUS + a[1:] if a.startswith(("-//", "-:")) else a for a in args])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        if not incomplete.startswith(("-//", "-:")):
            return super().shell_complete(ctx, incomplete)
        items = complete_labels(ctx, self.params[0], incomplete[1:])
        return [CompletionItem(f"-{item.value}") for item in items]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command runs: its workspace, and the package in which relative patterns are meant."""

    workspace: Workspace
    package: str


def common(function: F) -> F:
    """Adds --directory, --config and --json."""
    decorators = [
        click.option(
            "-C",
            "--directory",
            metavar="DIR",
            default=".",
            help="Run as if started in DIR.",
        ),
        click.option(
            "--config",
            "configs",
            metavar="NAME",
            multiple=True,
            help="Lay [config.NAME] of WORKSPACE.toml over the rest.",
        ),
        click.option("--json", "as_json", is_flag=True, help="Write results as JSON."),
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def complete_labels(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem[str]]:
    """Returns what a label may go on with; nothing where there is no workspace, or a broken BUILD file."""
    from lambdabuild.completion import complete_label  # for shells alone

    try:
        where = place(ctx.params.get("directory") or ".", ())
        return [CompletionItem(label) for label in complete_label(where.workspace, where.package, incomplete)]
    except LambdaBuildError:
        return []  # who is typing will be told when the command runs


def patterns(function: F) -> F:
    """Adds the argument PATTERN... and --platform."""
    decorators = [
        click.argument("patterns", nargs=-1, metavar="PATTERN...", shell_complete=complete_labels),
        click.option(
            "--platform",
            "platforms",
            metavar="OS/ARCH",
            multiple=True,
            help="Only for this platform; may be given again.  [default: all that a target names]",
        ),
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def jobs(function: F) -> F:
    """Adds --jobs."""
    return click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        metavar="N",
        default=lambda: os.cpu_count() or 1,
        help="Run at most N actions at once.  [default: one a core]",
    )(function)


def transfers(jobs: int) -> int:
    """Returns how many transfers may go on at once: --jobs if given, else more than cores: they wait."""
    source = click.get_current_context().get_parameter_source("jobs")
    return max(jobs, TRANSFERS) if source is click.core.ParameterSource.DEFAULT else jobs


def destinations(function: F) -> F:
    """Adds --to and --tag."""
    decorators = [
        click.option(
            "--to",
            metavar="HOST/PREFIX",
            multiple=True,
            help="Push there; may be given again.  [default: [registry] push]",
        ),
        click.option(
            "--tag",
            "tags",
            metavar="TAG",
            multiple=True,
            help="Move this tag to what is pushed, beside b3-HASH; may be given again.  "
            "[default: [registry] tags]",
        ),
    ]
    for decorator in reversed(decorators):
        function = decorator(function)
    return function


def place(directory: str, configs: Sequence[str]) -> Place:
    """Returns the place that the common options name."""
    here = Path(directory)
    if not here.is_dir():
        raise UserError(f"there is no directory {directory}")
    root = find_root(here)
    package = here.resolve().relative_to(root).as_posix()
    workspace = load_workspace(root, configs=configs, env=os.environ)
    return Place(workspace, "" if package == "." else package)


def session(where: Place, ui: Ui, *, explain: bool = False) -> Session:
    """Returns the session of a place; with `explain`, it says of each step that runs what has changed."""
    from lambdabuild.session import Session  # for those who have one: questions about targets do not

    def explained(steps: Sequence[StepReason]) -> None:
        for step in steps:
            ui.note(str(step))

    index_url = where.workspace.text("python.index") or None
    return Session(
        where.workspace,
        cache_directory(),
        index=lambda: _index(index_url),
        client=lambda: _client(where.workspace.list("registry.insecure")),
        say=ui.said,
        environ=os.environ,
        on_reasons=explained if explain else None,
    )


def _client(insecure: Sequence[str]) -> Client:
    """Returns what speaks to registries, with the logins that docker has."""
    from lambdabuild.oci.registry.client import Client
    from lambdabuild.oci.registry.settings import read_settings

    try:
        return Client(read_settings(os.environ, Path.home(), insecure))
    except UserError as error:
        raise error.located(Location(WORKSPACE_FILE)) from None


def _index(index_url: str | None) -> Index:
    """Returns the package index that pip is configured for, or that of [python] index."""
    from lambdabuild.python.index import Index, config_files, read_settings

    home = Path.home()
    files = config_files(os.environ, home, Path(sys.prefix))
    return Index(read_settings(os.environ, home, files, index_url))


def cache_directory() -> Path:
    """Returns $XDG_CACHE_HOME/lambdabuild, or ~/.cache/lambdabuild."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    base = chosen if os.path.isabs(chosen) else os.path.expanduser("~/.cache")
    if not os.path.isabs(base):
        raise ExternalError("there is no home directory to keep a cache in", hint="set XDG_CACHE_HOME")
    return Path(base) / "lambdabuild"


def question(
    where: Place, texts: Sequence[str], platforms: Sequence[str], *, keep_going: bool = False
) -> Question:
    """Returns the question that arguments ask; raises UserError.

    The argument "-" stands for patterns on standard input, one a line; there may be none.
    """
    if not texts:
        raise UserError("no target patterns", hint="name targets, or all of them: //...")
    given = [pattern for text in texts if text != STDIN for pattern in [parse(text, where.package)]]
    read = [parse_pattern(text, where.package) for text in _stdin_lines()] if STDIN in texts else []
    parsed = (*read, *given)
    if all(pattern.negative for pattern in parsed):
        if STDIN not in texts:
            raise UserError("all target patterns are negative", hint="put //... in front of them")
        parsed = ()
    return Question(parsed, resolve_platforms(platforms), keep_going)


def _stdin_lines() -> list[str]:
    """Returns the lines of standard input that hold anything; raises UserError if it is not UTF-8."""
    data = sys.stdin.buffer.read() if sys.stdin is not None else b""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as error:
        at = Location(STDIN, data.count(b"\n", 0, error.start) + 1)
        raise UserError("standard input is not UTF-8", at=at, hint="give it labels, one a line") from None
    return [line.strip() for line in lines if line.strip()]


def parse(text: str, package: str) -> TargetPattern:
    """Returns the pattern that an argument of a PatternCommand names."""
    return parse_pattern(typed(text), package)


def typed(text: str) -> str:
    """Returns an argument of a PatternCommand as it was typed."""
    return "-" + text.removeprefix(_MINUS) if text.startswith(_MINUS) else text
