"""Phase 3: a Plan -> ActionResults. The Builder runs what is dirty, in parallel.

Knows no rules and no Starlark. What happens is told as Events to a callback;
the terminal is somebody else's matter.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from lambdabuild.action import (
    Action,
    ActionId,
    ActionKey,
    ActionOutput,
    ActionResult,
    Executor,
    HostFile,
    ReadyAction,
    SourceFile,
)
from lambdabuild.digest import Canonical, Key, encode
from lambdabuild.errors import LambdaBuildError
from lambdabuild.plan import Plan, Step, parse_result, results_of
from lambdabuild.store import Stores
from lambdabuild.tracing import span
from lambdabuild.tree import FileNode, directory_of


@dataclass(frozen=True, slots=True)
class Planned:
    """The plan stands: `dirty` of `total` steps have to run."""

    dirty: int
    total: int


@dataclass(frozen=True, slots=True)
class Started:
    """A step begins to run."""

    action: Action


@dataclass(frozen=True, slots=True)
class Finished:
    """A step has its result; `ran` is False when an equal result was found in the meantime."""

    action: Action
    result: ActionResult
    ran: bool


@dataclass(frozen=True, slots=True)
class Failed:
    """A step did not succeed."""

    action: Action
    error: LambdaBuildError


Event: TypeAlias = Planned | Started | Finished | Failed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a plan, by deep key.

    results:  of every step that has one.
    ran:      the steps that really ran.
    failures: the steps that failed; what depends on them has neither result nor failure.
    """

    results: Mapping[Key, ActionResult]
    ran: frozenset[Key]
    failures: Mapping[Key, LambdaBuildError]


class Cancelled(BaseException):
    """Raised inside running tools when the build has been asked to stop."""


_Done: TypeAlias = "queue.SimpleQueue[tuple[Key, Future[None]]]"


_ATTENTION = 0.5
"""Seconds until a wait looks up. A signal that comes just before a wait begins, or is given to another
thread, does not end that wait, and its handler runs only when the main thread goes on."""


def _next(done: _Done) -> tuple[Key, Future[None]]:
    while True:
        with contextlib.suppress(queue.Empty):
            return done.get(timeout=_ATTENTION)


def _report(done: _Done, key: Key, future: Future[None]) -> None:
    done.put((key, future))


class Builder:
    """Runs the dirty steps of a plan, dependencies first, at most `jobs` at once.

    here: whether an action is to run here; what depends on dirty ones that are not, waits in vain.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        executor: Executor,
        stores_of: Callable[[Action], Stores],
        key_of: Callable[[ActionId], Key],
        deep_document: Callable[[Action], Mapping[str, Canonical]],
        node_of: Callable[[SourceFile | HostFile], FileNode],
        tool_version: Callable[[str], int],
        here: Callable[[Action], bool] = lambda action: True,
        on_event: Callable[[Event], None] = lambda event: None,
    ) -> None:
        self._plan = plan
        self._executor = executor
        self._stores_of = stores_of
        self._key_of = key_of
        self._deep_document = deep_document
        self._node_of = node_of
        self._tool_version = tool_version
        self._here = here
        self._on_event = on_event
        self._results = results_of(plan.steps)
        self._ran: set[Key] = set()
        self._failures: dict[Key, LambdaBuildError] = {}
        self._stop = threading.Event()

    def run(self, *, jobs: int, keep_going: bool = False) -> Outcome:
        """Returns the outcome; does not raise for failed actions, but for everything else.

        Without `keep_going` nothing new is begun after a failure.
        """
        everything = self._plan.dirty
        dirty = {key: step for key, step in everything.items() if self._here(step.action)}
        self._on_event(Planned(len(dirty), len(self._plan.steps)))
        waits = {key: step.below & everything.keys() for key, step in dirty.items()}
        above: dict[Key, list[Key]] = {}
        for key, below in waits.items():
            for other in below:
                above.setdefault(other, []).append(key)
        done: _Done = queue.SimpleQueue()
        pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="action")
        running = 0
        ready = [key for key, below in waits.items() if not below]
        try:
            while True:
                for key in ready:
                    future = pool.submit(self._attempt, dirty[key], keep_going)
                    future.add_done_callback(partial(_report, done, key))
                    running += 1
                if not running:
                    break
                key, future = _next(done)
                running -= 1
                ready = self._settle(key, future, waits, above)
                if self._failures and not keep_going:
                    break
        finally:
            if running:
                self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
        return Outcome(self._results, frozenset(self._ran), self._failures)

    def _settle(
        self, key: Key, future: Future[None], waits: dict[Key, set[Key]], above: Mapping[Key, list[Key]]
    ) -> list[Key]:
        """Notes how a step ended; returns the steps that can begin now."""
        error = future.exception()
        if isinstance(error, LambdaBuildError):
            self._failures[key] = error
            self._on_event(Failed(self._plan.steps[key].action, error))
            return []
        if isinstance(error, Cancelled):
            return []
        if error is not None:
            raise error
        ready = []
        for other in above.get(key, ()):
            waits[other].discard(key)
            if not waits[other]:
                ready.append(other)
        return ready

    def _attempt(self, step: Step, keep_going: bool) -> None:
        self._check()
        action = step.action
        try:
            with span("action", action.tool, action.id.label, platform=action.platform, key=step.key) as work:
                work.note(tool=action.tool, ran=self._run(step))
        except BaseException:
            # Here, not where the outcome is read, so that no other step begins in between.
            if not keep_going:
                self._stop.set()
            raise

    def _run(self, step: Step) -> bool:
        """Gives one step its result: adopts an equal one, or executes the action, and says which."""
        action, cache = step.action, self._stores_of(step.action).cache
        inputs = {path: self._input(source) for path, source in action.inputs.items()}
        key = ActionKey(
            tool=action.tool,
            tool_version=self._tool_version(action.tool),
            params=action.params,
            input_root=directory_of(inputs).digest,
            outputs=action.outputs,
            platform=action.platform,
            owner=action.id,
        )
        result = self._existing(key.key(), action)
        ran = result is None
        if result is None:
            self._on_event(Started(action))
            ready = ReadyAction(
                action.id, action.tool, action.params, inputs, action.outputs, action.platform
            )
            result = self._executor.execute(ready, self._check)
            # What exists wins: another process may have been first.
            result = self._existing(key.key(), action) or result
            cache.record(key.key(), result.to_json(), encode(key.document()))
        cache.record(step.key, result.to_json(), encode(self._deep_document(action)))
        self._results[step.key] = result
        if ran:
            self._ran.add(step.key)
        self._on_event(Finished(action, result, ran))
        return ran

    def _existing(self, key: Key, action: Action) -> ActionResult | None:
        cache, store = self._stores_of(action)
        found = cache.lookup([key]).get(key)
        if found is None:
            return None
        result = parse_result(found, action.outputs)
        missing = store.missing(result.outputs[name].digest for name in action.outputs)
        return None if missing else result

    def _input(self, source: SourceFile | HostFile | ActionOutput) -> FileNode:
        if not isinstance(source, ActionOutput):
            return self._node_of(source)
        node = self._results[self._key_of(source.action)].outputs[source.name]
        return node if source.executable is None else FileNode(node.digest, source.executable)

    def _check(self) -> None:
        if self._stop.is_set():
            raise Cancelled
