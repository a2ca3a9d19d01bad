"""lambdabuild build"""

from __future__ import annotations

import time

import click

from lambdabuild.commands import again, executing, options, profiling
from lambdabuild.errors import UserError
from lambdabuild.recalling import told_of
from lambdabuild.ui import Ui


@click.command(cls=options.PatternCommand, short_help="Build targets, and nothing that is up to date.")
@options.patterns
@click.option("-k", "--keep-going", is_flag=True, help="Build what can be built after a failure.")
@options.jobs
@executing.options
@click.option("--sandbox-debug", is_flag=True, help="Keep the directories of actions that fail.")
@click.option("--explain", is_flag=True, help="Say of each action that runs what has changed.")
@click.option("--push", "pushes", is_flag=True, help="Push the images, as `lambdabuild push` does.")
@options.destinations
@click.option("--load", "loads", is_flag=True, help="Put the images into the Docker daemon.")
@click.option(
    "--output", metavar="FORMAT=PATH", help="Write the image: oci=DIRECTORY, or docker-archive=FILE."
)
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    keep_going: bool,
    jobs: int,
    executor: str | None,
    detach: bool,
    download: str | None,
    sandbox_debug: bool,
    explain: bool,
    pushes: bool,
    to: tuple[str, ...],
    tags: tuple[str, ...],
    loads: bool,
    output: str | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Build the targets that the patterns name, and nothing that is up to date.

    Images appear as OCI layouts below lambdabuild-out/.
    """
    if (to or tags) and not pushes:
        raise UserError(f"{'--to' if to else '--tag'} is for what is pushed", hint="add --push")
    where = options.place(directory, configs)
    choice = executing.read_choice(where.workspace, executor, detach=detach, download=download)
    if detach and (loads or output):
        raise UserError(
            f"--detach does not wait for the image that {'--load' if loads else '--output'} needs"
        )
    session = options.session(where, ui, explain=explain)
    question = options.question(where, patterns, platforms, keep_going=keep_going)
    if pushes or loads or output or choice.remote:
        from lambdabuild.commands import deliveries  # what most builds do without

        wanted = deliveries.read_wanted(
            where.workspace,
            directory,
            to=to,
            tags=tags,
            pushes=pushes,
            loads=loads,
            output=output,
            implied=choice.remote and bool(where.workspace.list("registry.push")),
        )
        return deliveries.build_and_deliver(
            ui,
            session,
            question,
            wanted,
            jobs=jobs,
            keep_going=keep_going,
            keep_failed=sandbox_debug,
            choice=choice,
        )
    started = time.monotonic()
    found = None if explain else again.recalled(ui, where)
    evaluation = found.evaluation if found else session.evaluate(question)
    said = list(ui.told)
    with ui.progress() as on_event:
        part = session.build(
            evaluation, jobs=jobs, keep_going=keep_going, keep_failed=sandbox_debug, on_event=on_event
        )
    report = found.completed(part) if found else part
    ui.report(report, time.monotonic() - started)
    if report.errors:
        return report.errors[0].exit_code
    if not explain:
        pieces = again.as_cached(report, said, ui.as_json)
        told = [told_of(target) for target in report.targets]
        again.keep_answer(ui, where, session, evaluation, found, pieces, told, part)
    return 0
