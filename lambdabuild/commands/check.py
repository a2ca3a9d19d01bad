"""lambdabuild check"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby

import click

from lambdabuild.checking import CheckReport, check_built
from lambdabuild.commands import options, profiling
from lambdabuild.commands.executing import whole_images
from lambdabuild.errors import UserError
from lambdabuild.guard.findings import GuardReport, unused_text
from lambdabuild.oci.conformance import Finding
from lambdabuild.report import TargetReport
from lambdabuild.ui import Ui, counted

_COLOURS = {"passed": "green", "failed": "red", "not checked": "yellow"}


@click.command(cls=options.PatternCommand, short_help="Build images, and check that Lambda takes them.")
@options.patterns
@click.option("--full", is_flag=True, help="Fetch the layers that are not held here, and check them too.")
@click.option("-v", "--verbose", is_flag=True, help="Show the checks that passed as well.")
@options.jobs
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    full: bool,
    verbose: bool,
    jobs: int,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """Build the images that the patterns name, and check that Lambda would take them.

    What is likely to be a mistake in a target with a Dockerfile, such as a source
    that no COPY takes, is a warning. What needs layers of an external base that are not held here is not
    checked, unless --full fetches them. Sources with secrets, which no push would send, are told as well.
    """
    where = options.place(directory, configs)
    session = options.session(where, ui)
    evaluation = session.evaluate(options.question(where, patterns, platforms))
    targets = evaluation.graph.targets
    if not any(targets[root].image for root in evaluation.roots):
        raise UserError("none of the targets is an image", hint="name a lambda_image or base_image")
    with ui.progress() as on_event:
        remote = whole_images(ui, where.workspace)
        report = session.build(evaluation, jobs=jobs, full=full, on_event=on_event, remote=remote)
    if report.errors:
        raise report.errors[0]

    def check(target: TargetReport) -> CheckReport:
        assert target.built is not None
        configured = targets[target.id]
        report = check_built(target.id, target.built, session.files, configured.handlers)
        return replace(report, warnings=configured.warnings)

    with ThreadPoolExecutor(jobs) as pool:
        reports = list(pool.map(check, [target for target in report.targets if target.built]))
    images = [targets[root] for root in evaluation.roots if targets[root].image]
    return _tell(ui, reports, session.guarded(evaluation.graph, images), verbose=verbose)


def _tell(ui: Ui, reports: Sequence[CheckReport], guarded: GuardReport, *, verbose: bool) -> int:
    """Writes what was found; returns the exit code."""
    states = [finding.state for report in reports for finding in report.findings]
    if ui.as_json:
        ui.document({"images": [report.to_json() for report in reports], "guard": guarded.to_json()})
    else:
        for line in (*_lines(reports, verbose=verbose), *_guard_lines(guarded)):
            ui.result(line)
    counts = [f"{states.count(state)} {state}" for state in _COLOURS if state in states]
    if warnings := sum(len(report.warnings) for report in reports) + len(guarded.unused):
        counts.append(counted(warnings, "warning"))
    if guarded.findings:
        counts.append(f"{len(guarded.findings)} found by the guard")
    ui.note(f"{counted(len(reports), 'image')}: {', '.join(counts)}")
    return 1 if "failed" in states or guarded.findings else 0


def _guard_lines(guarded: GuardReport) -> Iterator[str]:
    """Yields what no push would send, and what is allowed for nothing."""
    for finding in guarded.findings:
        yield f"{click.style('failed     ', fg='red')}  {finding.target.short}  {finding.at}  {finding.kind}"
        yield f"             the source has {finding}"
        yield click.style("  hint: ", fg="cyan") + finding.hint
    for label, entry in guarded.unused:
        yield f"{click.style('warning    ', fg='yellow')}  {label.short}  {entry.at}"
        yield f"             {unused_text(label, entry)}"


def _lines(reports: Sequence[CheckReport], *, verbose: bool) -> Iterator[str]:
    """Yields what is known of each image; checks that say the same share a line."""
    for report in reports:
        told = [each for each in report.findings if verbose or each.state != "passed"]
        for _, group in groupby(told, _what):
            same = list(group)
            status = click.style(f"{same[0].state:<11}", fg=_COLOURS[same[0].state])
            names = ", ".join(finding.check for finding in same)
            yield f"{status}  {report.id.label.short}  {report.id.platform}  {names}"
            if same[0].message:
                yield f"             {same[0].message}"
            if same[0].hint:
                yield click.style("  hint: ", fg="cyan") + same[0].hint
        if report.warnings:
            yield f"{click.style('warning    ', fg='yellow')}  {report.id.label.short}  {report.id.platform}"
            yield from (f"             {warning}" for warning in report.warnings)


def _what(finding: Finding) -> tuple[str, str, str]:
    """Returns what findings share that are told together; one that passed stands alone."""
    return (finding.state, finding.message or finding.check, finding.hint)
