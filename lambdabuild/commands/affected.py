"""lambdabuild affected"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import partial

import click

from lambdabuild.affected import (
    CHANGED,
    NEW,
    REMOVED,
    Affected,
    Difference,
    affected,
    state_of,
    working_state,
)
from lambdabuild.commands import options, profiling
from lambdabuild.errors import UserError, did_you_mean
from lambdabuild.kept_blobs import KeptBlobs
from lambdabuild.kept_digests import KeptDigests
from lambdabuild.report import error_json
from lambdabuild.rulebook import RULE_NAMES
from lambdabuild.ui import Ui, render_error


@click.command(cls=options.PatternCommand, short_help="List the targets that differ from a git revision.")
@options.patterns
@click.option("--since", metavar="REV", required=True, help="Compare with this revision of git.")
@click.option("--until", metavar="REV", help="Compare that with this revision.  [default: the working tree]")
@click.option(
    "--kind", "kinds", metavar="RULE", multiple=True, help="Only targets of this rule; may be given again."
)
@click.option(
    "-k", "--keep-going", is_flag=True, help="Count what is broken as different, and say what is wrong."
)
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    since: str,
    until: str | None,
    kinds: tuple[str, ...],
    keep_going: bool,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> int:
    """List the targets whose hash differs from what it is at a revision of git.

    \b
      lambdabuild affected --since main --kind lambda_image
      lambdabuild affected --since main | lambdabuild build -

    PATTERN is //... if not given. Nothing is checked out and nothing is built.
    """  # noqa: D301  (\b is click's mark for lines that are not joined)
    where = options.place(directory, configs)
    question = options.question(where, patterns or ("//...",), platforms, keep_going=keep_going)
    root = where.workspace.root
    cache = options.cache_directory()
    state_at = partial(state_of, root, configs=configs, env=os.environ, blobs=KeptBlobs.of(cache))
    with ExitStack() as stack:
        before = stack.enter_context(state_at(since))
        after = (
            working_state(where.workspace, KeptDigests.of(cache, root))
            if until is None
            else stack.enter_context(state_at(until))
        )
        found = affected(before, after, question, ui.said)
    _check_kinds(kinds, found)
    shown = [each for each in found.differences if not kinds or not each.kind or each.kind in kinds]
    for error in (*found.failures[0], *found.failures[1]):
        ui.note(render_error(error))
    if as_json:
        ends = {
            "since": {"revision": since, "commit": before.commit},
            "until": {"revision": until, "commit": after.commit} if until else None,
        }
        ui.document(ends | _document(shown, found))
    else:
        for each in shown:
            if each.change != REMOVED:
                ui.result(each.label.short)
    ui.note(_counts(shown, found))
    return UserError.exit_code if found.failures[1] else 0


def _check_kinds(kinds: tuple[str, ...], found: Affected) -> None:
    """Raises UserError for a rule that no target is of and that is not one of lambdabuild's own."""
    known = {*RULE_NAMES, *found.kinds}
    for kind in kinds:
        if kind not in known:
            hint = did_you_mean(kind, sorted(known)) or f"there are {', '.join(sorted(known))}"
            raise UserError(f"no target is of a rule {kind!r}", hint=hint)


def _document(shown: list[Difference], found: Affected) -> dict[str, object]:
    return {
        "targets": [each.to_json() for each in shown if each.change != REMOVED],
        "removed": [each.to_json() for each in shown if each.change == REMOVED],
        "compared": found.compared,
        "errors": [error_json(error) for errors in found.failures for error in errors],
    }


def _counts(shown: list[Difference], found: Affected) -> str:
    count = {change: sum(each.change == change for each in shown) for change in (CHANGED, NEW, REMOVED)}
    differ = count[CHANGED] + count[NEW]
    parts = [f"{number} {change}" for change, number in count.items() if number]
    more = f": {', '.join(parts)}" if parts else ""
    return f"{differ} of {found.compared} targets affected{more}"
