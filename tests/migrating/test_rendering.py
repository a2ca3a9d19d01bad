"""What is rendered evaluates to what was given, whatever strings it has."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.migrating.rendering import Draft, Files, Glob, build_text, target_text
from tests.starlark.evaluating import Evaluator

_CAUGHT = """
def rule(**given):
    call("give", given)

def glob(include, exclude = []):
    return [["glob"] + include + ["but"] + exclude]
"""

strings = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
names = st.lists(strings, max_size=3).map(tuple)
values: st.SearchStrategy[Any] = st.one_of(
    strings,
    st.booleans(),
    names,
    st.dictionaries(strings, strings | names.filter(bool), max_size=3),
    st.builds(Glob, names, names),
    st.builds(Files, st.lists(st.builds(Glob, names, names), max_size=2).map(tuple), names),
)


def evaluated(text: str) -> list[dict[str, Any]]:
    """Returns the arguments of each call of rule() in a BUILD file."""
    evaluator = Evaluator({})
    evaluator.evaluate("x.bzl", f"{_CAUGHT}\n{text}")
    return evaluator.given


def plain(value: Any) -> Any:
    """Returns what a value is once it is evaluated, lists sorted."""
    if isinstance(value, Glob):
        return [["glob", *_sorted(value.include), "but", *_sorted(value.exclude)]]
    if isinstance(value, Files):
        return [*(item for each in value.globs for item in plain(each)), *_sorted(value.names)]
    if isinstance(value, tuple):
        return _sorted(value)
    if isinstance(value, dict):
        return {key: item if isinstance(item, str) else sorted(item) for key, item in value.items()}
    return value


def _sorted(items: tuple[str, ...]) -> list[str]:
    """As buildifier sorts: files, :targets, //labels, @images."""
    ranks = [[], [], [], []]  # type: list[list[str]]
    for item in sorted(items):
        rank = 3 if item[:1] == "@" else 2 if item[:2] == "//" else 1 if item[:1] == ":" else 0
        ranks[rank].append(item)
    return [item for rank in ranks for item in rank]


@given(strings, values)
@example("a", '"\\\n\x00\x7f\u2028\u202e')
@example("a", "\U0001f40d'")
@example("a", {"x.py": ("b", "a"), "y\n": ""})
@example("a", Glob(("**",), ()))
def test_rendered_values_evaluate_to_the_same_values(name: str, value: Any) -> None:
    (given_,) = evaluated(target_text(Draft("p", name, "rule", {"value": value})))
    expected = {"name": name, "value": plain(value)}
    if value in ("", (), {}, Files()) and not isinstance(value, bool):
        del expected["value"]
    assert given_ == expected


@given(values)
def test_no_line_of_a_build_file_has_what_does_not_print(value: Any) -> None:
    text = target_text(Draft("p", "n", "rule", {"value": value}))
    assert all(ord(c) >= 32 and not 0x7F <= ord(c) < 0xA0 for line in text.split("\n") for c in line)


def test_the_form_is_buildifiers() -> None:
    draft = Draft(
        "infra/x",
        "image",
        "lambda_image",
        {
            "handler": "handler.main",
            "srcs": Files((Glob(("**",), ("b", "a")),), ("//z:z", ":files", "b.py", "a.py")),
            "base": "@python",
            "packages": (),
            "env": {"B": "2", "A": "1"},
        },
        ("Why it is so.",),
    )
    assert build_text((draft, Draft("infra/x", "other", "files", {"srcs": ("a.py",)}))) == (
        "# Why it is so.\n"
        "lambda_image(\n"
        '    name = "image",\n'
        '    base = "@python",\n'
        "    srcs = glob(\n"
        '        ["**"],\n'
        "        exclude = [\n"
        '            "a",\n'
        '            "b",\n'
        "        ],\n"
        "    ) + [\n"
        '        "a.py",\n'
        '        "b.py",\n'
        '        ":files",\n'
        '        "//z:z",\n'
        "    ],\n"
        "    env = {\n"
        '        "A": "1",\n'
        '        "B": "2",\n'
        "    },\n"
        '    handler = "handler.main",\n'
        ")\n"
        "\n"
        "files(\n"
        '    name = "other",\n'
        '    srcs = ["a.py"],\n'
        ")\n"
    )
