"""Names of functions: what variables make of them, and that nothing else of an image depends on them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.deploying.names import MAX_NAME, fill_in, parse_define, wanted_functions
from lambdabuild.errors import Location, UserError
from tests.project import Project

AT = Location("BUILD", 1)
HANDLER = "def main(event, context):\n    return 1\ndef other(event, context):\n    return 2\n"
IMAGE = 'lambda_image(name = "{name}", base = "scratch", srcs = ["app.py"], handler = "app.main", {more})\n'

words = st.text("abcXYZ019-_", min_size=1, max_size=8)


@given(st.lists(st.tuples(st.sampled_from(["stage", "team"]), words), max_size=4), words, words)
def test_a_template_without_its_variables_is_what_stands_between_them(
    parts: list[tuple[str, str]], stage: str, team: str
) -> None:
    values = {"stage": stage, "team": team}
    template = "x" + "".join(f"{{{name}}}{text}" for name, text in parts)
    filled = "x" + "".join(values[name] + text for name, text in parts)
    if len(filled) <= MAX_NAME:
        assert fill_in(template, values, AT) == filled


@given(st.text(max_size=12))
def test_any_text_is_a_name_as_it_stands_or_refused(text: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9_-]+", text):
        assert fill_in(text, {}, AT) == text
        return
    with pytest.raises(UserError) as caught:
        fill_in(text, {}, AT)
    assert caught.value.at == AT
    assert caught.value.hint


def test_an_unknown_variable_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UserError, match=r"the variable 'stag', which has no value") as caught:
        fill_in("receipts-{stag}", {"stage": "dev", "team": "x"}, AT)
    assert caught.value.hint == "did you mean 'stage'?"
    with pytest.raises(UserError) as caught:
        fill_in("receipts-{region}", {"stage": "dev", "team": "x"}, AT)
    assert "--define region=" in str(caught.value.hint)
    assert "there are stage, team" in str(caught.value.hint)


@pytest.mark.parametrize("value", ["", "a b", "a/b", "ä", "x" * 65])
def test_a_value_that_gives_no_name_is_refused_with_what_it_made(value: str) -> None:
    with pytest.raises(UserError, match=r"made of '\{stage\}'"):
        fill_in("{stage}", {"stage": value}, AT)


@pytest.mark.parametrize("text", ["stage", "=dev", "a b=c", "1a=c"])
def test_a_define_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="--define takes NAME=VALUE"):
        parse_define(text)
    assert parse_define("stage=a=b") == ("stage", "a=b")


def project(tmp_path: Path, **images: str) -> Project:
    files = {
        "app.py": HANDLER,
        "BUILD": "".join(IMAGE.format(name=name, more=more) for name, more in images.items()),
    }
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)


def test_functions_are_no_part_of_an_images_hash(tmp_path: Path) -> None:
    made = project(tmp_path, one="", two='functions = {"a-{stage}": "app.other", "b": "app.main"}')
    hashes = made.hashes()
    assert hashes["//:one"] == hashes["//:two"]
    digests = {target.built.image.digest for target in made.build().targets if target.built}
    assert len(digests) == 1


def test_the_functions_of_a_target_have_their_handlers_and_platforms(tmp_path: Path) -> None:
    functions = (
        'functions = {"a-{stage}": "app.other", "b": "app.main"}, platforms = ["linux/amd64", "linux/arm64"]'
    )
    made = project(tmp_path, one=functions)
    evaluation = made.evaluate("//:one")
    found = wanted_functions(evaluation.graph, evaluation.roots, {"stage": "dev"})
    assert [(each.name, each.handler, each.default) for each in found] == [
        ("a-dev", "app.other", False),
        ("b", "app.main", True),
    ]
    assert {frozenset(each.images) for each in found} == {frozenset({"linux/amd64", "linux/arm64"})}


@pytest.mark.parametrize(
    ("one", "two", "message"),
    [
        ('"a-{x}": "app.main", "{y}": "app.other"', "", "names the function 'a-1' twice"),
        ('"a-{x}": "app.main"', '"a-1": "app.main"', "//:one and //:two both serve the function 'a-1'"),
    ],
)
def test_a_function_has_one_image_and_one_handler(tmp_path: Path, one: str, two: str, message: str) -> None:
    made = project(tmp_path, one=f"functions = {{{one}}}", two=f"functions = {{{two}}}")
    evaluation = made.evaluate("//...")
    with pytest.raises(UserError, match=re.escape(message)):
        wanted_functions(evaluation.graph, evaluation.roots, {"x": "1", "y": "a-1"})
