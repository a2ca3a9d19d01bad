"""The Builder: order, parallelism, failures, cancellation, early cutoff."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest

from lambdabuild.action import (
    Action,
    ActionId,
    ActionOutput,
    ActionResult,
    HostFile,
    Input,
    ReadyAction,
    SourceFile,
)
from lambdabuild.digest import Canonical, Key, digest_of, key_of
from lambdabuild.errors import ActionFailed
from lambdabuild.execution import Builder, Event, Failed, Finished, Outcome, Planned, Started
from lambdabuild.label import Label
from lambdabuild.plan import Plan
from lambdabuild.store import Stores
from lambdabuild.store.local import LocalActionCache, LocalStore
from lambdabuild.tree import FileNode


class Recorder:
    """An Executor that notes what ran; an action's output is its `text`, or its name and inputs."""

    name = "recorder"

    def __init__(self, store: LocalStore) -> None:
        self.store = store
        self.ran: list[str] = []
        self.behaviour: dict[str, Callable[[Callable[[], None]], None]] = {}

    def execute(self, action: ReadyAction, check: Callable[[], None]) -> ActionResult:
        name = action.id.label.name
        self.ran.append(name)
        if name in self.behaviour:
            self.behaviour[name](check)
        text = str(action.params.get("text") or f"{name} {sorted(action.inputs.items())}")
        return ActionResult({"out": FileNode(self.store.put(text.encode()))}, 0.5, self.name)


class World:
    """Actions by name, each with the names of those it takes, on a real store and cache."""

    def __init__(
        self, directory: Path, actions: Mapping[str, list[str]], texts: Mapping[str, str] | None = None
    ) -> None:
        self.store, self.cache = LocalStore(directory), LocalActionCache(directory)
        self.stores = Stores(self.cache, self.store)
        self.executor = Recorder(self.store)
        self.events: list[Event] = []
        self.actions: dict[ActionId, Action] = {}
        self.sources: dict[str, bytes] = {}
        for name, below in actions.items():
            inputs: dict[str, Input] = {other: ActionOutput(self.id(other), "out") for other in below}
            inputs["source"] = SourceFile(name)
            self.sources[name] = name.encode()
            params: dict[str, Canonical] = {"text": (texts or {}).get(name, "")}
            self.actions[self.id(name)] = Action(
                self.id(name), "tool", params, inputs, ("out",), "linux/amd64"
            )

    def id(self, name: str) -> ActionId:
        return ActionId(Label("", name), "linux/amd64", 0)

    def node(self, source: SourceFile | HostFile) -> FileNode:
        return FileNode(digest_of(self.sources[source.path]))

    def document(self, action: Action) -> Mapping[str, Canonical]:
        inputs = [
            self.key(i.action) if isinstance(i, ActionOutput) else self.node(i).digest.hash
            for _, i in sorted(action.inputs.items())
        ]
        return {"params": action.params, "inputs": inputs}

    def key(self, id_: ActionId) -> Key:
        return key_of("deep", self.document(self.actions[id_]))

    def build(
        self, *names: str, jobs: int = 4, keep_going: bool = False, elsewhere: Collection[str] = ()
    ) -> Outcome:
        plan = Plan(self.actions.__getitem__, self.key, lambda action: self.stores)
        plan.want(ActionOutput(self.id(name), "out") for name in names)
        self.executor.ran.clear()
        self.events.clear()
        builder = Builder(
            plan,
            executor=self.executor,
            stores_of=lambda action: self.stores,
            here=lambda action: action not in [self.actions[self.id(name)] for name in elsewhere],
            key_of=self.key,
            deep_document=self.document,
            node_of=self.node,
            tool_version=lambda tool: 1,
            on_event=self.events.append,
        )
        return builder.run(jobs=jobs, keep_going=keep_going)


DIAMOND = {"top": ["left", "right"], "left": ["bottom"], "right": ["bottom"], "bottom": []}


def fail(check: Callable[[], None]) -> None:
    raise ActionFailed("it broke")


def test_dependencies_run_first_and_once(tmp_path: Path) -> None:
    world = World(tmp_path, DIAMOND)
    outcome = world.build("top", "left")
    assert world.executor.ran[0] == "bottom"
    assert world.executor.ran[-1] == "top"
    assert sorted(world.executor.ran) == sorted(DIAMOND)
    assert outcome.results.keys() == {world.key(world.id(name)) for name in DIAMOND}


def test_nothing_runs_twice(tmp_path: Path) -> None:
    World(tmp_path, DIAMOND).build("top")
    world = World(tmp_path, DIAMOND)
    outcome = world.build("top")
    assert world.executor.ran == []
    assert outcome.ran == frozenset()
    assert world.key(world.id("top")) in outcome.results


def test_equal_outputs_cut_a_rebuild_off_early(tmp_path: Path) -> None:
    """`bottom` changes its key but not its bytes: what stands on it is adopted, not run."""
    texts = {"bottom": "the same"}
    World(tmp_path, DIAMOND, texts).build("top")
    world = World(tmp_path, DIAMOND, texts)
    world.sources["bottom"] = b"edited"
    outcome = world.build("top")
    assert world.executor.ran == ["bottom"]
    assert world.key(world.id("top")) in outcome.results
    assert [event.ran for event in world.events if isinstance(event, Finished)] == [True, False, False, False]
    again = World(tmp_path, DIAMOND, texts)
    again.sources["bottom"] = b"edited"
    again.build("top")
    assert again.executor.ran == []


def test_independent_actions_run_at_the_same_time(tmp_path: Path) -> None:
    world = World(tmp_path, DIAMOND)
    meeting = threading.Barrier(2, timeout=10)

    def meet(check: Callable[[], None]) -> None:
        meeting.wait()

    world.executor.behaviour = {"left": meet, "right": meet}
    assert world.build("top", jobs=2).failures == {}


def test_no_more_than_jobs_run_at_once(tmp_path: Path) -> None:
    names = [f"a{i}" for i in range(12)]
    world = World(tmp_path, {name: [] for name in names})
    running, most, lock = 0, 0, threading.Lock()

    def note(check: Callable[[], None]) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.005)
        with lock:
            running -= 1

    world.executor.behaviour = dict.fromkeys(names, note)
    world.build(*names, jobs=3)
    assert most <= 3


def test_after_a_failure_nothing_new_begins(tmp_path: Path) -> None:
    world = World(tmp_path, {"bad": [], "after": ["bad"], **{f"z{i}": [] for i in range(50)}})
    world.executor.behaviour = {"bad": fail}
    outcome = world.build("bad", "after", *(f"z{i}" for i in range(50)), jobs=1)
    assert [str(error) for error in outcome.failures.values()] == ["it broke"]
    assert world.executor.ran == ["bad"]


def test_keep_going_runs_all_that_does_not_stand_on_the_failure(tmp_path: Path) -> None:
    world = World(tmp_path, {"bad": [], "after": ["bad"], "good": [], "above": ["good"]})
    world.executor.behaviour = {"bad": fail}
    outcome = world.build("after", "above", jobs=1, keep_going=True)
    assert sorted(world.executor.ran) == ["above", "bad", "good"]
    assert world.key(world.id("above")) in outcome.results
    assert world.key(world.id("after")) not in outcome.results


def test_what_runs_elsewhere_is_left_with_all_that_stands_on_it(tmp_path: Path) -> None:
    world = World(tmp_path, DIAMOND)
    outcome = world.build("top", keep_going=True, elsewhere=["left"])
    assert sorted(world.executor.ran) == ["bottom", "right"]
    assert not outcome.failures
    assert world.key(world.id("top")) not in outcome.results


def test_a_failed_action_leaves_no_result(tmp_path: Path) -> None:
    world = World(tmp_path, {"bad": []})
    world.executor.behaviour = {"bad": fail}
    world.build("bad")
    world.executor.behaviour = {}
    world.build("bad")
    assert world.executor.ran == ["bad"]


def test_a_bug_keeps_its_own_kind_and_stops_the_others(tmp_path: Path) -> None:
    world = World(tmp_path, {"bug": [], "slow": []})
    begun, stopped = threading.Event(), threading.Event()

    def wait(check: Callable[[], None]) -> None:
        begun.set()
        try:
            for _ in range(1000):
                check()
                time.sleep(0.005)
        finally:
            stopped.set()

    def bug(check: Callable[[], None]) -> None:
        assert begun.wait(10)
        raise ZeroDivisionError

    world.executor.behaviour = {"bug": bug, "slow": wait}
    with pytest.raises(ZeroDivisionError):
        world.build("bug", "slow", jobs=2)
    assert stopped.is_set()


def test_events_tell_the_plan_then_each_step(tmp_path: Path) -> None:
    world = World(tmp_path, {"one": ["two"], "two": []})
    world.build("one")
    kinds = [type(event) for event in world.events]
    assert kinds == [Planned, Started, Finished, Started, Finished]
    assert world.events[0] == Planned(dirty=2, total=2)
    world.executor.behaviour = {"one": fail}
    world.sources["one"] = b"edited"
    world.build("one")
    assert [type(event) for event in world.events] == [Planned, Started, Failed]


@pytest.mark.once
def test_five_thousand_ready_actions_are_no_trouble(tmp_path: Path) -> None:
    names = [f"a{i}" for i in range(5000)]
    world = World(tmp_path, {name: [] for name in names})
    assert len(world.build(*names, jobs=8).ran) == 5000


def test_a_signal_that_another_thread_takes_stops_the_build(tmp_path: Path) -> None:
    """As one does that comes just before the main thread waits: its wait is not ended by it."""

    class Asked(Exception):
        pass

    def stop(number: int, frame: object) -> None:
        raise Asked

    def slow(check: Callable[[], None]) -> None:
        time.sleep(0.1)  # the main thread waits by now
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            check()
            time.sleep(0.01)

    world = World(tmp_path, {"slow": []})
    world.executor.behaviour["slow"] = slow
    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Asked):
            world.build("slow")
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert world.cache.lookup([world.key(world.id("slow"))]) == {}
