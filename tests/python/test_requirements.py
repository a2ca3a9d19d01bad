"""The normal form of a requirement: one for each meaning, and its own normal form."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.python.platforms import Combination, marker_environment
from lambdabuild.python.requirements import (
    applies,
    extras_in_marker,
    extras_of,
    normalised,
    parse_requirement,
)

_spaces = st.sampled_from(["", " ", "  "])
_names = st.sampled_from(["a", "Foo.Bar", "foo_bar", "x--y", "Z9", "receipt-dynamo"])
_clauses = st.sampled_from([">=1.0", "<2", "!=1.5.*", "~=1.2", "==1.0+local", ">= 1!2.0rc1"])
_markers = st.sampled_from(
    [
        "python_version<'3.13'",
        "extra=='X_y'",
        '"win32" != sys_platform',
        "(os_name == 'nt' or extra == 'z') and python_version in '3.12 3.13'",
        "platform_system == 'Linux'",
    ]
)
requirement_texts: st.SearchStrategy[str] = st.builds(
    lambda name, extras, clauses, marker, space: (
        name
        + space
        + (f"[{f'{space},{space}'.join(extras)}]" if extras else "")
        + f"{space},".join(clauses)
        + (f"{space};{space}{marker}" if marker else "")
    ),
    _names,
    st.lists(_names, max_size=3),
    st.lists(_clauses, max_size=3),
    st.none() | _markers,
    _spaces,
)


@given(requirement_texts)
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(requirement_texts)
def test_the_normal_form_means_the_same(text: str) -> None:
    one, other = parse_requirement(text), parse_requirement(normalised(text))
    assert other.name == normalised(one.name)
    assert (other.specifier, extras_of(other)) == (one.specifier, extras_of(one))
    assert str(other.marker) == str(one.marker)


@given(_names, st.lists(_names), st.lists(_clauses), _spaces)
def test_order_case_and_spaces_do_not_matter(
    name: str, extras: list[str], clauses: list[str], space: str
) -> None:
    def text(extras: list[str], clauses: list[str], space: str) -> str:
        return f"{name}{space}[{','.join(extras)}]{space}{f',{space}'.join(clauses)}"

    shouted = [extra.upper().replace("-", "_") for extra in reversed(extras)]
    assert normalised(text(extras, clauses, "")) == normalised(text(shouted, clauses[::-1], space))


@given(st.text(max_size=30) | st.builds("{}{}".format, requirement_texts, st.text(max_size=5)))
@example("a; os_name == 'x\"y'")
@example("a; os_name == 'x\ny'")
@example("a; os_name == 'x\x7f'")
@example("a; os_name == 'x\ud800'")
@example("a; " + "(" * 9999)
@example("a; " + "(" * 45 + "os_name == 'a'" + ")" * 45)
@example("a==" + "9" * 9999)
@example("a" * 9999 + "!")
def test_any_text_has_a_normal_form_or_a_user_error(text: str) -> None:
    try:
        form = normalised(text)
    except UserError as error:
        message = error.message
    else:
        assert normalised(form) == form
        assert form.isprintable()
        return
    assert message.isprintable()


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Boto3 [CRT] >= 1.34 , <2", "boto3[crt]<2,>=1.34"),
        ("a (>=1)", "a>=1"),
        ("a;python_version>='3'", 'a; python_version >= "3"'),
    ],
)
def test_the_form_is_this(text: str, form: str) -> None:
    assert normalised(text) == form


@pytest.mark.parametrize(
    "text",
    ["", "a b", "a[", "a[b c]", "a>=", "a>>1", "a; nope == '1'", "a; python_version", "-a", "a @ ./b", "a\0"],
)
def test_malformed_requirements_markers_and_extras_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="requirement"):
        normalised(text)


def test_a_direct_reference_is_refused() -> None:
    with pytest.raises(UserError, match="names a place to download from") as caught:
        normalised("A @ https://example.org/a-1-py3-none-any.whl")
    assert caught.value.hint


@pytest.mark.parametrize("marker", ["os_name ~= 'posix'", "'x' in extras", "python_version ~= 'abc'"])
def test_a_marker_without_a_value_is_refused(marker: str) -> None:
    environment = marker_environment(Combination.of("3.12", "glibc 2.34", "linux/arm64"))
    with pytest.raises(UserError, match="has no value"):
        applies(parse_requirement(f"a; {marker}"), environment)


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("platform_machine == 'aarch64'", True),
        ("python_full_version < '3.12.1'", True),
        ("sys_platform == 'darwin' and platform_release >= '20.0'", False),
        ("extra == 'Some_Extra'", True),
        ("extra == 'other'", False),
    ],
)
def test_markers_are_evaluated_for_the_combination(marker: str, expected: bool) -> None:
    environment = marker_environment(Combination.of("3.12", "glibc 2.34", "linux/arm64"), "some-extra")
    assert applies(parse_requirement(f"a; {marker}"), environment) is expected


def test_the_extras_of_a_marker_are_found_on_either_side() -> None:
    form = normalised("a; (extra == 'X_y' or 'z' == extra) and sys_platform == 'extra' and extra != 'no'")
    assert extras_in_marker(form) == {"x-y", "z"}
    assert extras_in_marker("a[b]>=1") == set()
