from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lambdabuild.errors import CycleError, ExternalError, LambdaBuildError, Location, UserError
from lambdabuild.rule import AttributeProblem
from lambdabuild.starlark import Beat, EvaluationError, Frame, isolated
from lambdabuild.starlark.isolate import Emit

from .evaluating import Evaluator


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Holds every test here to closing the descriptors that it opens."""
    before = set(os.listdir("/dev/fd"))
    yield
    assert set(os.listdir("/dev/fd")) <= before


def gone(pid: int) -> bool:
    """Tells whether there is neither a process nor a zombie of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def starlark(text: str) -> Callable[[Beat, Emit], Any]:
    def work(beat: Beat, emit: Emit) -> None:
        beat("lib/BUILD")
        Evaluator({}).evaluate("lib/BUILD", text)

    return work


# --- what comes back ---------------------------------------------------------


def test_the_result_comes_from_another_process_that_is_gone() -> None:
    pid = isolated(lambda beat, emit: os.getpid())
    assert pid != os.getpid()
    assert gone(pid)


@pytest.mark.parametrize("value", [None, "é\ud800", b"x" * 5_000_000, {"a": (1, Location("x", 1))}])
def test_any_result_arrives(value: object) -> None:
    assert isolated(lambda beat, emit: value) == value


def test_events_arrive_in_order_and_while_the_work_goes_on() -> None:
    events: list[Any] = []
    reader, writer = os.pipe()

    def work(beat: Beat, emit: Emit) -> str:
        for i in range(1000):
            emit(("event", i))
        os.read(reader, 1)  # until the parent has seen them all
        emit("x" * 3_000_000)
        return "done"

    def on_event(event: Any) -> None:
        events.append(event)
        if len(events) == 1000:
            os.write(writer, b"!")

    try:
        assert isolated(work, on_event=on_event) == "done"
    finally:
        os.close(reader)
        os.close(writer)
    assert events == [*(("event", i) for i in range(1000)), "x" * 3_000_000]


def test_what_happens_there_does_not_happen_here() -> None:
    here: list[int] = []
    assert isolated(lambda beat, emit: here.append(1)) is None
    assert here == []


# --- errors ------------------------------------------------------------------


def evaluation_error() -> EvaluationError:
    error = EvaluationError("failed", at=Location("x", 1, 2))
    error.frames = (Frame("x", 1, "f"),)
    return error


ERRORS: list[LambdaBuildError] = [
    UserError("bad", at=Location("lib/BUILD", 3, 4), hint="mend it", details=("one", "two")),
    UserError("bad"),
    ExternalError("no disk", hint="buy one"),
    CycleError(("//a", "//b"), at=Location("a/BUILD", 1), details=("x",)),
    AttributeProblem("attribute 'x' is wrong", "x", hint="h"),
    evaluation_error(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_with_all_that_it_holds(error: LambdaBuildError) -> None:
    def work(beat: Beat, emit: Emit) -> None:
        raise error

    with pytest.raises(LambdaBuildError) as caught:
        isolated(work)
    assert type(caught.value) is type(error)
    assert caught.value is not error
    assert vars(caught.value) == vars(error)
    assert str(caught.value) == error.message
    assert caught.value.exit_code == error.exit_code


def test_a_bug_arrives_with_its_traceback() -> None:
    def with_a_bug(beat: Beat, emit: Emit) -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(
        RuntimeError, match=r"(?s)evaluation process failed.*in with_a_bug.*ZeroDivisionError: oops"
    ):
        isolated(with_a_bug)


def test_a_result_that_cannot_be_sent_is_a_bug_with_a_traceback() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)evaluation process failed.*pickle"):
        isolated(lambda beat, emit: lambda: None)
    with pytest.raises(RuntimeError, match=r"(?s)evaluation process failed.*pickle"):
        isolated(lambda beat, emit: emit(lambda: None))


def test_a_callback_that_raises_ends_the_child() -> None:
    class Stop(BaseException):
        pass

    pids: list[int] = []

    def work(beat: Beat, emit: Emit) -> None:
        emit(os.getpid())
        time.sleep(60)

    def on_event(pid: int) -> None:
        pids.append(pid)
        raise Stop

    start = time.monotonic()
    with pytest.raises(Stop):
        isolated(work, on_event=on_event)
    assert time.monotonic() - start < 10
    assert gone(pids[0])


def test_an_interrupt_is_for_the_parent_alone() -> None:
    def work(beat: Beat, emit: Emit) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        return "went on"

    assert isolated(work) == "went on"


# --- what would take us down -------------------------------------------------


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS bounds no address space")
@pytest.mark.parametrize(("count", "memory"), [(1_000_000_000, 3 << 30), (100_000_000, 1 << 30)])
def test_exhausted_memory_is_an_error_at_the_file(count: int, memory: int) -> None:
    with pytest.raises(UserError) as caught:
        isolated(starlark(f"x = [0] * {count}"), memory=memory)
    assert caught.value.at is not None
    assert caught.value.at.path == "lib/BUILD"
    assert "ran out of memory" in caught.value.message
    assert caught.value.hint


def test_exhausted_memory_outside_the_evaluator_is_the_same_error() -> None:
    def work(beat: Beat, emit: Emit) -> None:
        beat("lib/BUILD")
        raise MemoryError

    with pytest.raises(UserError, match="ran out of memory") as caught:
        isolated(work)
    assert caught.value.at == Location("lib/BUILD")


def test_native_work_without_an_end_is_stopped() -> None:
    pids: list[int] = []

    def work(beat: Beat, emit: Emit) -> None:
        emit(os.getpid())
        starlark("def f():\n  x = 3\n  for _ in range(100):\n    x = x * x\nf()\n")(beat, emit)

    with pytest.raises(UserError, match=r"one operation went on for more than 1 seconds") as caught:
        isolated(work, patience=1, on_event=pids.append)
    assert caught.value.at == Location("lib/BUILD")
    assert caught.value.hint
    assert gone(pids[0])


def test_slow_work_that_makes_progress_is_waited_for() -> None:
    def work(beat: Beat, emit: Emit) -> str:
        for _ in range(15):
            time.sleep(0.1)
            beat("lib/BUILD")
        return "done"

    assert isolated(work, patience=1) == "done"


def test_who_gets_no_core_is_waited_for() -> None:
    def work(beat: Beat, emit: Emit) -> str:
        time.sleep(1.2)  # a busy machine is no fault of a BUILD file
        return "done"

    assert isolated(work, patience=0.3) == "done"


def test_who_waits_for_ever_is_stopped() -> None:
    with pytest.raises(UserError, match="makes no progress"):
        isolated(lambda beat, emit: time.sleep(60), patience=0.1)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_crash_is_an_error_at_the_file(number: signal.Signals) -> None:
    def work(beat: Beat, emit: Emit) -> None:
        beat("lib/BUILD")
        beat("é" * 5000)  # longer than what is shared
        beat("lib/other/BUILD")
        os.kill(os.getpid(), number)
        time.sleep(60)

    with pytest.raises(UserError, match="evaluation ran out of memory, or nested too deeply") as caught:
        isolated(work)
    assert caught.value.at == Location("lib/other/BUILD")
    assert caught.value.hint


def test_a_child_that_just_ends_is_a_bug() -> None:
    def work(beat: Beat, emit: Emit) -> None:
        os._exit(7)

    with pytest.raises(RuntimeError, match="ended with exit code 7"):
        isolated(work)


def test_the_stack_is_large_enough_for_the_deepest_text_that_is_accepted() -> None:
    for text in ("x = " + "-" * 9_990 + "1", "x = 1" + " + 1" * 9_990, "x = " + "[" * 199 + "]" * 199):
        isolated(starlark(text))
