"""Build, and then bring the images somewhere: what `push` and `build --push, --load, --output` share"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambdabuild.commands import options
from lambdabuild.commands.executing import Choice, RemoteLines
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.errors import LambdaBuildError, UserError
from lambdabuild.evaluation import Evaluation, Question
from lambdabuild.external.registries import reference_of
from lambdabuild.keys import KeyTable, tag_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.pushing.names import LATEST
from lambdabuild.pushing.plan import (
    Item,
    PushPlan,
    Wishes,
    asked_items,
    plan_push,
    read_template,
    read_wishes,
)
from lambdabuild.pushing.result import ADOPTED, FAILED, PUSHED, SKIPPED, PushResult
from lambdabuild.report import BuildReport
from lambdabuild.session import Session
from lambdabuild.ui import DIGEST_WIDTH, Ui, render_error, size_of
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.remote.working import RemoteWishes
    from lambdabuild.saving import Output

_COLOURS = {PUSHED: "green", ADOPTED: None, FAILED: "red", SKIPPED: "yellow"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Where the images are to go.

    wishes:   registries, or None for none.
    implied:  nobody asked to push: what is built goes there, what was built is left.
    template: how repositories are named.
    loads:    into the Docker daemon.
    output:   into a file or directory.
    """

    wishes: Wishes | None
    template: str
    loads: bool = False
    output: Output | None = None
    implied: bool = False


@dataclass(frozen=True, slots=True)
class Carried:
    """What was built, and where it went. planned: whether there was anything to push."""

    report: BuildReport
    pushed: tuple[PushResult, ...]
    images: tuple[Mapping[str, str], ...]
    planned: bool

    @property
    def hashes(self) -> dict[ConfiguredLabel, Key]:
        """The hashes that targets had when they were built."""
        return {each.id: each.hash for each in self.report.targets if each.hash}

    @property
    def digests(self) -> dict[tuple[ConfiguredLabel, str], OciDigest]:
        """What registries have now, by image, host and repository."""
        delivered = ((each.id, each.reference.name, each.delivered) for each in self.pushed)
        return {(id_, name): found.digest for id_, name, found in delivered if found}

    def check(self) -> None:
        """Raises the first error."""
        for error in (*self.report.errors, *(each.error for each in self.pushed)):
            if error:
                raise error


def read_wanted(
    workspace: Workspace,
    directory: str,
    *,
    to: Sequence[str] = (),
    tags: Sequence[str] = (),
    pushes: bool = True,
    loads: bool = False,
    output: str | None = None,
    implied: bool = False,
) -> Wanted:
    """Returns what the flags say; raises UserError, ExternalError where no Docker daemon answers."""
    wishes = read_wishes(workspace, to, tags, implied=not pushes) if pushes or implied else None
    place = None
    if output or loads:
        from lambdabuild.saving import check_daemon, parse_output  # pushes do without

        place = parse_output(output, Path(directory)) if output else None
        if loads:
            check_daemon()
    return Wanted(wishes, read_template(workspace), loads, place, implied and not pushes)


def build_and_deliver(
    ui: Ui,
    session: Session,
    question: Question,
    wanted: Wanted,
    *,
    jobs: int,
    keep_going: bool,
    keep_failed: bool = False,
    quiet: bool = False,
    choice: Choice,
) -> int:
    """Builds, delivers what was built, and writes what became of it; returns the exit code.

    quiet: say nothing of targets that were built.
    """
    started = time.monotonic()
    evaluation = session.evaluate(question)
    made = carry(
        ui,
        session,
        evaluation,
        wanted,
        jobs=jobs,
        keep_going=keep_going,
        keep_failed=keep_failed,
        choice=choice,
    )
    report, pushed = made.report, made.pushed
    record_lineage(ui, session, evaluation, made)
    asked = replace(report, targets=tuple(each for each in report.targets if each.id in evaluation.roots))
    if report.errors and not keep_going:
        ui.report(asked, time.monotonic() - started)
        return report.errors[0].exit_code
    if ui.as_json or not quiet or report.errors:
        pushes = [result.to_json() for result in pushed]
        ui.report(asked, time.monotonic() - started, {"images": made.images, "pushes": pushes})
    if not ui.as_json:
        for line in (*_lines_here(made.images), *push_lines(pushed)):
            ui.result(line)
    errors = {(error.message, error.at): error for each in pushed if (error := each.error)}
    for error in errors.values():
        ui.note(render_error(error))
    if pushed or (made.planned and not wanted.implied):
        ui.note(f"{push_counts(pushed)} in {time.monotonic() - started:.2f} s")
    return next((error.exit_code for error in (*report.errors, *errors.values())), 0)


def carry(
    ui: Ui,
    session: Session,
    evaluation: Evaluation,
    wanted: Wanted,
    *,
    jobs: int,
    keep_going: bool,
    keep_failed: bool = False,
    choice: Choice,
) -> Carried:
    """Builds, and delivers what was built unless that failed; writes nothing but progress."""
    plan = _plan(session, evaluation, wanted)
    here = _here(evaluation, wanted)
    pushed: list[PushResult] = []
    with ui.progress() as on_event:
        report = session.build(
            plan.with_bases(evaluation) if plan else evaluation,
            jobs=jobs,
            keep_going=keep_going,
            keep_failed=keep_failed,
            full=bool(here),
            leaves=bool(plan and not wanted.implied),
            on_event=on_event,
            remote=_remote(ui, session, plan, wanted, choice, jobs, pushed) if choice.remote else None,
        )
    images: tuple[Mapping[str, str], ...] = ()
    if not report.errors or keep_going:
        images = tuple(_deliver_here(session, report, here, wanted)) if here else ()
        if plan and not wanted.implied:
            rest = plan.without(lambda item: choice.remote and item.shareable)
            pushed += _push(session, rest, report, jobs=jobs, keep_going=keep_going)
    return Carried(report, tuple(pushed), images, plan is not None)


def record_lineage(ui: Ui, session: Session, evaluation: Evaluation, made: Carried) -> None:
    """Records what newly pushed images were made of; a push is good without."""
    hashes = made.hashes
    new = [each for each in made.pushed if each.status == PUSHED and each.id in evaluation.roots]
    if not new:
        return
    from lambdabuild.commands.functions import keep_lineage  # knows functions, which a push has none of
    from lambdabuild.deploying.offers import Offer
    from lambdabuild.deploying.revision import revision_of

    offers = [
        Offer(each.id, hash_, replace(each.reference, digest=None), each.delivered.digest)
        for each in new
        if each.delivered and (hash_ := hashes.get(each.id))
    ]
    try:
        revision = revision_of(session.workspace.root, os.environ)
        keep_lineage(session, evaluation, session.keys(evaluation, keep_going=True), offers, revision)
    except LambdaBuildError as error:
        ui.note(f"what the images were made of is not recorded: {error.message}")


def _plan(session: Session, evaluation: Evaluation, wanted: Wanted) -> PushPlan | None:
    """Returns what is to be pushed; raises UserError for what cannot be."""
    if not wanted.wishes:
        return None
    if wanted.implied:
        evaluation = _shareable_images(evaluation)
        if not evaluation.roots:
            return None
    return plan_push(evaluation, wanted.wishes, origins_of(session))


def _shareable_images(evaluation: Evaluation) -> Evaluation:
    """Returns the question's answer with those images alone that may leave this machine."""
    graph = evaluation.graph
    images = {id_: image for id_ in evaluation.roots if (image := graph.targets[id_].image)}
    roots = (id_ for id_, image in images.items() if graph.action(image.manifest.action).shareable)
    return replace(evaluation, roots=tuple(roots))


def _remote(
    ui: Ui,
    session: Session,
    plan: PushPlan | None,
    wanted: Wanted,
    choice: Choice,
    jobs: int,
    pushed: list[PushResult],
) -> RemoteWishes:
    from lambdabuild.pushing.presence import absent_images
    from lambdabuild.remote.working import RemoteWishes

    there = plan.without(lambda item: not item.shareable) if plan else None

    def absent(keys: KeyTable) -> set[ConfiguredLabel]:
        if there is None or wanted.implied:
            return set()
        return absent_images(there, keys.hashes, session.client, options.transfers(jobs))

    return RemoteWishes(
        choice.detach, choice.download, there, absent, RemoteLines(ui).on_event, pushed.append
    )


def _here(evaluation: Evaluation, wanted: Wanted) -> Mapping[ConfiguredLabel, Item]:
    """Returns the images that go to places on this machine; raises UserError if they are too many."""
    if not wanted.loads and not wanted.output:
        return {}
    items = asked_items(evaluation, (LATEST,), wanted.template)
    if wanted.output and len(items) != 1:
        raise UserError(
            f"--output writes one image, and here are {len(items)}: {', '.join(map(str, items))}",
            hint="name one target, and one --platform",
        )
    return items


def _deliver_here(
    session: Session, report: BuildReport, items: Mapping[ConfiguredLabel, Item], wanted: Wanted
) -> Iterator[dict[str, str]]:
    """Yields what went where, once it is there."""
    from lambdabuild.saving import load, save

    for target in report.targets:
        if target.built is None or target.hash is None or target.id not in items:
            continue
        item, tag = items[target.id], tag_of(target.hash)
        told = {"label": target.id.label.short, "platform": target.id.platform}
        if wanted.output:
            save(target.built, item.repository, tag, wanted.output, session.files)
            yield {"status": "written", **told, "place": str(wanted.output)}
        if wanted.loads:
            load(target.built, item.repository, (tag, *item.tags), session.files)
            yield {"status": "loaded", **told, "place": f"{item.repository}:{tag}"}


def _lines_here(images: Sequence[Mapping[str, str]]) -> Iterator[str]:
    """Yields a line for each image that went to a place on this machine."""
    for each in images:
        yield f"{each['status']:<7}  {each['label']}  {each['platform']}  {each['place']}"


def _push(
    session: Session, plan: PushPlan, report: BuildReport, *, jobs: int, keep_going: bool
) -> tuple[PushResult, ...]:
    from lambdabuild.pushing.pusher import Pusher  # brings the HTTP library

    pusher = Pusher(
        plan,
        report,
        client=session.client,
        store=session.files,
        layers=session.external_layers.read,
        keep_going=keep_going,
    )
    return pusher.run(options.transfers(jobs))


def origins_of(session: Session) -> dict[str, tuple[Reference, ...]]:
    """Returns where the layers of each external image are: in its own registry, and in its mirror."""
    found: dict[str, tuple[Reference, ...]] = {}
    for name, image in session.workspace.images.items():
        reference = reference_of(image)
        found[name] = (reference, session.registries.mirrored(reference))
    return found


def push_lines(results: Sequence[PushResult]) -> Iterator[str]:
    """Yields a line for each image and registry, and below it where the image is."""
    width = max((len(result.id.label.short) for result in results), default=0)
    for result in results:
        status = click.style(f"{result.status:<7}", fg=_COLOURS[result.status])
        parts = [status, f"{result.id.label.short:<{width}}", result.id.platform]
        delivered = result.delivered
        if delivered:
            parts += [delivered.digest[:DIGEST_WIDTH], f"{result.seconds:.2f}s"]
        if delivered and result.status == PUSHED:
            parts.append(f"{size_of(delivered.sent)} sent, {delivered.mounted} mounted")
        yield "  ".join(parts)
        yield f"         {replace(result.reference, digest=None)}"


def push_counts(results: Sequence[PushResult]) -> str:
    statuses = [result.status for result in results]
    counts = [f"{statuses.count(each)} {each}" for each in _COLOURS if each in statuses]
    sent = sum(result.delivered.sent for result in results if result.delivered)
    return ", ".join([*counts, f"{size_of(sent)} sent"] if counts else ["nothing to push"])
