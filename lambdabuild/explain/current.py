"""The documents of a graph as its files are now, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.action import Action, ActionId
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.explain.difference import direct_difference
from lambdabuild.explain.history import History, Remembered
from lambdabuild.explain.nearest import nearest_action
from lambdabuild.explain.state import Hashed, Maker, TargetState, action_state, state_of
from lambdabuild.explain.wording import sentence
from lambdabuild.keys import KeyTable
from lambdabuild.label import parse_label
from lambdabuild.plan import Step


class Current:
    """Finds the documents of the actions of `graph`."""

    def __init__(self, graph: ConfiguredGraph, keys: KeyTable) -> None:
        self._graph = graph
        self._keys = keys
        self._made: dict[Maker, Hashed] = {}

    def __call__(self, key: Key, maker: Maker | None) -> Hashed | None:
        if maker is None:
            return None
        if maker not in self._made:
            id_ = ActionId(parse_label(maker.label), maker.platform, maker.number)
            self._made[maker] = action_state(self._graph.action(id_), self._keys)
        return self._made[maker]

    def state(self, id_: ConfiguredLabel) -> TargetState:
        """Returns what a target is now."""
        return state_of(self._graph.targets[id_], self._keys)

    def action(self, action: Action) -> Hashed:
        """Returns the document of an action."""
        return action_state(action, self._keys)


@dataclass(frozen=True, slots=True)
class StepReason:
    """Why a step of a build has to run."""

    action: Action
    key: Key
    reason: str

    def to_json(self) -> dict[str, str]:
        id_ = self.action.id
        return {
            "label": str(id_.label),
            "platform": id_.platform,
            "tool": self.action.tool,
            "key": self.key,
            "reason": self.reason,
        }

    def __str__(self) -> str:
        id_ = self.action.id
        return f"{id_.label.short} ({id_.platform}) {self.action.tool}: {self.reason}"


class StepReasons:
    """Finds out, while a build is planned, what differs from the nearest state that was built.

    tell:  gets why each step that runs has to, once a plan stands.
    steps: what `tell` got last.
    """

    def __init__(
        self,
        current: Current,
        history: History,
        document: Callable[[Key], bytes | None],
        tell: Callable[[Sequence[StepReason]], None],
    ) -> None:
        self.steps: Sequence[StepReason] = ()
        self._current = current
        self._history = history
        self._before = Remembered(history, document)
        self._tell = tell

    def reason(self, action: Action) -> str:
        """Returns what differs as the end of a sentence, for an action without a result."""
        states = self._history.states(str(action.id.label), action.id.platform)
        new = self._current.action(action)
        old = nearest_action(new, (each for state in states for each in state.actions))
        if old is None:
            return "it was not built before"
        return sentence(direct_difference(old, new, self._before, self._current))

    def planned(self, steps: Mapping[Key, Step]) -> None:
        """Tells why the dirty ones among `steps` have to run, by label, platform and number."""
        dirty = sorted((step for step in steps.values() if step.reason), key=lambda step: step.action.id)
        self.steps = [StepReason(step.action, step.key, step.reason) for step in dirty]
        self._tell(self.steps)
