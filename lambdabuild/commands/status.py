"""lambdabuild status"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import click

from lambdabuild.commands import functions, options
from lambdabuild.deploying.connecting import connect
from lambdabuild.deploying.lineage import made_by, sources
from lambdabuild.deploying.names import check_alias, check_name
from lambdabuild.deploying.status import CURRENT, DIFFERS, UNKNOWN, Status, status_of, statuses
from lambdabuild.errors import UserError
from lambdabuild.keys import tag_of
from lambdabuild.ui import DIGEST_WIDTH, Ui

_COLOURS = {CURRENT: "green", DIFFERS: "yellow", UNKNOWN: None}


@click.command(cls=options.PatternCommand, short_help="Say what functions run.")
@options.patterns
@click.option(
    "--function",
    "names",
    metavar="NAME",
    multiple=True,
    help="Say what a function of the account runs, and what that was made of; may be given again.",
)
@functions.define
@click.option(
    "--alias", metavar="NAME", help="Look at the version behind this alias.  [default: [deploy] alias]"
)
@options.common
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    names: tuple[str, ...],
    defines: tuple[str, ...],
    alias: str | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what functions run: image, hash, revision, and whether the working tree gives the same.

    With --function it is the other way round: from a function to its target
    and inputs.
    """
    where = options.place(directory, configs)
    if names and patterns:
        raise UserError("--function takes the place of targets", hint="leave out one of the two")
    session = options.session(where, ui)
    behind = check_alias(where.workspace.text("deploy.alias") if alias is None else alias)
    if names:
        wanted = [check_name(name) for name in names]
        service, documents = connect(where.workspace).service, functions.documents_of(session)
        found = [status_of(name, service, documents, behind) for name in wanted]
    else:
        asked = functions.read_functions(where, session, patterns, platforms, defines)
        keys = session.keys(asked.evaluation)
        service, documents = connect(where.workspace).service, functions.documents_of(session)
        found = statuses(asked.wanted, keys.hashes, service, documents, behind)
    if as_json:
        ui.document({"functions": [each.to_json() for each in found]})
        return
    for line in _details(found) if names else _lines(found):
        ui.result(line)


def _lines(found: Sequence[Status]) -> Iterator[str]:
    """Yields a line for each function."""
    name = max(len(each.name) for each in found)
    for each in found:
        parts = [
            click.style(f"{each.state:<7}", fg=_COLOURS[each.state]),
            f"{each.name:<{name}}",
            each.seen.deployed.digest[:DIGEST_WIDTH],
        ]
        if each.lineage:
            parts += [tag_of(each.lineage.state.target.key), str(each.lineage.revision)]
        if each.seen.problem:
            parts.append(click.style(f"its last update failed: {each.seen.problem}", fg="red"))
        if each.seen.busy:
            parts.append("an update is under way")
        yield "  ".join(parts).rstrip()


def _details(found: Sequence[Status]) -> Iterator[str]:
    """Yields for each function what it runs, and what that was made of."""
    for each in found:
        runs = each.seen.deployed
        yield each.name
        yield f"  image     {runs.uri}"
        yield f"  version   {each.seen.version}{f' ({each.alias})' if each.alias else ''}"
        if runs.config.command:
            yield f"  command   {' '.join(runs.config.command)}"
        if each.lineage is None:
            yield "  target    not known: nobody here has deployed this image"
            continue
        state = each.lineage.state
        yield f"  target    {state.label} ({state.platform}) of {each.lineage.workspace}"
        yield f"  hash      {state.target.key}"
        yield f"  revision  {each.lineage.revision}"
        for path in sources(state):
            yield f"  file      {path}"
        for label in made_by(state):
            yield f"  made of   {label}"
