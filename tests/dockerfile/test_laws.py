"""Laws of reading Dockerfiles, for any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.dockerfile import for_engine, parse, plan
from lambdabuild.dockerfile.shell import expand
from lambdabuild.errors import UserError

WORD = st.text("abz./-_0", min_size=1, max_size=6).filter(lambda word: not word.startswith("-"))
BETWEEN = st.sampled_from(["", "# a comment\n", "\n", "  \n# FROM x\n"])
CONTINUED = st.sampled_from([" ", " \\\n", "\t\\ \n  ", " \\\n# between\n", " \\\n\n \t"])


@dataclass(frozen=True)
class Written:
    """An instruction as it is written, and what it is."""

    name: str
    words: tuple[str, ...]
    text: str
    body: str


@st.composite
def written(draw: st.DrawFn) -> Written:
    name = draw(st.sampled_from(["RUN", "COPY", "ADD", "WORKDIR", "USER", "LABEL"]))
    words = draw(st.lists(WORD, min_size=2, max_size=4))
    if name == "LABEL":
        words = [f"{word}=x" for word in words]
    heredoc = name in ("RUN", "COPY", "ADD") and draw(st.booleans())
    if heredoc:
        words[0] = "<<END"
    text = words[0]
    for word in words[1:]:
        text += draw(CONTINUED) + word
    shown = draw(st.sampled_from([name, name.lower(), name.capitalize()]))
    body = draw(st.sampled_from(["", "FROM y\n", "x \\\n", "# a\n\n<<END\n"])) + "END\n" if heredoc else ""
    return Written(name, tuple(words), f"{shown} {text}\n", body)


Found: TypeAlias = list[tuple[str, tuple[str, ...], int, int]]
"""Name, words, first and last line of instructions."""


@st.composite
def dockerfiles(draw: st.DrawFn) -> tuple[str, Found]:
    """Returns a Dockerfile, and its instructions."""
    text = "FROM base\n"
    found: Found = [("FROM", ("base",), 1, 1)]
    for each in draw(st.lists(written(), max_size=6)):
        text += draw(BETWEEN)
        start = text.count("\n") + 1
        text += each.text
        found.append((each.name, each.words, start, text.count("\n")))
        text += each.body
    return text, found


@given(dockerfiles())
def test_what_is_written_is_what_is_parsed(
    drawn: tuple[str, Found],
) -> None:
    text, expected = drawn
    found = [(each.name, each.words, each.start, each.end) for each in parse("D", text).instructions]
    assert found == expected


PIECES = st.sampled_from(
    ["FROM", "a", "AS", "b", "\\", "\n", " ", "$", "{", "}", "X", ":-", "'", '"', "COPY", "--from=", "RUN", "#",
     "<<E", "E", "[", "]", ",", "=", "ARG", "ENV", "--mount=", "type=secret,id=", "escape=`", "`", "syntax=", "\t",
     "ADD", "\r", "ONBUILD", "\x00", "é", "\ue000", "\u2028", "\x85", "FROM a\n", "ARG X=1\n", "ENV Y $X\n"]
)  # fmt: skip


@given(st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join)), st.booleans())
@example("FROM a\nCOPY --from= x /\n", False)
@example("FROM a\nENV", False)
def test_any_text_is_understood_or_refused(text: str, base: bool) -> None:
    try:
        made = plan(parse("D", text), build_args={}, target="", base=base, platform="linux/amd64")
    except UserError as error:
        assert error.at  # noqa: PT017 - nothing else is raised
    else:
        assert made.max_layers >= 0


@given(dockerfiles(), st.booleans())
def test_an_engine_gets_every_line_but_those_that_name_images(drawn: tuple[str, Found], syntax: bool) -> None:
    text = ("# syntax=docker/dockerfile:1\n" if syntax else "") + drawn[0]
    made = for_engine("D", text, build_args={}, target="", tags={"base": "tag:1"}, platform="linux/amd64")
    before, after = text.split("\n"), made.split("\n")
    assert len(before) == len(after)
    changed = [number for number, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
    assert changed == ([0, 1] if syntax else [0])
    assert after[changed[-1]] == "FROM tag:1"


@dataclass(frozen=True)
class Use:
    """A piece of a word: text, or a variable with what follows its name."""

    text: str
    operator: str = ""
    word: str = ""

    def written(self) -> str:
        return f"${{{self.text}{self.operator}{self.word}}}" if self.text.isupper() else self.text

    def value(self, variables: dict[str, str]) -> str:
        if not self.text.isupper():
            return self.text
        value = variables.get(self.text)
        given = value is not None and (value != "" or ":" not in self.operator)
        if "+" in self.operator:
            return self.word if given else ""
        return value or "" if given or not self.operator else self.word


USES = st.one_of(
    st.builds(Use, st.text("ab/. ", min_size=1)),
    st.builds(
        Use, st.sampled_from("XYZ"), st.sampled_from([":-", "-", ":+", "+"]), st.text("cd/", max_size=3)
    ),
    st.builds(Use, st.sampled_from("XYZ")),
)


@given(st.lists(USES), st.dictionaries(st.sampled_from("XYZ"), st.text("pq", max_size=2)))
def test_variables_are_replaced_as_the_rules_say(uses: list[Use], variables: dict[str, str]) -> None:
    written = "".join(use.written() for use in uses)
    assert expand(written, variables.get) == "".join(use.value(variables) for use in uses)
    assert expand(f"'{written}'", variables.get) == written
