from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given

from lambdabuild.digest import encode
from lambdabuild.errors import CycleError, Location, UserError
from lambdabuild.starlark import BUILD_DIALECT, EvaluationError, Frame, interpreter

from ..strategies import crossing
from .evaluating import Evaluator, evaluate


def refused(text: str, files: dict[str, str] | None = None, **functions: Any) -> EvaluationError:
    with pytest.raises(EvaluationError) as caught:
        Evaluator(files or {}, **functions).evaluate("x.bzl", text)
    return caught.value


# --- values ------------------------------------------------------------------


def test_text_becomes_a_module_that_others_load() -> None:
    evaluator = Evaluator(
        {"a.bzl": "load('b.bzl', 'one')\ndef add(x):\n  return x + one\n", "b.bzl": "one = 1\n_private = 2\n"}
    )
    evaluator.evaluate("x.bzl", "load('a.bzl', plus = 'add')\ncall('give', plus(2))\n")
    assert evaluator.given == [3]
    assert list(dict.fromkeys(evaluator.beats)) == ["x.bzl", "a.bzl", "b.bzl"]


@given(crossing)
@example({"a": [1, -(1 << 63), True, None, "é\n\0\x7f\u2028\U0001f40d"], "": {}})
def test_values_cross_to_the_host_and_back_as_they_are(value: Any) -> None:
    evaluator = Evaluator({}, take=lambda: value)
    evaluator.evaluate("x.bzl", "call('give', call('take'))")
    assert encode(evaluator.given[0]) == encode(value)


def test_values_can_be_put_into_scope() -> None:
    evaluator = Evaluator({})
    evaluator.evaluate("x.bzl", "call('give', data)", values={"data": "é\0\n'"})
    assert evaluator.given == ["é\0\n'"]


def test_modules_are_frozen() -> None:
    error = refused("load('a.bzl', 'xs')\nxs.append(1)\n", {"a.bzl": "xs = []"})
    assert str(error.at) == "x.bzl:2:1"
    assert "Immutable" in error.message or "frozen" in error.message or "immutable" in error.message


@pytest.mark.parametrize(
    "text", ["def f(): pass", "f = lambda: 1", "for x in []:\n  pass", "if True:\n  x = 1", "x = f'{x}'"]
)
def test_build_files_are_plain_data(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        Evaluator({}).evaluate("BUILD", text, dialect=BUILD_DIALECT)
    assert str(caught.value.at).startswith("BUILD:1:")
    evaluate("def f():\n  for x in []:\n    pass\n  if True:\n    return lambda: 1\nx = 1\ny = f'{x}'\n")


@pytest.mark.parametrize("name", ["open", "time", "print", "breakpoint", "environ", "random"])
def test_there_is_no_way_out_but_the_host_functions(name: str) -> None:
    assert refused(f"x = {name}").message == f"variable '{name}' not found"


# --- places ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "message", "hint"),
    [
        ("x = nme\nname = 1", "1:5", "variable 'nme' not found", "did you mean 'name'?"),
        ("def f():\n  return lenn([])\n", "2:10", "variable 'lenn' not found", "did you mean 'len'?"),
        ("x = qqqqqq", "1:5", "variable 'qqqqqq' not found", None),
        ("x = 'a'.lowr()", "1:5", "object of type 'string' has no attribute 'lowr'", "did you mean 'lower'?"),
        ("load('a.bzl', 'naem')", "1:15", "module has no symbol 'naem'", "did you mean 'name'?"),
        ("x = 1 +", "1:8", "unexpected new line here", None),
        ("x = [\n1\n2]", "3:1", "unexpected integer literal '2' here", None),
        ("\n  x = 1", "2:1", "unexpected new indentation block here", None),
        ("x = [][1]", "1:5", "index '1' is out of bound", None),
        ("\n\nx = 1 // 0", "3:5", "floor division by zero: 1 // 0", None),
        ("x = (", "1:5", "'(' is never closed", None),
        ("fail('No `such`', 3)", "1:1", "No `such` 3", None),
    ],
)
def test_an_error_has_its_place(text: str, place: str, message: str, hint: str | None) -> None:
    with pytest.raises(UserError) as caught:
        Evaluator({"a.bzl": "name = 1"}).evaluate("x.bzl", text)
    assert (str(caught.value.at), caught.value.message, caught.value.hint) == (
        f"x.bzl:{place}",
        message,
        hint,
    )


MACROS = {"macros.bzl": "def outer(x):\n  inner(x)\n\ndef inner(x):\n  call(x) if x else fail('no x')\n"}
USE = "load('macros.bzl', 'outer')\n\nouter(%s)\n"
FRAMES = (Frame("x.bzl", 3, "<module>"), Frame("macros.bzl", 2, "outer"), Frame("macros.bzl", 5, "inner"))
CALLS = ("called from macros.bzl:2, in outer", "called from x.bzl:3, in <module>")


def test_fail_in_a_macro_tells_who_called() -> None:
    error = refused(USE % "''", MACROS)
    assert (str(error.at), error.message) == ("macros.bzl:5:21", "no x")
    assert error.details == CALLS
    assert error.frames == FRAMES


def test_an_error_of_a_host_function_arrives_as_itself_with_the_place_of_the_call() -> None:
    raised = CycleError(("//a", "//b"))

    def bad() -> None:
        raise raised

    with pytest.raises(CycleError) as caught:
        Evaluator(MACROS, bad=bad).evaluate("x.bzl", USE % "'bad'")
    assert caught.value is raised
    assert caught.value.at == Location("macros.bzl", 5)
    assert caught.value.details == CALLS
    assert caught.value.path == ("//a", "//b")


def test_an_error_that_knows_its_place_keeps_it() -> None:
    def bad() -> None:
        raise UserError("bad", at=Location("other", 7), details=("more",))

    with pytest.raises(UserError) as caught:
        Evaluator(MACROS, bad=bad).evaluate("x.bzl", USE % "'bad'")
    assert caught.value.at == Location("other", 7)
    assert caught.value.details == ("more",)


def test_an_error_without_places_of_its_own_gets_the_frames_too() -> None:
    def bad() -> None:
        raise EvaluationError("bad")

    error = refused(USE % "'bad'", MACROS, bad=bad)
    assert error.frames == FRAMES


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt, MemoryError])
def test_a_bug_in_a_host_function_arrives_as_itself(kind: type[BaseException]) -> None:
    raised = kind("boom")

    def bad() -> None:
        raise raised

    evaluator = Evaluator(MACROS, bad=bad)
    with pytest.raises(kind) as caught:
        evaluator.evaluate("x.bzl", USE % "'bad'")
    assert caught.value is raised
    evaluator.evaluate("y.bzl", "call('give', 1)")
    assert evaluator.given == [1]
    with pytest.raises(EvaluationError, match=r"^later$"):  # and not the first one again
        evaluator.evaluate("z.bzl", "fail('later')")


def test_an_error_in_a_loaded_file_is_that_files_error() -> None:
    evaluator = Evaluator({"a.bzl": "load('b.bzl', 'x')", "b.bzl": "\nx = y"})
    with pytest.raises(EvaluationError) as caught:
        evaluator.evaluate("x.bzl", "load('a.bzl', 'x')")
    assert (str(caught.value.at), caught.value.message) == ("b.bzl:2:5", "variable 'y' not found")


def test_what_load_raises_has_the_place_of_the_load() -> None:
    evaluator = Evaluator({})
    with pytest.raises(UserError) as caught:
        evaluator.evaluate("x.bzl", "\nload('nowhere.bzl', 'x')")
    assert str(caught.value.at) == "x.bzl:2:1"


# --- limits ------------------------------------------------------------------


@pytest.fixture
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "MAX_CHECKS", 20)


LOOP = "def f():\n  for _ in range(1000000000):\n    pass\nf()\n"


@pytest.mark.usefixtures("few_steps")
def test_an_endless_loop_is_stopped() -> None:
    evaluator = Evaluator({})
    with pytest.raises(EvaluationError, match=r"evaluation of x\.bzl takes too long") as caught:
        evaluator.evaluate("x.bzl", LOOP)
    assert caught.value.at == Location("x.bzl")
    assert caught.value.hint
    assert evaluator.beats == ["x.bzl"] * len(evaluator.beats)
    assert 20 < len(evaluator.beats) < 25
    evaluator.evaluate("y.bzl", "call('give', 1)")
    assert evaluator.given == [1]


@pytest.mark.usefixtures("few_steps")
def test_an_endless_loop_in_a_rule_is_stopped_without_naming_our_glue() -> None:
    with pytest.raises(
        EvaluationError, match="evaluation of the rule's implementation takes too long"
    ) as caught:
        Evaluator({}).evaluate("<analysis>", LOOP)
    assert "<analysis>" not in str(caught.value.at)


@pytest.mark.usefixtures("few_steps")
def test_each_file_has_its_own_limit() -> None:
    evaluator = Evaluator({f"{i}.bzl": "x = [y for y in range(15000)]" for i in range(5)})
    evaluator.evaluate("x.bzl", "".join(f"load('{i}.bzl', x{i} = 'x')\n" for i in range(5)))


def test_recursion_is_stopped_and_told_in_short() -> None:
    error = refused("def f(n):\n  return f(n + 1)\nf(0)\n")
    assert (str(error.at), error.message) == ("x.bzl:2:10", "starlark call stack overflow")
    assert error.details[0] == "called from x.bzl:2, in f"
    assert error.details[-1] == "called from x.bzl:3, in <module>"
    assert len(error.details) == 11
    assert len(error.frames) == interpreter.MAX_CALL_DEPTH - 1


def test_calls_may_be_a_hundred_deep() -> None:
    assert evaluate("def f(n):\n  return f(n - 1) + 1 if n else 0\ncall('give', f(100))\n") == [100]


def test_untrusted_text_is_guarded_and_our_own_is_not() -> None:
    deep = "x = " + "[" * 300 + "]" * 300
    with pytest.raises(UserError, match="nested too deeply"):
        Evaluator({}).evaluate("x.bzl", deep)
    Evaluator({}).evaluate("x.bzl", deep, trusted=True)
