"""lambdabuild push"""

from __future__ import annotations

import click

from lambdabuild.commands import deliveries, executing, options, profiling
from lambdabuild.ui import Ui


@click.command(cls=options.PatternCommand, short_help="Build images, and push what registries lack.")
@options.patterns
@options.destinations
@click.option("-k", "--keep-going", is_flag=True, help="Go on with the rest after a failure.")
@options.jobs
@executing.executor
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    to: tuple[str, ...],
    tags: tuple[str, ...],
    keep_going: bool,
    jobs: int,
    executor: str | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Build the images that the patterns name, and push them: only what a registry lacks.

    Each goes to HOST/PREFIX/<package>/<name>, under the tag of its hash.
    """
    where = options.place(directory, configs)
    wanted = deliveries.read_wanted(where.workspace, directory, to=to, tags=tags)
    session = options.session(where, ui)
    question = options.question(where, patterns, platforms, keep_going=keep_going)
    return deliveries.build_and_deliver(
        ui,
        session,
        question,
        wanted,
        jobs=jobs,
        keep_going=keep_going,
        quiet=True,
        choice=executing.read_choice(where.workspace, executor),
    )
