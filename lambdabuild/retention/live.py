"""What the working tree and revisions of git are made of: hashes of images, and where those are pushed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from lambdabuild.affected import images_of, state_of, working_state
from lambdabuild.evaluation import Question, Say
from lambdabuild.label import TargetPattern
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import Wishes, repository_for
from lambdabuild.workspace import Workspace

_ALL = (TargetPattern("", "all", recursive=True),)


@dataclass(frozen=True, slots=True)
class Live:
    """hashes: of all images. places: where they are pushed, by host and repository."""

    hashes: frozenset[str]
    places: Mapping[str, Destination]


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
    with ExitStack() as stack:
        views = [state_of(workspace.root, each, configs=configs, env=env) for each in revisions]
        states = [working_state(workspace), *map(stack.enter_context, views)]
        found = [image for state in states for image in images_of(state, question, say)]
    repositories = {repository_for(target, wishes.template) for target, _ in found}
    places = {
        destination.reference(repository, "latest").name: destination
        for destination in wishes.destinations
        for repository in sorted(repositories)
    }
    return Live(frozenset(hash_ for _, hash_ in found), places)
