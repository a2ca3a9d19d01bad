"""Text of queries: what it means, and errors that point at what is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.label import TargetPattern
from lambdabuild.query.errors import QueryError
from lambdabuild.query.lexer import MAX_CHARACTERS
from lambdabuild.query.parser import MAX_NESTING, parse, parse_universe, short_form
from lambdabuild.query.signatures import FUNCTIONS
from lambdabuild.query.syntax import Call, Operation, Pattern, Word
from tests.query.graphs import expressions, graph

SMALL = graph(
    """
    //a:t0: srcs=//a:t1 base=//c:t0
    //a:t1: srcs=//a:x.py
    //c:t0:
    """
)


def refused(text: str) -> QueryError:
    with pytest.raises(QueryError) as caught:
        parse(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "message", "carets"),
    [
        ("", "expected an expression, not the end", "^"),
        ("deps(//a:t0", "expected an operator, ',' or ')', not the end", "           ^"),
        ("//a:t0)", "expected an operator or the end, not ')'", "      ^"),
        ("//a:t0 + ", "expected an expression, not the end", "         ^"),
        ("//a:t0 //a:t1", "expected an operator or the end, not '//a:t1'", "       ^^^^^^"),
        ("depz(//a)", "there is no function 'depz'", "^^^^"),
        ("deps()", "deps() takes 1 or 2 arguments", "^^^^"),
        ("deps(//a, 1, 2)", "deps() takes 1 or 2 arguments", "^^^^"),
        ("rdeps(//a)", "rdeps() takes 2 or 3 arguments", "^^^^^"),
        ("kind(rule)", "kind() takes 2 arguments", "^^^^"),
        ("siblings(//a, //b)", "siblings() takes 1 argument", "^^^^^^^^"),
        ("deps(//a, //b)", "depth is a whole number, not '//b'", "          ^^^"),
        ("deps(//a, )", "deps() takes 1 or 2 arguments", "^^^^"),
        ("some(//a, -1)", "expected count, a whole number, not '-'", "          ^"),
        ("kind(//a + //b, //c)", "expected an operator, ',' or ')', not '+'", "         ^"),
        ("filter('[', //a)", "'[' is not a regular expression: unterminated character set", "       ^^^"),
        ("let 1 = //a in $1", "'1' cannot name a set", "    ^"),
        ("let x //a in $x", "expected '=', not '//a'", "      ^^^"),
        ("let x = //a", "expected an operator or 'in', not the end", "           ^"),
        ("(let x = //a in $x) + $x", "there is no variable $x", "                      ^^"),
        ("let base = //a in $bose", "there is no variable $bose", "                  ^^^^^"),
        ("set(//a, //b)", "expected a target pattern or ')', not ','", "       ^"),
        ("set(deps(//a))", "expected a target pattern or ')', not '('", "        ^"),
        ("'//a", "a quote is opened and not closed", "^"),
        ("-//a", "expected an expression, not '-'", "^"),
        ("'-//a'", "'-//a' takes something away, and nothing stands before it", "^^^^^^"),
        ("//a//b", "'//a//b' is not a target pattern: ", "^^^^^^"),
        ("in", "expected an expression, not 'in'", "^^"),
    ],
)
def test_errors_point_at_what_is_wrong(text: str, message: str, carets: str) -> None:
    error = refused(text)
    assert error.message.startswith(message)
    assert error.details == (text, carets)


def test_a_misspelt_name_suggests_the_nearest() -> None:
    assert refused("rdepz(//a, //b)").hint == "did you mean 'rdeps'?"
    assert refused("st(//a)").hint == "did you mean 'set'?"
    assert refused("let base = //a in $bose").hint == "did you mean '$base'?"


def test_a_long_text_is_shown_around_the_place() -> None:
    error = refused("deps(" + "//a + " * 1000 + "depz(//b)" + " + //a" * 1000 + ")")
    text, carets = error.details
    assert len(text) < 110
    assert text[carets.index("^") :].startswith("depz(//b)")
    assert text[0] == text[-1] == "…"


def test_lines_and_control_characters_are_shown_as_spaces() -> None:
    assert refused("//a\n\t + )\x1b[31m").details == ("//a   + ) [31m", "        ^")


@pytest.mark.parametrize("part", ["(", "deps(", "let x = ", "let x = //a in ", "//a + (", "some(deps("])
def test_an_expression_of_a_megabyte_that_is_nested_is_refused(part: str) -> None:
    error = refused(part * ((MAX_CHARACTERS - 1) // len(part)))
    assert error.message == f"the expression is nested more than {MAX_NESTING} deep"


def test_an_expression_of_more_than_a_megabyte_is_refused() -> None:
    assert "at most 1,048,576 are taken" in refused("//a + " * 200_000).message


def test_a_chain_of_a_megabyte_has_an_answer() -> None:
    assert SMALL.ask(" + ".join(["//a:t1", "//c:t0"] * 50_000)) == SMALL.ask("//a:t1 + //c:t0")
    assert SMALL.ask(f"set({'//a:t1 ' * 140_000})") == SMALL.ask("//a:t1")


def test_nesting_up_to_the_limit_has_an_answer() -> None:
    depth = MAX_NESTING - 1
    assert SMALL.ask("deps(" * depth + "//a:t1" + ")" * depth) == SMALL.ask("deps(//a:t1)")
    lets = "".join(f"let v{n} = //a:t{n % 2} in " for n in range(depth))
    assert SMALL.ask(lets + "$v1") == SMALL.ask("//a:t1")


def test_operators_have_one_precedence_and_apply_from_left_to_right() -> None:
    match parse("//a + //b ^ //c - //d"):
        case Operation(Pattern(), rest):
            assert [operator for operator, _ in rest] == ["union", "intersect", "except"]
        case other:
            raise AssertionError(other)


def test_a_body_of_let_goes_as_far_as_it_can() -> None:
    assert SMALL.ask("let x = //a:t1 in $x + //c:t0") == SMALL.ask("//a:t1 + //c:t0")


def test_quotes_make_words_of_keywords_and_signs() -> None:
    match parse("attr('in', \"a, (b)\", //a)"):
        case Call("attr", (Word("in"), Word("a, (b)"), Pattern())):
            pass
        case other:
            raise AssertionError(other)
    assert parse("'//a:x+y'") == Pattern(TargetPattern("a", "x+y"), 0, 9)
    assert parse("'deps'") == Pattern(TargetPattern("deps", "deps"), 0, 6)


def test_a_word_may_hold_a_minus_and_what_begins_with_it_is_taken_away() -> None:
    assert parse("//a-b") == Pattern(TargetPattern("a-b", "a-b"), 0, 5)
    assert isinstance(parse("//a -//b"), Operation)


def test_patterns_are_relative_to_the_directory() -> None:
    assert parse(":x", "a/b") == Pattern(TargetPattern("a/b", "x"), 0, 2)
    assert parse("...", "a") == Pattern(TargetPattern("a", "all", recursive=True), 0, 3)


@given(expressions)
def test_spaces_and_parentheses_change_nothing(text: str) -> None:
    spaced = text.replace("(", " ( ").replace(")", " )\n").replace(",", "\t,")
    assert SMALL_ALL.ask(f"(({spaced}))") == SMALL_ALL.ask(text)


SMALL_ALL = graph("\n".join(f"//{p}:t{n}: srcs=//{p}:x.py" for p in ("a", "a/b", "c") for n in range(4)))

_pieces = st.sampled_from(
    [
        "deps",
        "(",
        ")",
        ",",
        "+",
        "-",
        "^",
        "=",
        "let",
        "in",
        "set",
        "$x",
        "x",
        "//a:t0",
        "1",
        "'",
        '"',
        " ",
        "\n",
        *("except", "kind", "[", "//...", "-//a", "é", "\\", "*"),
    ]
)


@given(st.lists(_pieces, max_size=12).map("".join) | st.text(max_size=20))
def test_every_text_is_an_expression_or_an_error_that_points_into_it(text: str) -> None:
    try:
        parse(text)
    except QueryError as error:
        shown, carets = error.details
        assert set(carets) <= {" ", "^"}
        assert carets.endswith("^")
        assert carets.index("^") <= len(shown)


# --- the command line -----------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expression"),
    [
        (["//a:x"], "//a:x"),
        (["deps(//a)"], "deps(//a)"),
        (["deps", "//a"], "deps(//a)"),
        (["deps", "//a", "2"], "deps(//a, 2)"),
        (["rdeps", "//...", "//a + //b"], "rdeps(//..., //a + //b)"),
        (["kind", "lambda_image rule", "//..."], 'kind("lambda_image rule", //...)'),
        (["filter", '^//a"(b)', "//..."], "filter('^//a\"(b)', //...)"),
        (["attr", "in", "", "//..."], 'attr("in", "", //...)'),
        (["set", "//a", "//b"], "set(//a //b)"),
        (["set(", "//a", ")"], "set( //a )"),
        (["//a", "+", "//b"], "//a + //b"),
        (["//...", "-//b"], "//... -//b"),
        (["deps", "-", "//b"], "deps - //b"),
        (["let", "x", "=", "//a", "in", "$x"], "let x = //a in $x"),
        (["depz", "//a"], "depz(//a)"),
        (["some"], "some"),
    ],
)
def test_short_form(words: list[str], expression: str) -> None:
    assert short_form(words) == expression


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_short_form(name: str) -> None:
    written = {"EXPRESSION": "//a", "WORD": "srcs", "PATTERN": "a b", "NUMBER": "1"}
    arguments = [written[kind.name] for _, kind in FUNCTIONS[name].parameters]
    match parse(short_form([name, *arguments])):
        case Call(function, given_):
            assert function == name
            assert len(given_) == len(arguments)
        case other:
            raise AssertionError(other)


def test_a_universe_is_patterns_with_commas_between_them() -> None:
    assert parse_universe("//a/..., -:x", "c") == (
        TargetPattern("a", "all", recursive=True),
        TargetPattern("c", "x", negative=True),
    )
    assert parse_universe("") == ()
    with pytest.raises(UserError, match="not a target pattern"):
        parse_universe("//a//b")
