"""Which of the steps that nobody works on can be started, and in which builds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from lambdabuild.action import Action, ActionId, ActionOutput
from lambdabuild.digest import Key
from lambdabuild.plan import Step
from lambdabuild.remote.environments import environment_of
from lambdabuild.remote.scheduling import Batch, Work, schedule
from lambdabuild.tools.image import MANIFEST

PROVISIONING: Final = 30.0
"""Seconds from StartBuild to the first command, as they commonly are."""

PROCESSORS: Final = 2
"""Of the project's compute type, BUILD_GENERAL1_SMALL."""


def free_steps(todo: Mapping[Key, Step], busy: Collection[Key], failed: Collection[Key]) -> dict[Key, Step]:
    """Returns those of `todo` that nobody works on, and that need nothing that somebody does or that failed.

    busy: the steps that builds under way are going to do.
    """
    blocked: dict[Key, bool] = dict.fromkeys(busy, True) | dict.fromkeys(failed, True)
    for root in todo:
        stack = [root]
        while stack:
            key = stack[-1]
            below = [each for each in todo[key].below if each in todo or each in blocked]
            unknown = [each for each in below if each not in blocked]
            if key not in blocked and not unknown:
                blocked[key] = any(blocked[each] for each in below)
            if key in blocked:
                stack.pop()
            else:
                stack.extend(unknown)
    return {key: step for key, step in todo.items() if not blocked[key]}


def propose(
    steps: Mapping[Key, Step],
    *,
    key_of: Callable[[ActionId], Key],
    seconds: Callable[[Action], float],
    concurrency: int,
) -> tuple[Batch, ...]:
    """Returns the batches that `steps` are split into.

    seconds: how long an action is going to take.
    """
    works = {
        key: Work(
            key,
            seconds(step.action),
            frozenset(step.below & steps.keys()),
            frozenset(_base(step.action, key_of) & steps.keys()),
            environment_of(step.action.tool, step.action.platform),
        )
        for key, step in steps.items()
    }
    return schedule(works, concurrency=concurrency, provisioning=PROVISIONING, processors=PROCESSORS)


def _base(action: Action, key_of: Callable[[ActionId], Key]) -> set[Key]:
    """Returns the step that makes the base which an image stands on."""
    base = action.inputs.get(f"base/{MANIFEST}")
    return {key_of(base.action)} if isinstance(base, ActionOutput) else set()
