"""--profile: where a command's time went, written to a file when the command is over"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from lambdabuild import tracing
from lambdabuild.errors import LambdaBuildError
from lambdabuild.tracing import Recorder, Span
from lambdabuild.ui import Ui, render_error

F = TypeVar("F", bound=Callable[..., Any])


def option(function: F) -> F:
    """Adds --profile to a command that has --directory."""

    @functools.wraps(function)
    def run(*args: Any, profile: str | None, **kwargs: Any) -> Any:
        if profile is None:
            return function(*args, **kwargs)
        with _profiled(click.get_current_context(), profile, Path(kwargs["directory"])):
            return function(*args, **kwargs)

    help_ = "Write where the time went to FILE, for ui.perfetto.dev."
    return click.option("--profile", metavar="FILE", help=help_)(cast(F, run))


@contextlib.contextmanager
def _profiled(context: click.Context, text: str, directory: Path) -> Iterator[None]:
    """Records what is done meanwhile, and writes it, however that ends.

    Raises UserError before anything is done if the file cannot be written.
    """
    from lambdabuild import trace_file  # for those who ask

    path = trace_file.writable(text, directory)
    with tracing.recording() as recorder:
        began = _before(recorder, context.obj, trace_file.process_began())
        try:
            with tracing.span("command", context.info_name):
                yield
        except BaseException:
            try:
                trace_file.write(path, recorder.spans, began)
            except LambdaBuildError as error:  # what the command failed of matters more
                context.obj.note(render_error(error))
            raise
        trace_file.write(path, recorder.spans, began)


def _before(recorder: Recorder, ui: Ui, process_began: int | None) -> int:
    """Adds what was done before anybody could record; returns the beginning of all."""
    now, row = time.monotonic_ns(), recorder.thread()
    if ui.invocation is None or ui.invocation.steps is None:
        return now
    entered, looked = ui.invocation.steps
    # Ticks are coarse: a process that began after its own first line began with it.
    began = min(process_began or entered, entered)
    for name, started, ended in (
        ("Python starts", began, entered),
        ("look for the answer of last time", entered, looked),
        ("import, and read arguments", looked, now),
    ):
        if ended > started:
            recorder.add(Span(row, "start", name, started, ended, {}))
    return began
