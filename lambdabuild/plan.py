"""Plan: which actions have to run so that the wanted outputs are there.

First everything asked is looked up by deep key, in one batch: a hit whose
outputs are there needs nothing below it. Only for misses are the actions that
make their inputs looked up, level by level. Equal deep keys are one step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lambdabuild.action import Action, ActionId, ActionOutput, ActionResult
from lambdabuild.digest import Key
from lambdabuild.errors import ExternalError
from lambdabuild.store import ContentStore, Stores
from lambdabuild.tracing import span


@dataclass(slots=True)
class Step:
    """Equal work of one or more actions.

    needed:  outputs that somebody wants.
    result:  from the action cache; None means that it has to run.
    reason:  why it has to run, decided here; "" while it does not.
    below:   the steps whose outputs it takes, if it has to run.
    """

    key: Key
    action: Action
    needed: set[str] = field(default_factory=set)
    result: ActionResult | None = None
    reason: str = ""
    below: set[Key] = field(default_factory=set)


class Plan:
    """The steps of one build, by deep key. `dirty` are those that have to run.

    stores_of: where results of an action are looked for.
    explain:   says of an action that has no result what is not as it was, as the end of a sentence.
    """

    def __init__(
        self,
        action_of: Callable[[ActionId], Action],
        key_of: Callable[[ActionId], Key],
        stores_of: Callable[[Action], Stores],
        explain: Callable[[Action], str] | None = None,
    ) -> None:
        self.steps: dict[Key, Step] = {}
        self._action_of = action_of
        self._key_of = key_of
        self._stores_of = stores_of
        self._explain = explain

    @property
    def dirty(self) -> dict[Key, Step]:
        return {key: step for key, step in self.steps.items() if step.reason}

    def want(self, outputs: Iterable[ActionOutput]) -> None:
        """Adds what has to run so that `outputs` are in the store."""
        frontier = self._ask(outputs)
        while frontier:
            self._judge(frontier)
            inputs: list[ActionOutput] = []
            for key in frontier:
                step = self.steps[key]
                if step.reason and not step.below:
                    taken = [i for i in step.action.inputs.values() if isinstance(i, ActionOutput)]
                    step.below = {self._key_of(i.action) for i in taken}
                    inputs.extend(taken)
            frontier = self._ask(inputs)

    def _ask(self, outputs: Iterable[ActionOutput]) -> list[Key]:
        """Notes who needs which output; returns the steps of which that is news."""
        news: dict[Key, None] = {}
        for output in outputs:
            key = self._key_of(output.action)
            if key not in self.steps:
                self.steps[key] = Step(key, self._action_of(output.action))
            step = self.steps[key]
            if output.name not in step.needed:
                step.needed.add(output.name)
                news[key] = None
        return list(news)

    def _judge(self, frontier: list[Key]) -> None:
        """Decides for each step of `frontier` whether it has to run."""
        places: dict[Stores, list[Step]] = {}
        for key in frontier:
            step = self.steps[key]
            if not step.reason:
                places.setdefault(self._stores_of(step.action), []).append(step)
        for (cache, store), steps in places.items():
            unknown = [step for step in steps if step.result is None]
            with span("planning", "look results up", asked=len(unknown)) as work:
                found = cache.lookup([step.key for step in unknown])
                work.note(found=len(found))
            for step in unknown:
                if step.key in found:
                    step.result = parse_result(found[step.key], step.action.outputs)
                else:
                    why = self._explain(step.action) if self._explain else ""
                    step.reason = "no result is known for its inputs" + (f": {why}" if why else "")
            _check_held([step for step in steps if step.result], store)


def _check_held(steps: Iterable[Step], store: ContentStore) -> None:
    """Forgets the results of those `steps` of which a needed output is gone."""
    wanted = [
        (step, step.result.outputs[name].digest) for step in steps if step.result for name in step.needed
    ]
    missing = store.missing({digest for _, digest in wanted})
    for step, digest in wanted:
        if digest in missing:
            step.result = None
            step.reason = "an output of its known result is gone from the store"


def parse_result(data: bytes, outputs: Iterable[str]) -> ActionResult:
    """Returns the result that the action cache holds; raises ExternalError if it is none."""
    try:
        result = ActionResult.from_json(data)
    except ValueError as error:
        raise ExternalError(
            f"the action cache holds {error}", hint="run `lambdabuild clean --cache`"
        ) from None
    if set(outputs) - result.outputs.keys():
        raise ExternalError(
            "the action cache holds a result without all outputs", hint="run `lambdabuild clean --cache`"
        )
    return result


def results_of(steps: Mapping[Key, Step]) -> dict[Key, ActionResult]:
    """Returns the results that were known before anything ran."""
    return {key: step.result for key, step in steps.items() if step.result is not None}
