"""lambdabuild deploy"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from lambdabuild.commands import deliveries, executing, functions, options, profiling
from lambdabuild.commands.deploy_lines import counts, outcome_lines, plan_json, plan_lines
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.deploying import lineage
from lambdabuild.deploying.connecting import Connection, connect
from lambdabuild.deploying.live_tags import tag_live
from lambdabuild.deploying.names import check_alias
from lambdabuild.deploying.offers import Offer, choose_destination
from lambdabuild.deploying.plan import Change, Releases, at_once, plan_changes
from lambdabuild.deploying.recorded import Author, Done, deploy
from lambdabuild.deploying.records import ROLLBACK, Records
from lambdabuild.deploying.revision import Revision, revision_of
from lambdabuild.deploying.rollback import choose, ended_by, plan_rollback, resume
from lambdabuild.deploying.sets import DEPLOYED
from lambdabuild.deploying.steps import Patience, Steps
from lambdabuild.digest import Key
from lambdabuild.errors import UserError
from lambdabuild.keys import tag_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import plan_push, read_wishes, repository_for
from lambdabuild.session import Session
from lambdabuild.ui import Ui, render_error

_LATEST = "latest"


@dataclass(frozen=True, slots=True)
class _Deployer:
    """What all ways to deploy need."""

    ui: Ui
    where: options.Place
    session: Session
    connection: Connection
    records: Records
    steps: Steps
    keep_going: bool


@click.command(cls=options.PatternCommand, short_help="Bring functions to their images.")
@options.patterns
@click.option("--plan", "only_plan", is_flag=True, help="Say what would change, and change nothing.")
@click.option(
    "--rollback",
    metavar="[ID]",
    is_flag=False,
    flag_value=_LATEST,
    help="Put back what a deploy has changed; the last one if no ID is given.",
)
@functions.define
@click.option(
    "--publish", is_flag=True, help="Publish a version of each function.  [default: [deploy] publish]"
)
@click.option(
    "--alias", metavar="NAME", help="Point this alias at what is published.  [default: [deploy] alias]"
)
@click.option(
    "--to",
    metavar="HOST/PREFIX",
    multiple=True,
    help="Push there; may be given again.  [default: [registry] push]",
)
@click.option("-k", "--keep-going", is_flag=True, help="Leave what succeeded after a failure.")
@click.option(
    "--wait",
    type=click.FloatRange(min=1, max=3600),
    metavar="SECONDS",
    default=300.0,
    help="Wait so long for each update.  [default: 300]",
)
@options.jobs
@executing.executor
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    only_plan: bool,
    rollback: str | None,
    defines: tuple[str, ...],
    publish: bool,
    alias: str | None,
    to: tuple[str, ...],
    keep_going: bool,
    wait: float,
    jobs: int,
    executor: str | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Build and push images, and bring the functions that they serve to them.

    A function that runs its image already is left alone. If one fails, the
    others are put back.
    """
    where = options.place(directory, configs)
    session = options.session(where, ui)
    workspace = where.workspace
    if rollback is not None:
        if patterns:
            raise UserError(
                "a rollback puts back all that a deploy has changed, and takes no targets",
                hint=f"lambdabuild deploy --rollback {'' if rollback == _LATEST else rollback}".rstrip(),
            )
        return _roll_back(_deployer(ui, where, session, wait, keep_going), rollback, to, only_plan)
    found = functions.read_functions(where, session, patterns, platforms, defines)
    wishes = read_wishes(workspace, to, ())
    releases = Releases(
        publish or bool(workspace.number("deploy.publish")),
        check_alias(alias or workspace.text("deploy.alias")),
    )
    deployer = _deployer(ui, where, session, wait, keep_going)
    destination = choose_destination(wishes.destinations, deployer.connection.region)
    keys = session.keys(found.evaluation)
    if only_plan:
        plan_push(found.evaluation, wishes, deliveries.origins_of(session))  # for what it refuses
        offers = _offers(session, found, keys.hashes, {}, destination, wishes.template)
    else:
        wanted = deliveries.read_wanted(workspace, directory, to=to)
        choice = executing.read_choice(workspace, executor)
        made = deliveries.carry(
            ui, session, found.evaluation, wanted, jobs=jobs, keep_going=False, choice=choice
        )
        made.check()
        offers = _offers(session, found, made.hashes, made.digests, destination, wishes.template)
    changes = plan_changes(found.wanted, offers, deployer.steps, releases)
    if only_plan:
        return _tell_plan(deployer, changes)
    revision = revision_of(workspace.root, os.environ)
    functions.keep_lineage(session, found.evaluation, keys, offers.values(), revision)
    return _deploy(deployer, changes, revision)


def _deployer(ui: Ui, where: options.Place, session: Session, wait: float, keep_going: bool) -> _Deployer:
    connection = connect(where.workspace)
    records = functions.records_of(session, connection)
    steps = Steps(connection.service, Patience(wait))
    return _Deployer(ui, where, session, connection, records, steps, keep_going)


def _offers(
    session: Session,
    found: functions.Functions,
    hashes: Mapping[ConfiguredLabel, Key],
    digests: Mapping[tuple[ConfiguredLabel, str], OciDigest],
    destination: Destination,
    template: str,
) -> dict[ConfiguredLabel, Offer]:
    """Returns the images by their hashes; the registry is asked for those whose digests are not known."""

    def offer(id_: ConfiguredLabel) -> Offer:
        repository = repository_for(found.evaluation.graph.targets[id_], template)
        reference = destination.reference(repository, tag_of(hashes[id_]))
        digest = digests.get((id_, reference.name)) or session.client.digest(reference)
        return Offer(id_, hashes[id_], reference, digest)

    known = [id_ for id_ in found.evaluation.roots if id_ in hashes]
    return {each.id: each for each in at_once(offer, known)}


def _deploy(deployer: _Deployer, changes: Sequence[Change], revision: Revision) -> int:
    changes, resumes = resume(changes, deployer.records.unfinished())
    if resumes:
        deployer.ui.note(f"going on with {', '.join(resumes)}, which was cut off")
    return _carry_out(deployer, changes, revision, resumes=resumes)


def _roll_back(deployer: _Deployer, chosen: str, to: Sequence[str], only_plan: bool) -> int:
    records = deployer.records
    record = choose(records.latest()) if chosen == _LATEST else records.find(chosen)
    wishes = read_wishes(deployer.where.workspace, to, ())
    changes = plan_rollback(record, deployer.steps, {each.host for each in wishes.destinations})
    if only_plan:
        return _tell_plan(deployer, changes)
    revision = Revision(record.commit, record.dirty)
    resumes = ended_by(record, records.unfinished())
    return _carry_out(deployer, changes, revision, kind=ROLLBACK, undoes=record.id, resumes=resumes)


def _carry_out(deployer: _Deployer, changes: Sequence[Change], revision: Revision, **more: Any) -> int:
    """Does the changes, and writes what became of them."""
    started = time.monotonic()
    ui = deployer.ui
    begun: list[str] = []
    author = Author(deployer.connection.who, revision, lambda: datetime.now(UTC))
    try:
        done = deploy(
            changes,
            deployer.steps,
            deployer.records,
            author,
            keep_going=deployer.keep_going,
            begun=begun.append,
            **more,
        )
    except KeyboardInterrupt:
        if begun:
            ui.note(f"interrupted; {_after_interrupt(begun[0], str(more.get('undoes', '')))}")
        raise
    for error in tag_live(done.outcomes, lambda: deployer.session.client):
        ui.note(render_error(error))
    seconds = time.monotonic() - started
    if ui.as_json:
        shown = [outcome.to_json() for outcome in done.outcomes]
        ui.document({"id": done.id or None, "functions": shown, "seconds": round(seconds, 3)})
    else:
        for line in outcome_lines(done.outcomes):
            ui.result(line)
    return _conclude(ui, done, seconds, undoable="kind" not in more)


def _after_interrupt(id_: str, undone: str) -> str:
    """Returns what can be done about functions that are in between."""
    if undone:
        return f"lambdabuild deploy --rollback {undone} goes on"
    return f"the same command goes on, lambdabuild deploy --rollback {id_} puts back"


def _conclude(ui: Ui, done: Done, seconds: float, *, undoable: bool) -> int:
    """Writes errors and counts; returns the exit code."""
    errors = {(each.error.message, each.error.at): each.error for each in done.outcomes if each.error}
    for error in errors.values():
        ui.note(render_error(error))
    ui.note(f"{counts(done.outcomes)} in {seconds:.2f} s")
    if undoable and any(outcome.status == DEPLOYED for outcome in done.outcomes):
        ui.note(f"lambdabuild deploy --rollback {done.id} puts them back")
    return next((error.exit_code for error in errors.values()), 0)


def _tell_plan(deployer: _Deployer, changes: Sequence[Change]) -> int:
    """Writes what would change."""
    ui = deployer.ui
    documents = functions.documents_of(deployer.session)
    revisions = {}
    for digest in {change.before.digest for change in changes if change.reason}:
        known = lineage.find(documents, digest)
        revisions[digest] = known[0].revision if known else Revision()
    if ui.as_json:
        ui.document({"functions": plan_json(changes, revisions)})
    else:
        for line in plan_lines(changes, revisions):
            ui.result(line)
    count = sum(change.needed for change in changes)
    ui.note(f"{count} of {len(changes)} functions would change; nothing has been changed")
    return 0
