"""What of a build's remote steps is done, failed or open, decided from the store after each build."""

from __future__ import annotations

from collections.abc import Callable, Collection

from lambdabuild.action import ActionResult
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.errors import LambdaBuildError
from lambdabuild.order import Order
from lambdabuild.plan import Step, parse_result
from lambdabuild.pushing.result import PushResult
from lambdabuild.remote.outcome_errors import action_error, build_error
from lambdabuild.remote.outcomes import MAX_BYTES, OrderOutcome, read_outcome
from lambdabuild.remote.services import SharedStore
from lambdabuild.remote.states import BuildState

Lines = Callable[[str, "str | None"], tuple[str, ...]]
"""Gives the last lines of a build's log, of one target or of none."""


class Reckoning:
    """The steps of one build: `todo` shrinks as their results are found.

    A step is done when its result is in the action cache and the outputs that
    somebody needs are in the store, however the build that made them ended.

    results, ran, failures: as in `execution.Outcome`.
    unpushed: images that are still to be pushed.
    pushes:   what became of the others.
    stale:    whether something that was taken for known is gone.
    """

    def __init__(
        self, shared: SharedStore, todo: dict[Key, Step], unpushed: Collection[ConfiguredLabel]
    ) -> None:
        self._shared, self._todo = shared, todo
        self.unpushed = set(unpushed)
        self.results: dict[Key, ActionResult] = {}
        self.ran: set[Key] = set()
        self.failures: dict[Key, LambdaBuildError] = {}
        self.pushes: list[PushResult] = []
        self.stale = False
        self._forgiven: set[Key | ConfiguredLabel] = set()

    def wants(self, order: Order) -> bool:
        """Tells whether an order does something that is open."""
        return any(action.key in self._todo for action in order.actions) or any(
            image.id in self.unpushed for image in order.images
        )

    def adopt(self) -> None:
        """Looks for the results of all open steps, as the store has them now."""
        if not self._todo:
            return
        self._shared.cache.refresh()
        self._shared.store.refresh()
        found = self._shared.cache.lookup(list(self._todo))
        results = {key: parse_result(data, self._todo[key].action.outputs) for key, data in found.items()}
        needed = {key: {results[key].outputs[n].digest for n in self._todo[key].needed} for key in results}
        missing = self._shared.store.missing({digest for each in needed.values() for digest in each})
        for key, result in results.items():
            if not needed[key] & missing:
                self.results[key] = result
                del self._todo[key]

    def settle(self, state: BuildState, name: str, order: Order, *, mine: bool, lines: Lines) -> None:
        """Takes stock after a build is over.

        name: of its order.
        mine: whether this client started it. Of another's, what was not done is tried again, once.
        """
        self.adopt()
        outcome = self._outcome(state, name)
        if outcome:
            self.ran |= outcome.ran & self.results.keys()
            self._take_pushes(outcome)
            self._shared.store.forget(outcome.lost)
            self._shared.cache.forget(outcome.unknown)
            self.stale = self.stale or bool(outcome.lost or outcome.unknown)
        left = [action.key for action in order.actions if action.key in self._todo]
        for key in left:
            if outcome and key in outcome.failures:
                label = str(self._todo[key].action.id.label)
                self._fail(key, action_error(outcome.failures[key], state, lines(state.id, label)))
        for key, unpushable in (_push_errors(order, outcome) if outcome else {}).items():
            if key in self._todo:
                self._fail(key, unpushable)
        if self.stale:
            return
        rest = [key for key in left if key in self._todo and not self._stands_on_failure(key)]
        unpushed = [image.id for image in order.images if image.asked and image.id in self.unpushed]
        if outcome and outcome.failures:
            unpushed = []
        if not rest and not unpushed:
            return
        if not mine and not self._forgiven.intersection((*rest, *unpushed)):
            self._forgiven.update(rest, unpushed)
            return
        error = outcome.refused if outcome else None
        self._give_up(rest, unpushed, error or build_error(state, lines(state.id, None)))

    def _outcome(self, state: BuildState, name: str) -> OrderOutcome | None:
        stored = self._shared.bucket.read(f"outcomes/{name}/{state.id.partition(':')[2]}", limit=MAX_BYTES)
        return read_outcome(stored.data, name) if stored else None

    def _take_pushes(self, outcome: OrderOutcome) -> None:
        for push in outcome.pushes:
            self.pushes.append(push)
            self.unpushed.discard(push.id)

    def _fail(self, key: Key, error: LambdaBuildError) -> None:
        self.failures[key] = error
        del self._todo[key]

    def _stands_on_failure(self, key: Key) -> bool:
        todo, seen = [key], {key}
        while todo:
            below = self._below(todo.pop()) - seen
            if below & self.failures.keys():
                return True
            seen |= below
            todo += below
        return False

    def _below(self, key: Key) -> set[Key]:
        step = self._todo.get(key)
        return step.below if step else set()

    def _give_up(
        self, keys: Collection[Key], images: Collection[ConfiguredLabel], error: LambdaBuildError
    ) -> None:
        for key in keys:
            self._fail(key, error)
        if images and not keys:
            raise error
        self.unpushed.difference_update(images)


def _push_errors(order: Order, outcome: OrderOutcome) -> dict[Key, LambdaBuildError]:
    """Returns why images have no result though they were made: they could not be pushed."""
    errors = {push.id: push.error for push in outcome.pushes if push.error}
    return {image.manifest.key: errors[image.id] for image in order.images if image.id in errors}
