from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
import starlark
from hypothesis import assume, example, given

from lambdabuild.errors import UserError
from lambdabuild.starlark import guard
from lambdabuild.starlark.guard import check_source

from ..strategies import literals, source_texts

REPOSITORY = Path(__file__).parents[2]
REAL_FILES = sorted(
    path
    for pattern in ("BUILD", "rules/*.bzl", "lambdabuild/*.star", "examples/**/BUILD", "examples/**/*.bzl")
    for path in REPOSITORY.glob(pattern)
)
DIALECT = starlark.Dialect.extended()
DIALECT.enable_f_strings = True


def refused(text: str) -> tuple[int, int, str]:
    """Returns line, column and message of the error that `text` gives."""
    with pytest.raises(UserError) as caught:
        check_source("lib/BUILD", text)
    assert caught.value.at is not None
    assert caught.value.at.path == "lib/BUILD"
    return caught.value.at.line, caught.value.at.column, caught.value.message


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_real_files_are_accepted(path: Path) -> None:
    check_source(path.name, path.read_text("utf-8"))


def test_a_large_generated_file_is_accepted() -> None:
    target = 'files(name = "f%d", srcs = ["a.py", "b.py"], dest = "x" + "y" if True else None)\n'
    check_source("BUILD", "".join(target % i for i in range(10_000)))
    check_source("BUILD", "x = [" + "1 + 2,\n" * 50_000 + "]\n")
    check_source("BUILD", "x = {" + '"a": [b.c(1) for b in d],\n' * 20_000 + "}\n")


# --- too much ----------------------------------------------------------------

TOO_DEEP = {
    "round brackets": "x = " + "(" * 100_000,
    "square brackets": "x = " + "[" * 100_000,
    "curly brackets": "x = " + "{" * 100_000,
    "brackets in pairs": "x = " + "[" * 100_000 + "]" * 100_000,
    "calls": "x = f" + "()" * 100_000,
    "indices": "x = f" + "[0]" * 100_000,
    "attributes": "x = f" + ".a" * 100_000,
    "sums": "x = 1" + " + 1" * 100_000,
    "sums over lines": "x = (1" + " +\n1" * 100_000 + ")",
    "sums over continued lines": "x = 1" + " + \\\n1" * 100_000,
    "sums over lines that Windows ends": "x = 1" + " + \\\r\n1" * 100_000,
    "sums without spaces": "x = 1" + "+1" * 100_000,
    "signs": "x = " + "-" * 100_000 + "1",
    "signs with spaces": "x = " + "- ~ " * 50_000 + "1",
    "negations": "x = " + "not " * 100_000 + "y",
    "conjunctions": "x = y" + " and y" * 100_000,
    "comparisons": "x = y" + " == y" * 100_000,
    "conditions": "x = 1" + " if y else 1" * 50_000,
    "functions": "x = " + "lambda: " * 100_000 + "1",
    "functions of several arguments": "x = " + "lambda a, b: " * 50_000 + "1",
    "comprehensions": "x = [a" + " for a in b" * 50_000 + "]",
    "comprehensions of pairs": "x = [a" + " for a, b in c" * 50_000 + "]",
    "chains in a bracket of their own": "x = [" + "1" + " + 1" * 5_000 + " + [1" + " + 1" * 6_000,
    "branches": "def f(x):\n    if x: pass\n" + "    elif x: pass\n" * 50_000,
}


@pytest.mark.parametrize("kind", TOO_DEEP)
def test_what_would_overflow_the_evaluators_stack_is_refused(kind: str) -> None:
    assert refused(TOO_DEEP[kind])[2].startswith(
        "nested too deeply: at most 200 brackets, 10,000 operators in"
    )


@pytest.mark.parametrize("bracket", ["()", "[]", "{}"])
def test_brackets_are_counted_exactly(bracket: str) -> None:
    most = guard.MAX_BRACKETS
    check_source("BUILD", bracket[0] * most + bracket[1] * most)
    assert refused("\n" + bracket[0] * (most + 1))[:2] == (2, most + 1)


def test_operators_and_branches_are_counted_exactly() -> None:
    check_source("BUILD", "x = 1" + "+1" * (guard.MAX_OPERATORS - 1))
    assert refused("x = 1" + "+1" * guard.MAX_OPERATORS)[:2] == (1, 2 * guard.MAX_OPERATORS + 4)
    check_source("BUILD", "elif\n" * guard.MAX_ELIFS)
    assert refused("elif\n" * (guard.MAX_ELIFS + 1))[:2] == (guard.MAX_ELIFS + 1, 1)


def test_the_deepest_text_that_is_accepted_does_not_crash_the_evaluator() -> None:
    half = guard.MAX_BRACKETS // 2
    for text in ("[" * 200 + "]" * 200, "(1," * 200 + ")" * 200, ("[" + "-" * half) * 90 + "1" + "]" * 90):
        check_source("x", text)
        starlark.parse("x", text, DIALECT)


def test_a_file_of_more_than_a_mebibyte_is_refused() -> None:
    check_source("BUILD", "#" * guard.MAX_BYTES)
    with pytest.raises(
        UserError, match="the file has 1,048,577 characters; at most 1,048,576 are read"
    ) as caught:
        check_source("BUILD", "#" * (guard.MAX_BYTES + 1))
    assert caught.value.hint


# --- unpaired brackets and quotes --------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("(", 1, 1, "'(' is never closed"),
        ("x = [\n  f(1,\n", 2, 4, "'(' is never closed"),
        ("x = [1, 2\ny = 3\n", 1, 5, "'[' is never closed"),
        ("x = {'a': [1}\n", 1, 13, "'}' closes nothing"),
        (")", 1, 1, "')' closes nothing"),
        ("x = (1]\n", 1, 7, "']' closes nothing"),
        ("# (\nx = 1)\n", 2, 6, "')' closes nothing"),
        ("é = 'ß'\n日本 = ]", 2, 6, "']' closes nothing"),
        ("x = 'a\n", 1, 5, "the string that ' begins is never closed"),
        ('x = f("a)\n', 1, 7, 'the string that " begins is never closed'),
        ('x = "a\\"\n', 1, 5, 'the string that " begins is never closed'),
        ('x = 1\ny = """a"\n"b""\n', 2, 5, 'the string that """ begins is never closed'),
        ("x = r'\\'\n", 1, 6, "the string that ' begins is never closed"),
        ("x = '''a''", 1, 5, "the string that ''' begins is never closed"),
    ],
)
def test_what_is_unpaired_is_refused_at_its_place(text: str, line: int, column: int, message: str) -> None:
    assert refused(text) == (line, column, message)


QUOTED = ["(", ")", "]", "([{", "#", "(#", "\\\\", "\\n(", "a" * 300, "(" * 300, "elif " * 2000, "-" * 20_000]


@pytest.mark.parametrize("quote", ['"', "'", '"""', "'''"])
@pytest.mark.parametrize("prefix", ["", "r", "f"])
def test_nothing_counts_inside_strings(quote: str, prefix: str) -> None:
    other = "'" if '"' in quote else '"'
    for inner in [*QUOTED, other, other * 2 + "(", f"\\{quote[0]}(", "\\" + "\n)"]:
        check_source("BUILD", f"x = [{prefix}{quote}{inner}{quote}]\n")
        assert refused(f"x = [{prefix}{quote}{inner}{quote})\n")[2] == "')' closes nothing"


@pytest.mark.parametrize("inner", ["\n", '"\n(', '""\n[', '\\"""(', "'''("])
def test_triple_quotes_hold_lines_and_quotes(inner: str) -> None:
    check_source("BUILD", f'x = ["""{inner}"""]\n')


@pytest.mark.parametrize("inner", [*QUOTED, "'", '"""', "\\"])
def test_nothing_counts_inside_comments(inner: str) -> None:
    check_source("BUILD", f"x = [ # {inner}\n]\n")
    check_source("BUILD", f"x = 1 # {inner}")


# --- laws --------------------------------------------------------------------


@given(source_texts)
@example("\ud800'\\")
def test_any_text_is_accepted_or_refused(text: str) -> None:
    try:
        check_source("BUILD", text)
    except UserError as error:
        assert error.at is not None  # noqa: PT017 - that nothing else is raised is the law


@given(source_texts | literals.map("x = [{}]\n".format))
@example('x = "a\\\n)"')
@example('x = "a\\\r\n)"')
@example('x = r"\\")"')
@example("x = '' ''")
@example("x = 5if 1 else(2)")
def test_what_the_evaluator_can_parse_is_accepted(text: str) -> None:
    try:
        starlark.parse("BUILD", text, DIALECT)
    except starlark.StarlarkError:
        assume(False)
    check_source("BUILD", text)


@given(literals)
def test_strings_end_where_the_evaluator_ends_them(literal: str) -> None:
    try:
        starlark.parse("BUILD", f"x = [{literal}]\n", DIALECT)
    except starlark.StarlarkError:
        assume(False)
    assert refused(f"x = [{literal})\n")[2] == "')' closes nothing"
    assert refused(f"x = [{literal}\n")[2] == "'[' is never closed"


PIECES = [
    "'",
    '"',
    '"""',
    "'''",
    '\\"',
    "\\'",
    "\\",
    "\\\n",
    "\\\r\n",
    "r'",
    "#",
    "(",
    "()",
    "[]",
    "a",
    " ",
    "\n",
    "\r",
    "-,",
    "é",
]
HOSTILE = [piece * (100_000 // len(piece)) for piece in PIECES] + [
    start + piece * (100_000 // len(piece))
    for start, piece in itertools.product(
        ['"', "'''", "# ", "("], ['\\"', "\\'", "'\"", "\\\n", "\\\r\n", '"\\']
    )
]


def test_scanning_takes_time_in_proportion_to_the_text() -> None:
    start = time.process_time()
    for text in HOSTILE:
        try:
            check_source("BUILD", text)
        except UserError:
            continue
    assert (
        time.process_time() - start < 10
    )  # of 4 MB; some took minutes while strings were scanned again and again
