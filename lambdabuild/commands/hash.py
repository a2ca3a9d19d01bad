"""lambdabuild hash"""

from __future__ import annotations

import click

from lambdabuild.commands import again, options, profiling
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.errors import UserError
from lambdabuild.explain.difference import difference
from lambdabuild.explain.documents import Documents
from lambdabuild.explain.state import origins_of
from lambdabuild.explain.wording import lines
from lambdabuild.keys import KeyTable, tag_of
from lambdabuild.remembering import Answer
from lambdabuild.session import Session
from lambdabuild.ui import Ui


@click.command(cls=options.PatternCommand, short_help="Print hashes, without running anything.")
@options.patterns
@click.option(
    "--diff",
    nargs=2,
    metavar="A B",
    help="Print what leads from A to B: hashes, tags, keys, or files with what --json wrote.",
)
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    diff: tuple[str, str] | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Print the hash of each target, without running anything.

    With --json, the documents that the hashes are computed from as well
    (docs/hashing.md).
    """
    where = options.place(directory, configs)
    session = options.session(where, ui)
    if diff:
        if patterns:
            raise UserError("--diff takes two hashes and no target patterns", hint="drop the patterns")
        _compare(ui, session, *diff)
        return
    question = options.question(where, patterns, platforms)
    found = None if as_json else again.recalled(ui, where)
    evaluation = found.evaluation if found else session.evaluate(question)
    keys = session.keys(evaluation)
    hashes = found.hashes(keys.hashes) if found else [(id_, keys.hashes[id_]) for id_ in evaluation.roots]
    if as_json:
        ui.document(_documents(evaluation.graph, evaluation.roots, keys))
        again.keep(ui, where, session.ground(evaluation), Answer(ui.told))
        return
    for id_, hash_ in hashes:
        ui.result(f"{hash_}  {id_.label.short}  {id_.platform}")
    again.keep_answer(ui, where, session, evaluation, found, ui.told, [[hash_] for _, hash_ in hashes])


def _documents(graph: ConfiguredGraph, roots: tuple[ConfiguredLabel, ...], keys: KeyTable) -> object:
    targets = [
        {
            "label": str(id_.label),
            "platform": id_.platform,
            "hash": keys.hashes[id_],
            "tag": tag_of(keys.hashes[id_]),
            "document": keys.target_document(graph.targets[id_]),
            "origins": origins_of(graph.targets[id_].outputs),
        }
        for id_ in roots
    ]
    actions = {
        keys.deep_key(action.id): keys.deep_document(action)
        for target in graph.targets.values()
        for action in target.actions
    }
    origins = {
        keys.deep_key(action.id): origins_of(action.inputs)
        for target in graph.targets.values()
        for action in target.actions
    }
    return {"targets": targets, "actions": actions, "origins": origins}


def _compare(ui: Ui, session: Session, one: str, other: str) -> None:
    known = Documents(session.history, session.document)
    old, new = known.find(one), known.find(other)
    changes = difference(old.start, new.start, old.find, new.find)
    if ui.as_json:
        hashes = {"old": old.start.key, "new": new.start.key}
        ui.document({**hashes, "changes": [change.to_json() for change in changes]})
        return
    for line in lines(changes):
        ui.result(line)
    if not changes:
        ui.note("they are the same" if old.start.key == new.start.key else "they say the same")
