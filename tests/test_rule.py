from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import Location
from lambdabuild.label import Label
from lambdabuild.rule import ATTR_TYPES, COMMON_ATTRS, Attr, AttributeProblem, Rule, RuleId

from .strategies import canonical, labels

A, B = Label("p", "a"), Label("q", "b")


def rule(*attrs: Attr) -> Rule:
    return Rule(RuleId("//:x.bzl", 0), "image", {attr.name: attr for attr in attrs}, Location("x.bzl", 1))


def refused(attr: Attr, value: object) -> tuple[str, str | None]:
    """Returns message and hint of the error that `value` gives in package p."""
    with pytest.raises(AttributeProblem) as caught:
        attr.check(value, "p")
    assert caught.value.attribute == attr.name
    return caught.value.message, caught.value.hint


# --- one attribute -----------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "normal"),
    [
        ("string", "", ""),
        ("string", "é\n", "é\n"),
        ("int", -3, -3),
        ("int", -(1 << 63), -(1 << 63)),
        ("bool", True, True),
        ("bool", False, False),
        ("string_list", [], ()),
        ("string_list", ["b", "a", "b"], ("b", "a", "b")),
        ("string_dict", {}, {}),
        ("string_dict", {"b": "1", "a": "2"}, {"b": "1", "a": "2"}),
        ("label", ":a", A),
        ("label", "a", A),
        ("label", "//q:b", B),
        ("label_list", [], ()),
        ("label_list", ["//q:b", ":a"], (B, A)),
        ("sources", [], ()),
        ("sources", ["//q:b", "a"], ((B, ()), (A, ()))),
        ("sources", {}, ()),
        ("sources", {"//q:b": "x.py", "a": ["y", "z/"]}, ((B, ("x.py",)), (A, ("y", "z/")))),
    ],
)
def test_a_value_of_the_right_type_gets_its_normal_form(kind: str, value: object, normal: object) -> None:
    assert Attr("x", kind).check(value, "p") == normal


def test_dicts_keep_the_order_in_which_they_are_written() -> None:
    assert list(Attr("x", "string_dict").check({"b": "1", "a": "2"}, "p")) == ["b", "a"]
    assert [label for label, _ in Attr("x", "sources").check({"b": "1", "a": "2"}, "p")] == [
        Label("p", "b"),
        Label("p", "a"),
    ]


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("string", 3, "must be a string, not the number 3"),
        ("string", ["a"], "must be a string, not the list ['a']"),
        ("string", True, "must be a string, not True"),
        ("int", "3", "must be a whole number, not the string '3'"),
        ("int", True, "must be a whole number, not True"),
        ("int", 1.5, "must be a whole number, not 1.5"),
        ("bool", 1, "must be True or False, not the number 1"),
        ("bool", "True", "must be True or False, not the string 'True'"),
        ("string_list", "a", "must be a list of strings, not the string 'a'"),
        ("string_list", ["a", 1], "must be a list of strings, not the list ['a', 1]"),
        ("string_list", [None], "must be a list of strings, not the list [None]"),
        ("string_dict", ["a"], "must be a dict from string to string, not the list ['a']"),
        ("string_dict", {"a": 1}, "must be a dict from string to string, not the dict {'a': 1}"),
        ("label", ["a"], "must be a label, not the list ['a']"),
        ("label", 1, "must be a label, not the number 1"),
        ("label_list", "a", "must be a list of labels, not the string 'a'"),
        ("label_list", {"a": "b"}, "must be a list of labels, not the dict {'a': 'b'}"),
        ("label_list", ["a", 1], "must be a label, not the number 1"),
        ("label_list", [["a"]], "must be a label, not the list ['a']"),
        ("sources", "a", "must be a list of labels, not the string 'a'"),
        ("sources", [1], "must be a label, not the number 1"),
        (
            "sources",
            {"a": 1},
            "must be a place in the image or a list of places for each source, not the number 1",
        ),
        (
            "sources",
            {"a": []},
            "must be a place in the image or a list of places for each source, not the list []",
        ),
        (
            "sources",
            {"a": ["b", 1]},
            "must be a place in the image or a list of places for each source, not the list ['b', 1]",
        ),
    ],
)
def test_a_value_of_another_type_is_refused(kind: str, value: object, message: str) -> None:
    assert refused(Attr("x", kind), value)[0] == f"attribute 'x' {message}"


def test_a_long_value_is_shown_by_its_beginning() -> None:
    message, _ = refused(Attr("x", "string"), ["a" * 100])
    assert message == f"attribute 'x' must be a string, not the list ['{'a' * 55}..."


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1])
def test_a_number_that_starlark_would_read_as_a_float_is_refused(value: int) -> None:
    assert refused(Attr("x", "int"), value)[0] == f"attribute 'x' must fit in 64 bits, not {value}"


@pytest.mark.parametrize("kind", ["label", "label_list", "sources"])
def test_a_bad_label_is_refused_with_its_reason(kind: str) -> None:
    value: object = "a:b:c" if kind == "label" else ["a:b:c"]
    message, hint = refused(Attr("x", kind), value)
    assert message.startswith("attribute 'x' has a bad label: 'a:b:c' is not a label: ")
    assert hint


@pytest.mark.parametrize("kind", ["label_list", "sources"])
@pytest.mark.parametrize("second", ["a", ":a", "//p:a"])
def test_one_label_in_two_spellings_is_a_duplicate(kind: str, second: str) -> None:
    assert refused(Attr("x", kind), [":b", "//p:a", second]) == (
        f"attribute 'x' names {second!r} twice",
        "drop one of the two",
    )


def test_a_source_with_two_spellings_is_a_duplicate_in_a_dict_too() -> None:
    assert refused(Attr("x", "sources"), {"a": "b", ":a": "c"})[0] == "attribute 'x' names ':a' twice"


def test_only_the_values_that_are_listed_are_accepted() -> None:
    attr = Attr("mode", "string", values=("auto", "0644", "0755"))
    assert attr.check("auto", "p") == "auto"
    assert refused(attr, "0775") == (
        "attribute 'mode' must be one of 'auto', '0644', '0755', not '0775'",
        "did you mean '0755'?",
    )
    assert refused(attr, "") == ("attribute 'mode' must be one of 'auto', '0644', '0755', not ''", None)


def test_listed_values_hold_for_each_member_of_a_list() -> None:
    attr = Attr("features", "string_list", values=("one", "two"))
    assert attr.check(["two", "one"], "p") == ("two", "one")
    assert attr.check([], "p") == ()
    assert refused(attr, ["one", "tow"]) == (
        "attribute 'features' must be one of 'one', 'two', not 'tow'",
        "did you mean 'two'?",
    )


def test_words_stand_for_themselves_and_are_no_labels() -> None:
    attr = Attr("base", "label", words=("scratch",))
    assert attr.check("scratch", "p") == "scratch"
    assert list(attr.labels("scratch")) == []
    assert attr.check(":scratch", "p") == Label("p", "scratch")
    assert list(attr.labels(A)) == [A]


def test_a_list_of_labels_has_no_words() -> None:
    assert Attr("x", "label_list", words=("scratch",)).check(["scratch"], "p") == (Label("p", "scratch"),)


@given(st.lists(labels, unique=True, max_size=4), st.sampled_from(["label_list", "sources"]))
def test_the_labels_of_a_checked_value_are_those_that_were_written(written: list[Label], kind: str) -> None:
    attr = Attr("x", kind)
    assert list(attr.labels(attr.check([str(label) for label in written], "p"))) == written


@pytest.mark.parametrize("kind", ["string", "int", "bool", "string_list", "string_dict"])
def test_other_values_have_no_labels(kind: str) -> None:
    assert list(Attr("x", kind).labels(Attr("x", kind).empty())) == []


@given(st.sampled_from(ATTR_TYPES), canonical)
def test_any_value_is_accepted_or_refused(kind: str, value: Any) -> None:
    attr = Attr("x", kind, values=("a",), words=("b",))
    try:
        attr.check(value, "p")
    except AttributeProblem as error:
        assert error.message.startswith("attribute 'x' ")  # noqa: PT017 - nothing else is raised


@pytest.mark.parametrize("kind", ATTR_TYPES)
def test_the_empty_value_has_the_shape_of_a_checked_one(kind: str) -> None:
    empty = Attr("x", kind).empty()
    written: object = {"string_list": [], "label_list": [], "sources": [], "packages": []}.get(kind, empty)
    assert kind in ("label", "pyproject", "dockerfile") or Attr("x", kind).check(written, "p") == empty


# --- a whole target ----------------------------------------------------------


def test_every_attribute_gets_a_value() -> None:
    image = rule(Attr("srcs", "sources"), Attr("env", "string_dict"), Attr("base", "label"))
    assert image.check({"name": "x", "env": {"a": "b"}}, "p") == {
        "name": "x",
        "visibility": (),
        "tags": (),
        "srcs": (),
        "env": {"a": "b"},
        "base": None,
    }


def test_defaults_hold_where_nothing_or_none_is_said() -> None:
    image = rule(Attr("size", "int", default=3), Attr("on", "bool", default=True))
    assert image.check({"name": "x"}, "p")["size"] == 3
    assert image.check({"name": "x", "size": None, "on": None}, "p")["on"] is True
    assert image.check({"name": "x", "size": 0, "on": False}, "p") | {"size": 0, "on": False} == image.check(
        {"name": "x", "size": 0, "on": False}, "p"
    )


def test_a_mandatory_attribute_must_be_given() -> None:
    image = rule(
        Attr("base", "label", doc="what it stands on", mandatory=True), Attr("x", "int", mandatory=True)
    )
    for given_, attribute, hint in [
        ({}, "name", "name: The target's name, unique in its package."),
        ({"name": "i"}, "base", "base: what it stands on"),
        ({"name": "i", "base": None}, "base", "base: what it stands on"),
        ({"name": "i", "base": "a"}, "x", "add x = ..."),
    ]:
        with pytest.raises(AttributeProblem) as caught:
            image.check(given_, "p")  # type: ignore[arg-type]
        assert caught.value.message == f"image needs the attribute '{attribute}'"
        assert caught.value.attribute == attribute
        assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("scrs", "did you mean 'srcs'?"),
        ("visibilty", "did you mean 'visibility'?"),
        ("zzz", "it has name, visibility, tags, srcs"),
    ],
)
def test_an_unknown_attribute_suggests_the_nearest_name(name: str, hint: str) -> None:
    with pytest.raises(AttributeProblem) as caught:
        rule(Attr("srcs", "sources")).check({"name": "x", name: 1}, "p")
    assert (caught.value.message, caught.value.attribute, caught.value.hint) == (
        f"image has no attribute '{name}'",
        name,
        hint,
    )


def test_a_rule_without_attributes_still_has_those_of_every_target() -> None:
    with pytest.raises(AttributeProblem) as caught:
        rule().check({"zzz": 1}, "p")
    assert caught.value.hint == "it has name, visibility, tags"


def test_every_target_has_a_name_a_visibility_and_tags() -> None:
    assert COMMON_ATTRS.keys() == {"name", "visibility", "tags"}
    assert rule().check({"name": "x", "visibility": ["//visibility:public"]}, "p")["visibility"] == (
        "//visibility:public",
    )
