"""lambdabuild hash"""

from __future__ import annotations

import click

from lambdabuild.commands import options
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.keys import KeyTable, tag_of
from lambdabuild.ui import Ui


@click.command(cls=options.PatternCommand, short_help="Print hashes, without running anything.")
@options.patterns
@options.common
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
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
    evaluation = session.evaluate(options.question(where, patterns, platforms))
    keys = session.keys(evaluation)
    if as_json:
        ui.document(_documents(evaluation.graph, evaluation.roots, keys))
        return
    for id_ in evaluation.roots:
        ui.result(f"{keys.hashes[id_]}  {id_.label.short}  {id_.platform}")


def _documents(graph: ConfiguredGraph, roots: tuple[ConfiguredLabel, ...], keys: KeyTable) -> object:
    targets = [
        {
            "label": str(id_.label),
            "platform": id_.platform,
            "hash": keys.hashes[id_],
            "tag": tag_of(keys.hashes[id_]),
            "document": keys.target_document(graph.targets[id_]),
        }
        for id_ in roots
    ]
    actions = {
        keys.deep_key(action.id): keys.deep_document(action)
        for target in graph.targets.values()
        for action in target.actions
    }
    return {"targets": targets, "actions": actions}
