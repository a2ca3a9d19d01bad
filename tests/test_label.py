from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lambdabuild.errors import Location, UserError
from lambdabuild.label import (
    EXTERNAL,
    Label,
    TargetPattern,
    name_problem,
    package_problem,
    parse_label,
    parse_pattern,
)

from .strategies import bad_paths, labels, names, packages, patterns

# --- labels ------------------------------------------------------------------


@given(labels, packages)
@example(Label("a/b", "b"), "c")
@example(Label("", "x"), "c")
def test_parsing_is_the_left_inverse_of_printing(label: Label, package: str) -> None:
    assert parse_label(str(label)) == label
    assert parse_label(str(label), package) == label


@given(labels)
def test_parsing_is_the_left_inverse_of_the_short_form(label: Label) -> None:
    assert parse_label(label.short) == label
    assert len(label.short) <= len(str(label))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True), packages)
@example("python", "p")
def test_external_images_are_labels_and_patterns_of_their_own(name: str, package: str) -> None:
    assume(name not in ("all", "auto"))
    label = Label(EXTERNAL, name)
    assert label.external
    assert str(label) == label.short == f"@{name}"
    assert parse_label(f"@{name}", package) == parse_label(f"@{name}") == label
    pattern = parse_pattern(f"@{name}", package)
    assert (pattern.label, pattern.wildcard, str(pattern)) == (label, False, f"@{name}")
    assert parse_pattern(f"-@{name}") == pattern._replace(negative=True)


@given(names, packages)
def test_relative_names_stand_in_their_package(name: str, package: str) -> None:
    assume(not name.startswith("//"))
    assert parse_label(f":{name}", package) == parse_label(name, package) == Label(package, name)


@given(labels)
def test_a_label_is_where_its_file_would_lie(label: Label) -> None:
    assert label.path == "/".join(filter(None, [label.package, label.name]))


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("//a/b:c", Label("a/b", "c")),
        ("//a/b", Label("a/b", "b")),
        ("//:a", Label("", "a")),
        (":a", Label("p", "a")),
        ("a", Label("p", "a")),
        ("a/b.py", Label("p", "a/b.py")),
        ("//a:b/c", Label("a", "b/c")),
    ],
)
def test_labels_are_read_as_people_write_them(text: str, label: Label) -> None:
    assert parse_label(text, "p") == label


BAD_LABELS = [
    ("", "the name is empty"),
    (":", "the name is empty"),
    ("//", "the name is empty"),
    ("//:", "the name is empty"),
    ("//a:", "the name is empty"),
    ("/a", "the name '/a' is absolute"),
    (":/a", "the name '/a' is absolute"),
    ("///a:b", "the package '/a' is absolute"),
    ("//a:/b", "the name '/b' is absolute"),
    ("..", "leaves its directory"),
    ("../a", "leaves its directory"),
    ("a/../b", "leaves its directory"),
    ("//a/..", "leaves its directory"),
    ("//../a:b", "leaves its directory"),
    (".", "has an empty or '.' part"),
    ("./a", "has an empty or '.' part"),
    ("a//b", "has an empty or '.' part"),
    ("a/", "has an empty or '.' part"),
    ("//a/:b", "has an empty or '.' part"),
    ("//a/", "has an empty or '.' part"),
    ("//a//b:c", "has an empty or '.' part"),
    ("a:b", "a character that labels cannot have"),
    ("::a", "a character that labels cannot have"),
    ("//a:b:c", "a character that labels cannot have"),
    ("a\\b", "a character that labels cannot have"),
    ("//a\\b", "a character that labels cannot have"),
    ("@", "an external image's name has"),
    ("@all", "'all' has a meaning of its own"),
    ("@-x", "an external image's name has"),
    ("@x:y", "an external image's name has"),
    (":@x", "a character that labels cannot have"),
    ("//@x:y", "a character that labels cannot have"),
    ("@x//a:b", "an external image's name has"),
    ("a\nb", "a control character or is not UTF-8"),
    ("//a\0:b", "a control character or is not UTF-8"),
    ("a\x1b[31m", "a control character or is not UTF-8"),
    ("\udcff.py", "a control character or is not UTF-8"),
    ("\u202egpj.exe", "a control character or is not UTF-8"),
    ("//a/...", "has a '...' part"),
    ("//...", "has a '...' part"),
    ("//a/.../b:c", "has a '...' part"),
]


@pytest.mark.parametrize(("text", "problem"), BAD_LABELS)
def test_what_is_no_label_is_refused_with_a_reason(text: str, problem: str) -> None:
    at = Location("p/BUILD", 3, 4)
    with pytest.raises(UserError) as caught:
        parse_label(text, "p", at=at)
    assert problem in caught.value.message
    assert repr(text) in caught.value.message
    assert "write //package:" in (caught.value.hint or "")
    assert caught.value.at == at


@given(bad_paths)
def test_no_bad_path_becomes_part_of_a_label(path: str) -> None:
    assert package_problem(path)
    assert name_problem(path)


@given(st.text(st.sampled_from([*"ab/:@.\\ *\n\0-", "é", "\ud800"]), max_size=8) | st.text(max_size=8))
def test_any_text_is_a_label_or_refused(text: str) -> None:
    try:
        label = parse_label(text, "p")
    except UserError:
        return
    assert parse_label(str(label)) == label
    assert package_problem(label.package) is None
    assert name_problem(label.name) is None


@pytest.mark.parametrize("text", [":a", "a", "", "/a"])
def test_a_relative_label_needs_a_package(text: str) -> None:
    with pytest.raises(UserError, match="is not an absolute label") as caught:
        parse_label(text)
    assert caught.value.hint == "write //package:name"


def test_labels_sort_by_package_and_then_by_name() -> None:
    assert sorted([Label("b", "a"), Label("a", "b"), Label("a", "a"), Label("", "z")]) == [
        Label("", "z"),
        Label("a", "a"),
        Label("a", "b"),
        Label("b", "a"),
    ]


# --- patterns ----------------------------------------------------------------


@given(patterns, packages)
@example(TargetPattern("", "*", True, True), "p")
@example(TargetPattern("", "all", True), "p")
def test_parsing_is_the_left_inverse_of_printing_a_pattern(pattern: TargetPattern, package: str) -> None:
    assert parse_pattern(str(pattern), package) == pattern


@given(labels)
def test_a_label_is_the_pattern_of_itself_alone(label: Label) -> None:
    assume(label.name not in ("all", "*"))
    pattern = parse_pattern(str(label))
    assert pattern == parse_pattern(label.short)
    assert pattern.label == label
    assert not pattern.wildcard


@given(patterns)
def test_a_minus_makes_the_same_pattern_negative(pattern: TargetPattern) -> None:
    positive = pattern._replace(negative=False)
    assert parse_pattern(f"-{positive}") == positive._replace(negative=True)


@given(patterns, packages)
def test_a_relative_pattern_is_the_absolute_one_seen_from_its_directory(
    pattern: TargetPattern, package: str
) -> None:
    absolute = str(pattern._replace(negative=False)).removeprefix("//")
    assume(absolute[0] not in "-:/@")
    relative = parse_pattern(absolute, package)
    assert relative.package == "/".join(filter(None, [package, pattern.package]))
    assert (relative.name, relative.recursive) == (pattern.name, pattern.recursive)


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("//...", TargetPattern("", "all", True)),
        ("//...:all", TargetPattern("", "all", True)),
        ("//...:*", TargetPattern("", "*", True)),
        ("//a/...", TargetPattern("a", "all", True)),
        ("//a:all", TargetPattern("a", "all")),
        ("//a:*", TargetPattern("a", "*")),
        ("//a/b", TargetPattern("a/b", "b")),
        ("//:x", TargetPattern("", "x")),
        ("...", TargetPattern("p/q", "all", True)),
        ("x/...", TargetPattern("p/q/x", "all", True)),
        (":x", TargetPattern("p/q", "x")),
        (":all", TargetPattern("p/q", "all")),
        ("x:y", TargetPattern("p/q/x", "y")),
        ("x", TargetPattern("p/q/x", "x")),
        ("-//a:b", TargetPattern("a", "b", False, True)),
        ("-...", TargetPattern("p/q", "all", True, True)),
        ("-:x", TargetPattern("p/q", "x", False, True)),
        ("-//...", TargetPattern("", "all", True, True)),
        ("./x:y", TargetPattern("p/q/x", "y")),
        ("./...", TargetPattern("p/q", "all", True)),
        ("-./:x", TargetPattern("p/q", "x", False, True)),
        ("//-a:-b", TargetPattern("-a", "-b")),
    ],
)
def test_patterns_are_read_as_people_write_them(text: str, pattern: TargetPattern) -> None:
    assert parse_pattern(text, "p/q") == pattern


BAD_PATTERNS = [
    ("", "an empty string is not a target pattern"),
    ("-", "an empty string is not a target pattern"),
    ("//", "the name is empty"),
    ("//a:", "the name is empty"),
    ("/a", "is absolute"),
    ("/abs/path/...", "is absolute"),
    ("///a", "is absolute"),
    ("../a", "leaves its directory"),
    ("//a/..:b", "leaves its directory"),
    ("//../...", "leaves its directory"),
    ("//a//...", "an empty or '.' part"),
    (".", "an empty or '.' part"),
    ("a/", "an empty or '.' part"),
    ("//a/...:x", "after '...' only ':all' and ':*' can follow"),
    ("...:x", "after '...' only ':all' and ':*' can follow"),
    ("//a:b:c", "a character that labels cannot have"),
    ("@", "an external image's name has"),
    ("@x:y", "an external image's name has"),
    ("-@all", "'all' has a meaning of its own"),
    ("@x/...", "an external image's name has"),
    ("//a\\b", "a character that labels cannot have"),
    ("a\n", "a control character"),
    ("//a\ud800/...", "a control character"),
    ("//.../a", "has a '...' part"),
    ("//.../a/...", "has a '...' part"),
    ("--//a", "an empty or '.' part"),
]


@pytest.mark.parametrize("package", ["", "p"])
@pytest.mark.parametrize(("text", "problem"), BAD_PATTERNS)
def test_what_is_no_pattern_is_refused_with_a_reason(text: str, problem: str, package: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_pattern(text, package)
    assert problem in caught.value.message
    assert "write //" in (caught.value.hint or "")


@given(
    st.lists(st.sampled_from([*"ab/:@.*-\n", "...", "é"]), max_size=8).map("".join) | st.text(max_size=8),
    packages,
)
def test_any_text_is_a_pattern_or_refused(text: str, package: str) -> None:
    try:
        pattern = parse_pattern(text, package)
    except UserError:
        return
    assert parse_pattern(str(pattern)) == pattern
