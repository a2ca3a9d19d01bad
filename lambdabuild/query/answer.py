"""A query -> its answer, worked out in a process of its own, since BUILD files are programs."""

from __future__ import annotations

from dataclasses import dataclass

from lambdabuild.errors import Location, UserError
from lambdabuild.evaluation import Say, make_loader, paths_of
from lambdabuild.label import TargetPattern
from lambdabuild.query.evaluation import EVALUATING, Evaluator
from lambdabuild.query.graph import Node
from lambdabuild.query.loaded import LoadedGraph
from lambdabuild.query.syntax import Expression
from lambdabuild.rulebook import Rulebook
from lambdabuild.sources import WorkingTree
from lambdabuild.sources.seen import Watched
from lambdabuild.starlark import Beat, isolated
from lambdabuild.starlark.isolate import PATIENCE_SECONDS, Emit
from lambdabuild.tracing import across, span
from lambdabuild.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked.

    text:       what `expression` was parsed from, for errors.
    universe:   what allrdeps() looks at; () for all of the workspace.
    keep_going: leave out what is broken, and collect what is wrong with it.
    attributes, edges: whether nodes of the answer tell them.
    """

    text: str
    expression: Expression
    universe: tuple[TargetPattern, ...] = ()
    keep_going: bool = False
    attributes: bool = False
    edges: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found.

    nodes:    in order: a path's from its start to its end, all else by label.
    failures: with keep_going, what was wrong with what is left out.
    looked_at: the paths that it was made from; None where something could not be read.
    """

    nodes: tuple[Node, ...]
    failures: tuple[UserError, ...] = ()
    looked_at: frozenset[str] | None = None


def ask(workspace: Workspace, query: Query, say: Say, *, patience: float = PATIENCE_SECONDS) -> Answer:
    """Returns the answer; `say` gets what BUILD files print. Raises UserError.

    patience: seconds that one function may take without loading a package.
    """

    def work(beat: Beat, emit: Emit) -> Answer:
        files = WorkingTree(workspace.root, workspace.ignore)
        tree = Watched(files)
        rulebook = Rulebook(tree, beat=beat, say=lambda text, at: emit((text, at)))
        graph = LoadedGraph(make_loader(workspace, tree, rulebook), keep_going=query.keep_going)
        labels = Evaluator(graph, query.text, query.universe, beat).answer(query.expression)
        nodes = [graph.node(label, attributes=query.attributes, edges=query.edges) for label in labels]
        looked_at = None if tree.seen is None else paths_of(tree.seen, files)
        return Answer(tuple(nodes), tuple(graph.failures), looked_at)

    try:
        with span("evaluation", "load, and answer the query"):
            recorded, on_event = across(work, lambda event: say(*event))
            return isolated(recorded, on_event=on_event, patience=patience)
    except UserError as error:
        if error.at != Location(EVALUATING):
            raise
        raise UserError(
            "the query takes too much time or memory",
            hint="look at its regular expressions: one such as (a+)+$ tries every way to split a text",
        ) from None
