from __future__ import annotations

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.oci.registry.challenges import Challenge, parse_challenges

tokens = st.text("abzAZ09!#$%&'*+.^_`|~-", min_size=1, max_size=6)
names = tokens.map(str.lower)
challenges = st.builds(
    Challenge, names, st.dictionaries(names, tokens | st.text('ab",=\\ \t;é', max_size=8), max_size=3)
)


def rendered(challenge: Challenge, space: str, draw_quotes: bool) -> str:
    parameters = []
    for name, value in challenge.parameters.items():
        plain = not draw_quotes and value and all(c.isascii() and (c.isalnum() or c in "._-") for c in value)
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        parameters.append(f"{name}{space}={space}" + (value if plain else f'"{escaped}"'))
    return " ".join(filter(None, [challenge.scheme, f"{space},{space}".join(parameters)]))


@given(st.lists(challenges, max_size=3), st.sampled_from(["", " ", "\t"]), st.booleans())
def test_challenges_parse_as_what_they_say(found: list[Challenge], space: str, quotes: bool) -> None:
    text = ", ".join(rendered(each, space, quotes) for each in found)
    assert parse_challenges(text) == tuple(found)


@given(st.text('Basicer tokn="\\, \t~/x', max_size=30) | st.text(max_size=10))
@example('Bearer realm="unfinished')
@example("Bearer realm=")
@example("\x00")
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert all(each.scheme for each in parse_challenges(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ()),
        ("Negotiate", (Challenge("negotiate"),)),
        ("Negotiate abc+/==, Basic", (Challenge("negotiate"), Challenge("basic"))),
        (
            (
                'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
                'scope="repository:a/b:pull,push",error="insufficient_scope"'
            ),
            (
                Challenge(
                    "bearer",
                    {
                        "realm": "https://auth.docker.io/token",
                        "service": "registry.docker.io",
                        "scope": "repository:a/b:pull,push",
                        "error": "insufficient_scope",
                    },
                ),
            ),
        ),
        (
            'Basic realm="a \\"b\\", c", Bearer x=1',
            (Challenge("basic", {"realm": 'a "b", c'}), Challenge("bearer", {"x": "1"})),
        ),
        # RFC 7235, 4.1
        (
            'Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"',
            (
                Challenge("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
                Challenge("basic", {"realm": "simple"}),
            ),
        ),
    ],
)
def test_challenges_of_the_wild(text: str, expected: tuple[Challenge, ...]) -> None:
    assert parse_challenges(text) == expected


@pytest.mark.parametrize(
    "text", ['Bearer realm="a', "Bearer realm=a b", '"x"', "Basic a b c", "=", 'x y="1"z']
)
def test_malformed_challenges_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="malformed at character"):
        parse_challenges(text)
