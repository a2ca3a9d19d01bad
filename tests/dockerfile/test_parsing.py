"""Text -> instructions: as BuildKit reads it, or an error at its line."""

from __future__ import annotations

import pytest

from lambdabuild.dockerfile import Instruction, parse
from lambdabuild.dockerfile.lines import MAX_BYTES
from lambdabuild.errors import UserError


def instructions(text: str) -> tuple[Instruction, ...]:
    return parse("app/Dockerfile", text).instructions


def refused(text: str) -> tuple[str, str, str | None]:
    with pytest.raises(UserError) as caught:
        parse("app/Dockerfile", text)
    return str(caught.value.at), caught.value.message, caught.value.hint


def test_an_instruction_has_its_lines_flags_and_words() -> None:
    _, copy = instructions('from a AS b\ncopy --from=x --chown=1:2 \\\n  # why\n\n  p/*.py \\\n  "q" ./\n')
    assert (copy.name, copy.start, copy.end, copy.json) == ("COPY", 2, 6, False)
    assert copy.flags == {"from": ["x"], "chown": ["1:2"]}
    assert copy.words == ("p/*.py", '"q"', "./")


def test_a_json_array_is_words_with_blanks() -> None:
    (_, copy) = instructions('FROM a\nCOPY ["a b", "c"]\n')
    assert (copy.words, copy.json) == (("a b", "c"), True)


def test_what_only_looks_like_an_array_is_words() -> None:
    (_, copy) = instructions("FROM a\nCOPY [a] b\n")
    assert (copy.words, copy.json) == (("[a]", "b"), False)


def test_the_bodies_of_heredocs_are_no_instructions() -> None:
    text = (
        "FROM a\nRUN <<EOF cat && \\\n  sh <<-'TWO'\nFROM x\nEOF\n\tFOO bar \\\n\tTWO\n"
        "COPY <<A <<B /d/\nA\nCOPY none\nB\nUSER x\n"
    )
    found = parse("D", text)
    assert [(each.name, each.start, each.end) for each in found.instructions] == [
        ("FROM", 1, 1),
        ("RUN", 2, 3),
        ("COPY", 8, 8),
        ("USER", 12, 12),
    ]
    assert found.heredocs


@pytest.mark.parametrize("line", ["RUN cat <<< x", 'RUN echo "<<EOF"', "RUN echo $((1 << 2))", "ENV A=<<EOF"])
def test_what_only_looks_like_a_heredoc_is_none(line: str) -> None:
    found = parse("D", f"FROM a\n{line}\nUSER x\n")
    assert not found.heredocs
    assert [each.name for each in found.instructions[2:]] == ["USER"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("RUN a \\\nb", "a b"),
        ("RUN a\\ \t\r\n b\r\n", "a b"),
        ("RUN a \\\n\n\n  b", "a   b"),
        ("RUN a \\\n  # no\n  b", "a   b"),
        ("RUN a \\\\\nUSER x", "a \\\\"),  # the first takes the meaning from the second
        ("RUN a \\", "a"),
        ("RUN a \\\n", "a"),
        ("RUN \\\n a", "a"),
        ("  \tRUN   a  ", "a"),
    ],
)
def test_lines_are_joined_as_buildkit_joins_them(text: str, value: str) -> None:
    assert instructions(f"FROM a\n{text}")[1].value == value


def test_another_escape_leaves_backslashes_alone() -> None:
    found = parse(
        "D", "# syntax=docker/dockerfile:1\n# check=skip=all\n# escape=`\nFROM a\nRUN dir c:\\\nRUN a `\n b\n"
    )
    assert [each.value for each in found.instructions] == ["a", "dir c:\\", "a  b"]
    assert (found.escape, found.syntax) == ("`", "docker/dockerfile:1")


def test_a_directive_after_anything_else_is_a_comment() -> None:
    found = parse("D", "# hello\n# syntax=evil/frontend\n# escape=!\nFROM a\n")
    assert (found.escape, found.syntax) == ("\\", "")


@pytest.mark.parametrize(
    "syntax",
    [
        "docker/dockerfile:1",
        "docker/dockerfile:1.7",
        "docker.io/docker/dockerfile:1.7.1",
        f"x@sha256:{'a' * 64}",
    ],
)
def test_the_usual_frontend_and_pinned_ones_are_taken(syntax: str) -> None:
    assert parse("D", f"#syntax={syntax}\nFROM a").syntax == syntax


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("FROM a\nCOPPY a b\n", ":2", "there is no instruction COPPY", "did you mean 'COPY'?"),
        ("FROM a\nCOPY --form=x a b\n", ":2", "COPY has no flag --form", "did you mean 'from'?"),
        ("FROM a\nCOPY --from=x --from=y a b\n", ":2", "COPY has --from twice", "drop one of them"),
        (
            "FROM a\n\nCOPY a\n",
            ":3",
            "COPY takes at least a source and a destination",
            "write COPY source destination",
        ),
        (
            "FROM a as\n",
            ":1",
            "FROM takes an image, and a name after AS",
            "write FROM image, or FROM image AS stage",
        ),
        ("FROM a\nUSER", ":2", "USER has nothing after it", "say what it is for, or drop it"),
        ("FROM a\nRUN\nUSER x", ":2", "RUN has nothing after it", "say what it is for, or drop it"),
        ("RUN a\nFROM a\n", ":1", "RUN stands before the first FROM, and only ARG can", "move it below FROM"),
        ("# nothing\n", "", "there is no FROM, so nothing is built", "add FROM image"),
        ("ARG A\n", "", "there is no FROM, so nothing is built", "add FROM image"),
        (
            "FROM a\nONBUILD RUN b\n",
            ":2",
            "ONBUILD would put steps into images that stand on this one, where nobody declares them",
            "write the steps into the Dockerfiles that need them",
        ),
        (
            "FROM a\nRUN <<EOF\nx\n",
            ":2",
            "the heredoc <<EOF does not end",
            "add a line that holds EOF alone",
        ),
        (
            "#escape=!\nFROM a\n",
            ":1",
            "the escape directive is '!', and only \\ and ` can be",
            "write # escape=` or drop the line",
        ),
        (
            "#escape=`\n#escape=`\nFROM a\n",
            ":2",
            "there are two 'escape' directives",
            "drop one of them",
        ),
        (
            "# syntax=docker/dockerfile:2\nFROM a\n",
            ":1",
            "the frontend docker/dockerfile:2 is not pinned, and the file may mean something else tomorrow",
            "write # syntax=docker/dockerfile:1, or pin it: # syntax=NAME@sha256:…",
        ),
    ],
)
def test_what_cannot_be_understood_is_an_error_at_its_line(
    text: str, line: str, message: str, hint: str
) -> None:
    assert refused(text) == (f"app/Dockerfile{line}", message, hint)


def test_a_file_of_more_than_a_mebibyte_is_refused() -> None:
    assert refused("#" * (MAX_BYTES + 1))[1] == "the file is larger than 1 MiB, and no Dockerfile is"
    assert instructions("FROM a\n#" + "x" * (MAX_BYTES - 8))
