"""lambdabuild why"""

from __future__ import annotations

import click

from lambdabuild.commands import options, profiling
from lambdabuild.explain.line_counts import LineCounts
from lambdabuild.ui import Ui
from lambdabuild.why import ask_why, text


@click.command(cls=options.PatternCommand, short_help="Say whether targets are dirty, and what changed.")
@options.patterns
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say whether targets are dirty, and what changed since they were built.

    Each is compared with the state, of those that were built here, which is
    most like it: files, attributes, bases, packages, tools, through
    dependencies down to the cause.
    """
    where = options.place(directory, configs)
    session = options.session(where, ui)
    whys = ask_why(session, session.evaluate(options.question(where, patterns, platforms)))
    if as_json:
        ui.document({"targets": [why.to_json() for why in whys]})
        return
    counts = LineCounts(where.workspace.root, session.inputs.contents, session.store)
    for line in text(whys, counts):
        ui.result(line)
