"""The files of a context against COPY and ADD."""

from __future__ import annotations

import fnmatch
import re
from itertools import product

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.dockerfile import BuildPlan, Copy, MissingSource, check_context
from lambdabuild.dockerfile.go_match import BadPattern, matches
from lambdabuild.errors import Location, UserError

CONTEXT = ("app/a.py", "app/b.txt", "app/sub/c.py", "lib/x.py", "top.py")


def plan(*sources: str) -> BuildPlan:
    return BuildPlan("app/Dockerfile", "base", copies=(Copy("COPY", sources, "/", 7),))


@pytest.mark.parametrize(
    ("source", "taken"),
    [
        ("top.py", {"top.py"}),
        ("app", {"app/a.py", "app/b.txt", "app/sub/c.py"}),
        ("app/sub", {"app/sub/c.py"}),
        ("", set(CONTEXT)),
        ("*.py", {"top.py"}),  # a star does not match a slash
        ("*/*.py", {"app/a.py", "lib/x.py"}),
        ("a*", {"app/a.py", "app/b.txt", "app/sub/c.py"}),  # a directory that matches is taken whole
        ("app/[ab].*", {"app/a.py", "app/b.txt"}),
        ("app/[^a].*", {"app/b.txt"}),
        ("**/c.py", set()),
        ("**/a.py", {"app/a.py"}),
        ("app/?.py", {"app/a.py"}),
        ("to\\p.py", {"top.py"}),
        ("app/absent", set()),
        ("ap", set()),
    ],
)
def test_what_no_source_takes_is_told(source: str, taken: set[str]) -> None:
    if taken:
        assert check_context(plan(source), CONTEXT) == tuple(sorted(set(CONTEXT) - taken))
    else:
        with pytest.raises(MissingSource) as caught:
            check_context(plan("top.py", source), CONTEXT)
        assert caught.value.source == source
        assert caught.value.at == Location("app/Dockerfile", 7)
        assert caught.value.message == f"COPY takes {source!r}, which no declared source provides"


def test_all_of_an_empty_context_is_missing() -> None:
    with pytest.raises(MissingSource):
        check_context(plan(""), ())
    assert check_context(plan(), ()) == ()


def test_a_pattern_may_match_nothing_where_nothing_is_and_another_source_is_there() -> None:
    assert check_context(plan("top.py", "poetry.lock*"), CONTEXT, lambda pattern: False) == CONTEXT[:-1]
    for sources, exists in [
        (("top.py", "absent*"), True),
        (("absent*",), False),
        (("top.py", "absent"), False),
    ]:
        with pytest.raises(MissingSource):
            check_context(plan(*sources), CONTEXT, lambda pattern, exists=exists: exists)  # type: ignore[misc]


@pytest.mark.parametrize("pattern", ["[", "[]", "[a", "a[^", "[a-", "[a-]", "[-a]", "*\\", "[\\"])
def test_a_pattern_that_go_refuses_is_an_error_at_its_line(pattern: str) -> None:
    with pytest.raises(UserError) as caught:
        check_context(plan(pattern), CONTEXT)
    assert caught.value.at == Location("app/Dockerfile", 7)
    assert "is no pattern" in caught.value.message


NAMES = ["".join(letters) for count in (1, 2, 3) for letters in product("ab/", repeat=count)]
NAMES = [name for name in NAMES if not name.startswith("/") and not name.endswith("/") and "//" not in name]
CONTEXTS = st.sets(st.sampled_from([name for name in NAMES if len(name) == 3]), min_size=1)


def brute(pattern: str, path: str) -> bool:
    """Tells whether a pattern of stars, question marks and letters matches, one character at a time."""
    if not pattern:
        return not path
    if pattern[0] == "*":
        return brute(pattern[1:], path) or (path[:1] not in ("", "/") and brute(pattern, path[1:]))
    return (
        bool(path)
        and (pattern[0] == path[0] or (pattern[0] == "?" and path[0] != "/"))
        and brute(pattern[1:], path[1:])
    )


@given(st.text("ab/*?", min_size=1, max_size=5), st.sampled_from(NAMES))
def test_patterns_match_as_a_matcher_of_single_characters_does(pattern: str, path: str) -> None:
    assert matches(pattern, path) == brute(pattern, path)


@given(st.text("ab/*?", min_size=1, max_size=4).filter(lambda text: "*" in text or "?" in text), CONTEXTS)
@example("a*", {"a/b"})
def test_what_is_taken_is_what_lies_at_or_below_a_match(pattern: str, context: set[str]) -> None:
    def taken(path: str) -> bool:
        parts = path.split("/")
        return any(brute(pattern, "/".join(parts[: count + 1])) for count in range(len(parts)))

    if any(map(taken, context)):
        unused = check_context(plan(pattern), context)
        assert unused == tuple(sorted(path for path in context if not taken(path)))
    else:
        with pytest.raises(MissingSource):
            check_context(plan(pattern), context)


@given(st.text("ab-]^[", min_size=0, max_size=5), st.sampled_from("ab-]^["))
def test_classes_are_those_of_shells_but_for_their_sign_of_negation(inside: str, char: str) -> None:
    try:
        found = matches(f"[{inside}]", char)
    except BadPattern:
        return
    if re.fullmatch(r"\^?[ab]+(-[ab])?", inside):
        assert found == fnmatch.fnmatchcase(char, f"[{inside.replace('^', '!')}]")


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_pattern_matches_or_is_refused(pattern: str, path: str) -> None:
    try:
        matches(pattern, path)
    except BadPattern:
        assert "[" in pattern or "\\" in pattern
