"""What becomes of a command's answer: it is kept, for whoever asks the same again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lambdabuild import state
from lambdabuild.commands.options import Place
from lambdabuild.remembering import Ground, remember
from lambdabuild.report import CACHED, BuildReport
from lambdabuild.ui import Ui, Unheard
from lambdabuild.workspace import FILE_NAME

Told = Sequence[tuple[bool, str]]


def keep(ui: Ui, where: Place, ground: Ground | None, told: Told) -> None:
    """Keeps what a command would tell if nothing changed.

    ground: what that stands on; None if not all of it is known.
    """
    if ground is None or ui.invocation is None:
        return
    # A WORKSPACE.toml on the way up from where the command was given would be another workspace.
    nearest = f"{where.package}/{FILE_NAME}"
    ground = replace(ground, read=frozenset({*ground.read, FILE_NAME, nearest.lstrip("/")}))
    remember(ui.invocation.arguments, where.workspace.root, ground, told, ui.invocation.began)


def as_cached(report: BuildReport, said: Told, as_json: bool) -> Told:
    """Returns what a build with nothing to do would tell.

    said: what BUILD files printed.
    """
    ui = Unheard(as_json=as_json)
    targets = tuple(replace(target, status=CACHED, seconds=0.0) for target in report.targets)
    ui.report(replace(report, targets=targets), 0.0)
    marks = ('"seconds": 0.0', f'"seconds": {state.SECONDS}') if as_json else ("", "")
    told = [_timed(error, text, marks) for error, text in ui.told]
    return [*said, *told]


def _timed(error: bool, text: str, marks: tuple[str, str]) -> tuple[bool, str]:
    """Returns a piece with a mark in the place of the build's seconds, which come last."""
    old, new = (" in 0.00 s", f" in {state.SECONDS} s") if error else marks
    before, found, after = text.rpartition(old) if old else ("", "", text)
    return error, f"{before}{new if found else ''}{after}"
