"""lambdabuild build"""

from __future__ import annotations

import os
import time

import click

from lambdabuild.commands import options
from lambdabuild.ui import Ui


@click.command(cls=options.PatternCommand, short_help="Build targets, and nothing that is up to date.")
@options.patterns
@click.option("-k", "--keep-going", is_flag=True, help="Build what can be built after a failure.")
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    default=lambda: os.cpu_count() or 1,
    help="Run at most N actions at once.  [default: one a core]",
)
@click.option("--sandbox-debug", is_flag=True, help="Keep the directories of actions that fail.")
@options.common
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    keep_going: bool,
    jobs: int,
    sandbox_debug: bool,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Build the targets that the patterns name, and nothing that is up to date.

    Images appear as OCI layouts below lambdabuild-out/.
    """
    where = options.place(directory, configs)
    session = options.session(where, ui)
    question = options.question(where, patterns, platforms, keep_going=keep_going)
    started = time.monotonic()
    evaluation = session.evaluate(question)
    with ui.progress() as on_event:
        report = session.build(
            evaluation, jobs=jobs, keep_going=keep_going, keep_failed=sandbox_debug, on_event=on_event
        )
    ui.report(report, time.monotonic() - started)
    return report.errors[0].exit_code if report.errors else 0
