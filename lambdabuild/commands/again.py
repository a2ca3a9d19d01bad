"""What becomes of a command's answer: it is kept, for whoever asks the same again."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pickle import PickleError

from lambdabuild import kept_graph, noop, state
from lambdabuild.commands.options import Place, cache_directory
from lambdabuild.evaluation import Evaluation
from lambdabuild.recalling import (
    Recalled,
    Told,
    edited,
    encoded_basis,
    encoded_graph,
    graph_place,
    recall,
)
from lambdabuild.remembering import Answer, Ground, remember, write
from lambdabuild.report import CACHED, BuildReport
from lambdabuild.revising import RevisedGraph
from lambdabuild.session import Session
from lambdabuild.tracing import span
from lambdabuild.ui import Ui, Unheard
from lambdabuild.workspace import FILE_NAME

Pieces = Sequence[tuple[bool, str]]


def recalled(ui: Ui, where: Place) -> Recalled | None:
    """Returns what holds of the last answer; tells what the BUILD files that it was made of printed."""
    doubt = ui.invocation.doubt if ui.invocation else None
    if doubt is None:
        return None
    place = state.place(str(cache_directory()), doubt.kept.question)
    with span("evaluation", "recall the last answer", changed=len(doubt.changed)) as work:
        found = recall(doubt, place, where.workspace, cache_directory())
        work.note(holds=found is not None)
    gc.freeze()  # what was recalled lives as long as the process
    for text, at in found.kept.index.said if found else ():
        ui.said(text, at)
    return found


def keep(ui: Ui, where: Place, ground: Ground | None, answer: Answer) -> None:
    """Keeps what a command would tell if nothing changed.

    ground: what that stands on; None if not all of it is known.
    """
    if ground is None or ui.invocation is None or _is_led_to_settings(where):
        return
    if answer.earlier is None:
        # A WORKSPACE.toml on the way up from where the command was given would be another workspace.
        nearest = f"{where.package}/{FILE_NAME}".lstrip("/")
        ground = replace(ground, read={*ground.read, FILE_NAME, nearest})
    with span("outputs", "keep the answer"):
        remember(ui.invocation.arguments, where.workspace.root, ground, answer, ui.invocation.began)


def _is_led_to_settings(where: Place) -> bool:
    """Tells whether settings are behind a link, or would be if it led anywhere: where, is not kept."""
    here = where.workspace.root / where.package
    return any((directory / FILE_NAME).is_symlink() for directory in (here, *here.parents))


def keep_answer(
    ui: Ui,
    where: Place,
    session: Session,
    evaluation: Evaluation,
    recalled: Recalled | None,
    pieces: Pieces,
    told: Sequence[Told],
    report: BuildReport | None = None,
) -> None:
    """Keeps an answer of which a part holds when some sources have changed.

    evaluation: what was worked out for it.
    recalled: the earlier answer that it was made of, if it was.
    told:     what was told of each root.
    report:   of a build, those targets that were worked out.
    """
    ground, keys = session.ground(evaluation, report), session.hashed
    if ground is None or keys is None:
        return
    if recalled is None:
        id_ = os.urandom(kept_graph.ID_BYTES)
        encoded = partial(encoded_graph, id_, evaluation, keys, session.leads)
        known = _keeps_graph(ui, session, encoded)
        basis = encoded_basis(id_, told, {}) if known else b""
        keep(ui, where, ground, Answer(pieces, session.held, basis))
        return
    graph, earlier = recalled.kept, recalled.doubt
    known = not isinstance(graph, RevisedGraph) or _keeps_graph(
        ui, session, partial(graph.encoded, keys, session.leads)
    )
    basis = encoded_basis(graph.id, told, edited(recalled, keys)) if known else b""
    ground = Ground({*ground.read, *recalled.changed_paths(ground.made)}, ground.made)
    held = session.held | frozenset(earlier.kept.held.decode().split("\0")[:-1])
    keep(ui, where, ground, Answer(pieces, held, basis, earlier))


def _keeps_graph(ui: Ui, session: Session, encoded: Callable[[], bytes]) -> bool:
    """Writes a graph beside the answer; tells whether that was possible."""
    asked = noop.question(ui.invocation.arguments) if ui.invocation else None
    if asked is None:
        return False
    with contextlib.suppress(OSError, PickleError):
        write(graph_place(state.place(str(session.cache_dir), asked)), encoded())
        return True
    return False


def as_cached(report: BuildReport, said: Pieces, as_json: bool) -> Pieces:
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
