"""Values of a TOML file are of the type that is asked for, and what is wrong has a line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import Location, UserError
from lambdabuild.toml_file import TomlFile

TEXT = """\
# a = 1
top = ["one", 'two', "two"]
"quoted key" = "v"

[ table . "in-ner" ]
key = [
    "first",  # key = "no"
    'second "third"',
]
inline = { deep = "value" }
dotted.name = "first"

[[rows]]
key = "row"
"""


def parsed(text: str) -> TomlFile:
    return TomlFile.parse("lib/x.toml", text.encode(), hint="see the manual")


@pytest.mark.parametrize(
    ("keys", "value", "line", "column"),
    [
        (("top",), "", 2, 1),
        (("top",), "two", 2, 15),
        (("quoted key",), "", 3, 1),
        (("table",), "", 5, 3),
        (("table", "in-ner"), "", 5, 11),
        (("table", "in-ner", "key"), "", 6, 1),
        (("table", "in-ner", "key"), "first", 7, 5),
        (("table", "in-ner", "key"), 'second "third"', 8, 5),
        (("table", "in-ner", "key"), "not there", 6, 1),
        (("table", "in-ner", "inline", "deep"), "", 10, 1),
        (("table", "in-ner", "inline", "deep"), "value", 10, 19),
        (("table", "in-ner", "dotted", "name"), "", 11, 8),
        (("table", "in-ner", "dotted", "name"), "first", 11, 15),
        (("table", "in-ner", "missing"), "", 5, 11),
        (("rows",), "", 13, 3),
        (("absent", "key"), "", 1, 0),
    ],
)
def test_places_are_of_the_nearest_thing_that_is_found(
    keys: tuple[str, ...], value: str, line: int, column: int
) -> None:
    assert parsed(TEXT).place(*keys, value=value) == Location("lib/x.toml", line, column)


def test_values_are_found_by_their_keys_and_none_where_there_is_nothing() -> None:
    file = parsed(TEXT)
    assert file.get(str, "quoted key") == "v"
    assert file.get(str, "table", "in-ner", "dotted", "name") == "first"
    assert file.get(dict, "table", "in-ner", "inline") == {"deep": "value"}
    assert file.get(str, "absent", "key") is None
    assert file.strings("top") == ("one", "two", "two")
    assert file.strings("table", "absent") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n[a]\nb = 1", "a.b must be an array"),
        ("\n[a]\nb = ['x', 1]", "a.b must be an array of strings"),
        ("\n\na = 'x'", "a must be a table"),
        ("\n\n[[a]]", "a must be a table"),
    ],
)
def test_a_value_of_another_type_is_refused_with_its_line_and_the_hint(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parsed(text).strings("a", "b")
    assert (caught.value.message, caught.value.hint) == (message, "see the manual")
    assert caught.value.at is not None
    assert caught.value.at.line == 3


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        (b"a = 1\nb = '\xff'", "not UTF-8", 2),
        (b"a = 1\nb = ", "not TOML: invalid value", 2),
        (b"a = " + b"[" * 5000, "nested too deeply", 1),
        (b"a = " + b"9" * 5000, "a number too long", 1),
    ],
)
def test_what_is_not_toml_is_refused_with_its_line_and_a_hint(data: bytes, message: str, line: int) -> None:
    with pytest.raises(UserError, match=message) as caught:
        TomlFile.parse("lib/x.toml", data, hint="see the manual")
    assert caught.value.at is not None
    assert (caught.value.at.path, caught.value.at.line) == ("lib/x.toml", line)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("path", "below"),
    [("README.md", "README.md"), ("./docs//a.md", "docs/a.md"), ("a/../b", "b"), ("..a", "..a"), ("./", ".")],
)
def test_paths_below_the_directory_are_without_dots(path: str, below: str) -> None:
    assert parsed(TEXT).below(path, "top") == below


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "../a", "a/../../b", "//a", "a\\b", "a\0", "a\nb", ""])
def test_paths_that_are_not_below_the_directory_are_refused(path: str) -> None:
    with pytest.raises(UserError, match=r"is not below the directory of x\.toml") as caught:
        parsed(TEXT).below(path, "top")
    assert caught.value.at == Location("lib/x.toml", 2, 1)
    assert caught.value.message.isprintable()


_keys = st.lists(st.text("ab-_ .é", min_size=1, max_size=4), min_size=1, max_size=4, unique=True)


@given(_keys, st.data())
def test_a_string_is_found_on_its_own_line(keys: list[str], data: st.DataObject) -> None:
    below = data.draw(st.integers(0, len(keys) - 1))
    header = ".".join(f'"{key}"' for key in keys[:below])
    dotted = ".".join(f"'{key}'" for key in keys[below:])
    text = (f"[{header}]\n" if header else "\n") + f"other = 'x'\n{dotted} = [\n 'a',\n 'x',\n]\n"
    if keys[below] != "other":
        assert parsed(text).place(*keys, value="x").line == 5
        assert parsed(text).place(*keys).line == 3


@given(st.text(st.sampled_from("ab.\"'[]=\n\t #{},1\\") | st.characters(), max_size=40), _keys)
def test_any_text_is_refused_or_has_places_within_it(text: str, keys: list[str]) -> None:
    data = text.encode(errors="surrogatepass")
    assert 1 <= place_or_refusal(data, keys).line <= data.count(b"\n") + 1


def place_or_refusal(data: bytes, keys: list[str]) -> Location:
    try:
        return TomlFile.parse("x", data, hint="h").place(*keys, value="a")
    except UserError as error:
        refusal = error
    assert refusal.at is not None
    return refusal.at
