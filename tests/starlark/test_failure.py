from __future__ import annotations

import pytest

from lambdabuild.errors import Location
from lambdabuild.starlark.failure import Frame, failure_from, is_internal, parse_frames

TRACEBACK = """\
Traceback (most recent call last):
  * <analysis>:3, in <module>
      providers = lb_analyze()
  * lib/BUILD:7, in <module>
      error: not one
  * tools/macros.bzl:12:4, in macro
      fail("x")
error: fail: No `such` thing.
second line
 --> tools/macros.bzl:13:5
   |
13 |     fail("x")
   |     ^^^^^^^^^
"""


def test_a_traceback_is_taken_apart() -> None:
    error = failure_from(TRACEBACK)
    assert error.message == "No `such` thing."
    assert error.at == Location("tools/macros.bzl", 13, 5)
    assert error.frames == (Frame("lib/BUILD", 7, "<module>"), Frame("tools/macros.bzl", 12, "macro"))
    assert error.details == ("second line", "called from lib/BUILD:7, in <module>")


@pytest.mark.parametrize(
    ("said", "message", "hint"),
    [
        ("error: Variable `x` not found\n --> a:1:2\n", "variable 'x' not found", None),
        ("error: Variable `x` not found, did you mean `y`?\n", "variable 'x' not found", "did you mean 'y'?"),
        ("error: Parse error: unexpected new line here.", "unexpected new line here", None),
        ("error: BUILD is no name", "BUILD is no name", None),
        ("error: fail: Python 3.9 is old.", "Python 3.9 is old.", None),
        ("error: fail: x is unknown, did you mean y?", "x is unknown, did you mean y?", None),
        ("error: fail: ", "", None),
        ("out of nowhere", "out of nowhere", None),
    ],
)
def test_the_evaluators_sentences_are_put_in_our_form_and_those_of_fail_are_not(
    said: str, message: str, hint: str | None
) -> None:
    error = failure_from(said)
    assert (error.message, error.hint) == (message, hint)


def test_a_place_in_our_own_glue_is_replaced_by_the_callers() -> None:
    error = failure_from("  * lib/BUILD:7, in <module>\nerror: fail: x\n --> <prelude>:3:4\n")
    assert error.at == Location("lib/BUILD", 7)
    assert error.details == ()
    assert failure_from("error: fail: x\n --> <prelude>:3:4\n").at is None
    assert is_internal("<prelude>")
    assert not is_internal("lib/BUILD")


def test_frames_of_our_own_glue_are_not_shown() -> None:
    assert parse_frames("  * <prelude>:1, in call\n  * a b/BUILD:2, in <module>\n") == (
        Frame("a b/BUILD", 2, "<module>"),
    )
    assert parse_frames("") == ()


def test_of_many_calls_only_the_ends_are_shown() -> None:
    text = (
        "".join(f"  * x.bzl:{line}, in f\n" for line in range(1, 201)) + "error: fail: x\n --> x.bzl:200:1\n"
    )
    error = failure_from(text)
    assert len(error.frames) == 200
    assert error.details[:5] == tuple(f"called from x.bzl:{line}, in f" for line in (199, 198, 197, 196, 195))
    assert error.details[5] == "and 189 more calls"
    assert error.details[6:] == tuple(f"called from x.bzl:{line}, in f" for line in (5, 4, 3, 2, 1))
