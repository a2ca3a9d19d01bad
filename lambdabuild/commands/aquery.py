"""lambdabuild aquery"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import click

from lambdabuild.action import ActionResult
from lambdabuild.action_list import ListedAction, list_actions, output_lines, text
from lambdabuild.commands import options, profiling
from lambdabuild.digest import Key
from lambdabuild.evaluation import Question
from lambdabuild.label import Label, TargetPattern
from lambdabuild.plan import parse_result
from lambdabuild.query.answer import Query, ask
from lambdabuild.query.graph import SOURCE_FILE
from lambdabuild.query.parser import parse, short_form
from lambdabuild.query.signatures import FUNCTIONS
from lambdabuild.remote.ordering import runs_remotely
from lambdabuild.session import Session
from lambdabuild.ui import Ui
from lambdabuild.workspace import resolve_platforms


@click.command(cls=options.PatternCommand, short_help="List the actions of targets.")
@options.patterns
@click.option("--outputs", is_flag=True, help="Only what the actions put out, a line each.")
@options.common
@profiling.option
@click.pass_obj
def command(
    ui: Ui,
    patterns: tuple[str, ...],
    platforms: tuple[str, ...],
    outputs: bool,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the actions of targets: tool, parameters, inputs, outputs, key, platform, executor.

    \b
      lambdabuild aquery //x:image                  what //x:image declares itself
      lambdabuild aquery 'deps(//x:image)'          with all that it depends on

    Patterns, or an expression as `lambdabuild query` takes it. Nothing is run.
    With --json, parameters and digests in full.
    """  # noqa: D301  (\b is click's mark for lines that are not joined)
    where = options.place(directory, configs)
    listed = _listed(where, patterns, platforms, ui)
    if ui.as_json:
        ui.document({"actions": [each.to_json() for each in listed]})
        return
    for line in output_lines(listed) if outputs else text(listed):
        ui.result(line)
    if not listed:
        ui.note("these targets have no actions")


def _listed(
    where: options.Place, words: Sequence[str], platforms: Sequence[str], ui: Ui
) -> list[ListedAction]:
    """Returns the actions of the targets that the words name; raises UserError."""
    typed = [options.typed(word) for word in words]
    labels: Collection[Label] = ()
    if typed and (typed[0] in FUNCTIONS or any(set(word) & set("(),^+= ") for word in typed)):
        labels = _answer(where, short_form(typed), ui)
        if not labels:
            return []
        question = Question(_patterns(labels), resolve_platforms(platforms))
    else:
        question = options.question(where, words, platforms)
    session = options.session(where, ui)
    evaluation = session.evaluate(question)
    # What an expression names counts for every platform for which something needs it.
    needed = [id_ for id_ in evaluation.graph.targets if id_.label in labels]
    default = where.workspace.text("executor.default")
    return list_actions(
        evaluation.graph,
        session.keys(evaluation),
        (*evaluation.roots, *needed),
        lambda action: default if runs_remotely(action) else "local",
        lambda keys: _known(session, keys),
    )


def _answer(where: options.Place, expression: str, ui: Ui) -> frozenset[Label]:
    """Returns the labels of the targets that an expression means; raises UserError."""
    answer = ask(where.workspace, Query(expression, parse(expression, where.package)), ui.said)
    return frozenset(node.label for node in answer.nodes if node.kind != SOURCE_FILE)


def _patterns(labels: Collection[Label]) -> tuple[TargetPattern, ...]:
    """Returns patterns that name the labels; external images come with those that stand on them."""
    own = [label for label in labels if not label.external] or labels
    return tuple(TargetPattern(label.package, label.name) for label in sorted(own))


def _known(session: Session, keys: Iterable[Key]) -> Mapping[Key, ActionResult]:
    """Returns the results that are known on this machine; raises ExternalError for a damaged one."""
    return {key: parse_result(data, ()) for key, data in session.cache.lookup(keys).items()}
