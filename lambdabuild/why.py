"""Whether targets are dirty, and what has changed since the nearest state that was built.

Absent: building. What has to run is what `plan` says, and the reasons in its
steps are decided there; what changed comes from `explain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.evaluation import Evaluation
from lambdabuild.explain.change import Change
from lambdabuild.explain.current import Current
from lambdabuild.explain.difference import state_difference
from lambdabuild.explain.history import History, Remembered, closure
from lambdabuild.explain.line_counts import LineCounts
from lambdabuild.explain.nearest import nearest
from lambdabuild.explain.state import Find, TargetState
from lambdabuild.explain.wording import lines, sentence
from lambdabuild.keys import KeyTable
from lambdabuild.session import Session
from lambdabuild.workspace import PLATFORMS

CLEAN, DIRTY, IDLE = "clean", "dirty", "idle"


@dataclass(frozen=True, slots=True)
class Why:
    """What is to say of one configured target.

    status:  "clean" where all results are known, "dirty" where actions have to run, "idle"
             where the target has none to run.
    steps:   how many actions have to run.
    reason:  why the first of them has to, as the plan decided it.
    nearest: the earlier state that is most like the present one; None where it was never built.
    changes: what led from there to here.
    """

    id: ConfiguredLabel
    hash: Key
    status: str
    steps: int = 0
    reason: str = ""
    nearest: TargetState | None = None
    changes: tuple[Change, ...] = ()

    @property
    def built_before(self) -> bool:
        """Whether the nearest state is one of this platform."""
        return self.nearest is not None and self.nearest.platform == self.id.platform

    def to_json(self) -> dict[str, Any]:
        known = self.nearest and {"hash": self.nearest.target.key, "platform": self.nearest.platform}
        return {
            "label": str(self.id.label),
            "platform": self.id.platform,
            "hash": self.hash,
            "status": self.status,
            "steps": self.steps,
            "reason": self.reason or None,
            "nearest": known,
            "changes": [change.to_json() for change in self.changes],
        }


def ask_why(session: Session, evaluation: Evaluation) -> list[Why]:
    """Returns what is to say of the roots of `evaluation`; raises UserError for unusable sources."""
    keys = session.keys(evaluation)
    now = Current(evaluation.graph, keys)
    found = [_judged(session, evaluation.graph, keys, root) for root in evaluation.roots]
    open_ = [why.id for why in found if why.status != CLEAN]
    session.history.fetch(closure(evaluation.graph, open_))
    before = Remembered(session.history, session.document)
    return [why if why.status == CLEAN else _explained(why, now, session.history, before) for why in found]


def _judged(session: Session, graph: ConfiguredGraph, keys: KeyTable, root: ConfiguredLabel) -> Why:
    plan = session.plan(graph, keys, [graph.targets[root]])
    reasons = [step.reason for step in plan.dirty.values()]
    status = DIRTY if reasons else CLEAN if plan.steps else IDLE
    return Why(root, keys.hashes[root], status, len(reasons), reasons[0] if reasons else "")


def _explained(told: Why, now: Current, history: History, before: Find) -> Why:
    state = now.state(told.id)
    known = _known(history, told.id)
    old = nearest(state, now, known, before)
    changes = state_difference(old, state, before, now) if old else ()
    return Why(told.id, told.hash, told.status, told.steps, told.reason, old, changes)


def _known(history: History, id_: ConfiguredLabel) -> Sequence[TargetState]:
    """Returns the states of a target; where there is none, those for other platforms."""
    label = str(id_.label)
    own = history.states(label, id_.platform)
    return own or [state for platform in PLATFORMS for state in history.states(label, platform)]


def text(whys: Iterable[Why], counts: LineCounts) -> list[str]:
    """Returns what people read: a sentence for each target, and under it a line for each change."""
    found = []
    for why in whys:
        found.append(f"{why.id.label.short} ({why.id.platform}) {_sentence(why)}")
        if why.nearest and not why.built_before:
            found.append(f"  the nearest that was built is {why.nearest.label} ({why.nearest.platform}):")
        found += [f"  {line}" for line in lines(why.changes, counts)]
    return found


def _sentence(why: Why) -> str:
    state = {CLEAN: "is up to date", DIRTY: "is dirty", IDLE: "has nothing to run"}[why.status]
    if why.status == CLEAN or (why.status == IDLE and not why.nearest):
        return state
    if not why.built_before:
        return f"{state}: it was not built before"
    if why.changes:
        return f"{state}: {sentence(why.changes)}"
    return f"{state}: {why.reason}" if why.reason else state
