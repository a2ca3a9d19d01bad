"""lambdabuild outputs"""

from __future__ import annotations

from pathlib import Path

import click

from lambdabuild.artefacts.artefact import Artefact
from lambdabuild.artefacts.choice import choose_images, only_destination, plan_map
from lambdabuild.artefacts.formats import FORMATS, merged, render
from lambdabuild.commands import deliveries, executing, functions, options, profiling
from lambdabuild.errors import Location, UserError
from lambdabuild.evaluation import Evaluation
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import plan_push, read_wishes
from lambdabuild.session import Session
from lambdabuild.store.local import write_atomically
from lambdabuild.ui import Ui

_JSON = "json"
_TFVARS, _CONTEXT = "tfvars", "cdk-context"
_TFVARS_NAME = ".tfvars.json"


@click.command(cls=options.PatternCommand, short_help="Print the URIs of images, for infrastructure code.")
@options.patterns
@click.option(
    "--format",
    "format_",
    type=click.Choice([*FORMATS]),
    default=_JSON,
    help="How to write the map.  [default: json]",
)
@click.option("--output", metavar="FILE", help="Write it to FILE, whole or not at all.")
@click.option(
    "--predict", is_flag=True, help="From hashes alone: URIs by tag; nothing is built, nobody asked."
)
@click.option("--push", "pushes", is_flag=True, help="Build and push first what the registry lacks.")
@functions.define
@click.option("--to", metavar="HOST/PREFIX", help="The registry.  [default: [registry] push]")
@options.jobs
@executing.executor
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    format_: str,
    output: str | None,
    predict: bool,
    pushes: bool,
    defines: tuple[str, ...],
    to: str | None,
    jobs: int,
    executor: str | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print where the images are that the patterns name, by digest, for infrastructure code.

    These are lambda_images, and other images that are named by their own labels.
    An image that was not pushed is an error.
    """
    _check_flags(predict=predict, pushes=pushes, executor=executor, format_=format_, as_json=as_json)
    target = _file(directory, output, format_) if output else None
    where = options.place(directory, configs)
    wishes = read_wishes(where.workspace, [to] if to else (), ())
    destination = only_destination(wishes)
    session = options.session(where, ui)
    question = options.question(where, patterns, platforms)
    evaluation = choose_images(session.evaluate(question), question.patterns)
    names = plan_map(evaluation, functions.variables(where.workspace, defines))
    push = plan_push(evaluation, wishes, deliveries.origins_of(session))
    if pushes:
        choice = executing.read_choice(where.workspace, executor)
        made = _pushed(ui, session, evaluation, destination, directory, jobs, choice)
        found = names.artefacts(push, made.hashes, destination, made.digests)
    else:
        found = names.artefacts(push, session.keys(evaluation).hashes, destination, {})
    if not predict:
        found = _asked(session, found, options.transfers(jobs), f"--to {to}" if to else "")
    _write(ui, render(format_, found), target, format_)


def _check_flags(*, predict: bool, pushes: bool, executor: str | None, format_: str, as_json: bool) -> None:
    if predict and pushes:
        raise UserError("--predict pushes nothing", hint="drop --predict, or --push")
    if executor and not pushes:
        raise UserError("--executor is for what is built", hint="add --push")
    if as_json and format_ != _JSON:
        raise UserError(f"--json and --format {format_} are two formats", hint="drop one of them")


def _file(directory: str, output: str, format_: str) -> Path:
    """Returns the file that --output names; raises UserError for one that the map cannot be in."""
    path = (Path(directory) / output).resolve()
    if path.is_dir() or not path.parent.is_dir():
        raise UserError(
            f"{output} is a directory" if path.is_dir() else f"there is no directory {Path(output).parent}",
            hint="name a file in a directory that is there",
        )
    if format_ == _TFVARS and not path.name.endswith(_TFVARS_NAME):
        raise UserError(
            f"{output} holds JSON, and Terraform would not read it as that",
            hint=f"end its name with {_TFVARS_NAME}: --output lambda_images.auto{_TFVARS_NAME}",
        )
    return path


def _pushed(
    ui: Ui,
    session: Session,
    evaluation: Evaluation,
    destination: Destination,
    directory: str,
    jobs: int,
    choice: executing.Choice,
) -> deliveries.Carried:
    """Builds and pushes; raises what failed."""
    wanted = deliveries.read_wanted(session.workspace, directory, to=[str(destination)])
    made = deliveries.carry(ui, session, evaluation, wanted, jobs=jobs, keep_going=False, choice=choice)
    deliveries.record_lineage(ui, session, evaluation, made)
    made.check()
    ui.note(deliveries.push_counts(made.pushed))
    return made


def _asked(session: Session, found: tuple[Artefact, ...], jobs: int, to: str) -> tuple[Artefact, ...]:
    """Returns the images with their digests; the registry is asked for those that have none yet."""
    if all(each.digest for each in found):
        return found
    from lambdabuild.artefacts.presence import with_digests  # brings the HTTP library

    return with_digests(found, session.client, jobs, to=to)


def _write(ui: Ui, text: str, target: Path | None, format_: str) -> None:
    if target is None:
        ui.result(text.removesuffix("\n"))
        return
    if format_ == _CONTEXT and target.exists():
        text = merged(text, target.read_bytes(), Location(target.name))
    write_atomically(target, text.encode(), target.parent)
