"""Dockerfile -> BuildPlan: stages, variables, images, layers, secrets."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from lambdabuild.dockerfile import ArgumentProblem, BuildPlan, ImageUse, parse
from lambdabuild.dockerfile import plan as make_plan
from lambdabuild.errors import UserError


def plan(
    text: str,
    *,
    build_args: Mapping[str, str] | None = None,
    target: str = "",
    base: bool = False,
    platform: str = "linux/amd64",
) -> BuildPlan:
    parsed = parse("app/Dockerfile", text)
    return make_plan(parsed, build_args=build_args or {}, target=target, base=base, platform=platform)


def sources(text: str, **arguments: object) -> list[tuple[str, ...]]:
    return [copy.sources for copy in plan(text, **arguments).copies]  # type: ignore[arg-type]


def refused(text: str, **arguments: object) -> tuple[str, str]:
    with pytest.raises(UserError) as caught:
        plan(text, **arguments)  # type: ignore[arg-type]
    assert caught.value.hint
    return str(caught.value.at), caught.value.message


USUAL = (
    "# syntax=docker/dockerfile:1\nARG BASE_IMAGE_URI\n"
    "FROM ${BASE_IMAGE_URI:-public.ecr.aws/lambda/python:3.12}\n"
    "RUN dnf install -y zip\nWORKDIR /x\nCOPY app/ ./\nENV A=1\nCMD x\n"
)


def test_the_base_wins_over_the_default() -> None:
    made = plan(USUAL, base=True)
    assert (made.root, made.images, made.uses_base) == ("base", (), True)


def test_without_a_base_the_default_is_an_image_like_any_other() -> None:
    made = plan(USUAL)
    name = "public.ecr.aws/lambda/python:3.12"
    assert (made.root, made.images, made.uses_base) == (name, (ImageUse(name, 3),), False)


def test_layers_are_counted_from_what_can_make_one() -> None:
    assert plan(USUAL).max_layers == 3
    chain = (
        "FROM a AS one\nRUN x\nFROM one AS two\nCOPY y /\nFROM b AS other\nRUN z\n"
        "FROM two\nCOPY --from=other q /\n"
    )
    assert plan(chain).max_layers == 3  # one, two and the last; not the other, which is only copied from


def test_stages_that_the_target_does_not_need_are_not_looked_at() -> None:
    text = "FROM a AS one\nCOPY x /\nFROM $NONE-b AS two\nRUN --mount=type=secret,id=s y\nFROM one AS Three\n"
    made = plan(text, target="three")
    assert [use.reference for use in made.images] == ["a"]
    assert (made.secrets, [copy.line for copy in made.copies]) == ((), [2])


def test_all_that_needed_stages_name_is_found_once_and_in_order() -> None:
    text = (
        "FROM a AS one\nRUN --mount=from=tool:1,target=/t x\nFROM b\nCOPY --from=ONE /x /\n"
        "COPY --from=uv:2 /y /\nCOPY --from=uv:2 /z /\n"
    )
    assert [(use.reference, use.line) for use in plan(text).images] == [
        ("a", 1),
        ("tool:1", 2),
        ("b", 3),
        ("uv:2", 5),
    ]


def test_copy_from_a_number_names_a_stage() -> None:
    assert [use.reference for use in plan("FROM a\nFROM b\nFROM c\nCOPY --from=1 /x /\n").images] == [
        "b",
        "c",
    ]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("$X", "x"),
        ("${X}", "x"),
        ("${X:-d}", "x"),
        ("${N:-d}", "d"),
        ("${E:-d}", "d"),
        ("${E-d}", ""),
        ("${N-d}", "d"),
        ("${X:+y}", "y"),
        ("${N:+y}", ""),
        ("${E+y}", "y"),
        ("${E:+y}", ""),
        ("${X:?no}", "x"),
        ("${N:-${X}${E:-e}}", "xe"),
        ("${N:-'a}b'}", "a}b"),
        ("'$X'", "$X"),
        ('"$X y"', "x y"),
        ("\\$X", "$X"),
        ('"\\$X\\a"', "$X\\a"),
        ("$X$X-", "xx-"),
        ("$Xy", ""),
        ("a$", "a$"),
        ("a\\", "a"),
    ],
)
def test_variables_mean_what_they_mean_to_buildkit(written: str, value: str) -> None:
    from lambdabuild.dockerfile.shell import expand

    assert expand(written, {"X": "x", "E": ""}.get) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ARG D=a\nFROM s\nARG D\nCOPY $D /\n", "a"),
        ("ARG D=a\nFROM s\nARG D=b\nCOPY $D /\n", "b"),
        ("FROM s AS one\nARG D=a\nFROM one\nCOPY $D /\n", "a"),
        ("FROM s\nENV D=a\nARG D=b\nCOPY $D /\n", "a"),
        ("FROM s\nENV A=x D=$A\nENV E=${D:-e}\nCOPY y$E /\n", None),
        ("FROM scratch\nENV A=x D=$A\nCOPY y$D /\n", "y"),
        ("FROM s\nENV D a\nCOPY $D /\n", "a"),
        ("FROM s\nARG TARGETARCH\nCOPY bin-$TARGETARCH /\n", "bin-arm64"),
        ("FROM s\nARG D\nCOPY x$D /\n", "x"),
        ('FROM s\nCOPY "a" ["b"] /\n', "a"),
        ("FROM s\nCOPY /a//b/../c/ /\n", "a/c"),
        ("FROM s\nCOPY a/../b/./c /\n", "b/c"),
        ("FROM s\nCOPY . /\n", ""),
        ("FROM s\nRUN --mount=source=a*,target=/m x\n", "a\\*"),
        ("FROM s\nRUN --mount=type=bind,target=/m x\n", ""),
        ("FROM s\nADD --checksum=sha256:1 https://x/y a /\n", "a"),
    ],
)
def test_sources_are_what_is_left_after_substitution(text: str, found: str | None) -> None:
    if found is None:
        assert "$A is set by no ARG or ENV" not in refused(text)[1]
        assert "is set by no ARG or ENV here" in refused(text)[1]
    else:
        assert sources(text, platform="linux/arm64")[0][0] == found


def test_a_build_argument_wins_over_every_default() -> None:
    text = "ARG TAG=1\nARG FULL=a:$TAG\nFROM $FULL\nARG D=x\nCOPY $D /\n"
    made = plan(text, build_args={"TAG": "2", "D": "y"})
    assert (made.root, made.copies[0].sources) == ("a:2", ("y",))


def test_heredocs_and_stages_are_no_sources_of_the_context() -> None:
    text = "FROM a AS b\nFROM b\nCOPY <<EOF x /d/\nq\nEOF\nCOPY <<EOF /d/\nEOF\nCOPY --from=b y /\n"
    assert sources(text) == [("x",)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("ARG X\nFROM ${X}\n", ":2", "FROM ${X} names no image: nothing gives it a value"),
        ("ARG BASE_IMAGE_URI\nFROM $BASE_IMAGE_URI\n", ":2", "FROM $BASE_IMAGE_URI names no image: nothing gives it a value"),
        ("FROM ${X:?say-it}\n", ":1", "X is not set: say-it"),
        ("FROM ${X#a}\n", ":1", "${X#…} is more than can be told without running the build"),
        ("FROM 'a\n", ":1", "\"'a\" has ' that does not end"),
        ("FROM --platform=linux/s390x a\n", ":1", "FROM asks for linux/s390x, and the target is built for linux/amd64"),
        ("FROM a\nCOPY --from=$X a /\n", ":2", "'$X' has a variable, and what is copied from must be known by name"),
        ("FROM a\nCOPY --from=7 a /\n", ":2", "there is no stage 7"),
        ("FROM a\nCOPY --parents a /\n", ":2", "which files COPY --parents takes cannot be told before the build"),
        ("FROM a\nCOPY --exclude=x a /\n", ":2", "which files COPY --exclude takes cannot be told before the build"),
        ("FROM a\nCOPY $HOME/x /\n", ":2", "$HOME is set by no ARG or ENV here, and what the image below sets is not known"),
        ("FROM a\nADD https://x/y /\n", ":2", "ADD takes https://x/y, which may be something else tomorrow"),
        ("FROM a\nADD git@x:y.git /\n", ":2", "ADD takes git@x:y.git, which may be something else tomorrow"),
        ("FROM a\nADD https://x/y.git#main /\n", ":2", "ADD takes https://x/y.git#main, which may be something else tomorrow"),
        ("FROM a\nRUN --mount=type=bid x\n", ":2", "there is no mount of type 'bid'"),
        ("FROM a\nRUN --mount=type=ssh x\n", ":2", "keys of an SSH agent are not handed to builds"),
        ("FROM a\nRUN --mount=type=secret x\n", ":2", "a secret is mounted without its id"),
        ("FROM a\nCOPY ../x /\n", ":2", "'../x' leads out of the context, where BuildKit finds nothing"),
        ("FROM a\nCOPY /a/../../x /\n", ":2", "'/a/../../x' leads out of the context, where BuildKit finds nothing"),
        ("FROM a\nENV X\n", ":2", "ENV X has no value"),
        ("FROM a\nENV X=1 Y\n", ":2", "ENV cannot take 'Y'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_an_error_at_its_line(text: str, line: str, message: str) -> None:
    assert refused(text) == (f"app/Dockerfile{line}", message)


def test_stages_that_need_themselves_are_a_cycle() -> None:
    text = "FROM a AS one\nCOPY --from=two /x /\nFROM a AS two\nCOPY --from=one /y /\n"
    assert refused(text)[1] == "dependency cycle: two -> one -> two"


@pytest.mark.parametrize(
    ("arguments", "attribute", "message"),
    [
        ({"build_args": {"VERSON": "1"}}, "build_args", "build_args gives 'VERSON', which no ARG of app/Dockerfile takes"),
        ({"build_args": {"TARGETARCH": "x"}}, "build_args", "build_args gives TARGETARCH, which the platform says"),
        ({"build_args": {"BASE_IMAGE_URI": "x"}, "base": True}, "build_args", "build_args gives BASE_IMAGE_URI, and so does base"),
        ({"target": "buidl"}, "target", "app/Dockerfile has no stage 'buidl'"),
    ],
)  # fmt: skip
def test_what_is_asked_and_does_not_fit_is_an_error_of_who_asks(
    arguments: dict[str, object], attribute: str, message: str
) -> None:
    text = "ARG BASE_IMAGE_URI=x\nFROM $BASE_IMAGE_URI AS build\nARG VERSION\nARG TARGETARCH\n"
    with pytest.raises(ArgumentProblem) as caught:
        plan(text, **arguments)  # type: ignore[arg-type]
    assert (caught.value.attribute, caught.value.message, caught.value.at) == (attribute, message, None)


def test_secrets_are_found_with_their_lines() -> None:
    text = (
        "FROM a\nRUN --mount=type=secret,id=one --mount=type=secret,target=/run/two x\n"
        "RUN --mount=type=secret,id=one y\n"
    )
    assert plan(text).secret_lines == {"one": 2, "two": 2}


def test_a_stage_named_twice_is_the_last_one_for_copies() -> None:
    text = "FROM a AS x\nFROM b AS x\nFROM c\nCOPY --from=x /y /\n"
    assert [use.reference for use in plan(text).images] == ["b", "c"]
