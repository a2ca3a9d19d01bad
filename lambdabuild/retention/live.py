"""What the working tree and revisions of git are made of: images, actions, sources, and where images go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from lambdabuild.action import Action, ActionOutput
from lambdabuild.affected import hashed_graph, state_of, working_state
from lambdabuild.digest import Digest, Key
from lambdabuild.evaluation import Question, Say
from lambdabuild.keys import NodeOf
from lambdabuild.label import TargetPattern
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import Wishes, repository_for
from lambdabuild.remote.ordering import runs_remotely
from lambdabuild.tree import directory_of
from lambdabuild.workspace import Workspace

_ALL = (TargetPattern("", "all", recursive=True),)


@dataclass(frozen=True, slots=True)
class Live:
    """What is live.

    hashes: of all images.
    places: where they are pushed, by host and repository.
    keys:   deep keys of all actions.
    blobs:  what a build on CodeBuild reads of the sources: files, and the messages of their trees.
    """

    hashes: frozenset[str]
    places: Mapping[str, Destination]
    keys: frozenset[Key]
    blobs: frozenset[Digest]


def read_live(
    workspace: Workspace,
    wishes: Wishes,
    revisions: Sequence[str],
    *,
    configs: Sequence[str],
    env: Mapping[str, str],
    say: Say,
) -> Live:
    """Returns what is live; raises UserError for anything broken: its hash would not be known.

    A repository that no target is pushed to any more is not known, unless a revision has it.
    """
    question = Question(_ALL, lenient=True, manual=True)
    hashes: set[str] = set()
    repositories: set[str] = set()
    keys: set[Key] = set()
    blobs: set[Digest] = set()
    with ExitStack() as stack:
        views = [state_of(workspace.root, each, configs=configs, env=env) for each in revisions]
        for state in [working_state(workspace), *map(stack.enter_context, views)]:
            graph, known, node_of = hashed_graph(state, question, say)
            for id_, target in graph.targets.items():
                if target.image:
                    hashes.add(known.hashes[id_])
                    repositories.add(repository_for(target, wishes.template))
                for action in target.actions:
                    keys.add(known.deep_key(action.id))
                    blobs.update(_sources(action, node_of))
    places = {
        destination.reference(repository, "latest").name: destination
        for destination in wishes.destinations
        for repository in sorted(repositories)
    }
    return Live(frozenset(hashes), places, frozenset(keys), frozenset(blobs))


def _sources(action: Action, node_of: NodeOf) -> Iterator[Digest]:
    """Yields what an order for an action needs in the store."""
    if not runs_remotely(action):
        return
    sources = {path: each for path, each in action.inputs.items() if not isinstance(each, ActionOutput)}
    nodes = {path: node_of(source) for path, source in sources.items()}
    if nodes:
        yield from (node.digest for node in nodes.values())
        yield from (digest for digest, _ in directory_of(nodes).messages())
