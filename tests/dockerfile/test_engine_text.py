"""The Dockerfile that an engine gets."""

from __future__ import annotations

import pytest

from lambdabuild.dockerfile import for_engine

BASE = {"BASE_IMAGE_URI": "lambdabuild/base:0"}


def changed(text: str, tags: dict[str, str] | None = None, target: str = "", **build_args: str) -> str:
    return for_engine(
        "D", text, build_args={**BASE, **build_args}, target=target, tags=tags or {}, platform="linux/arm64"
    )


def test_the_usual_syntax_line_is_blanked_and_nothing_else() -> None:
    text = "# syntax=docker/dockerfile:1\nARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI:-public.ecr.aws/x:1}\nRUN a\n"
    assert changed(text) == text.replace("# syntax=docker/dockerfile:1", "")


def test_a_directive_below_the_blanked_line_stays_one() -> None:
    text = "#syntax=docker/dockerfile:1\r\n# escape=`\r\nFROM a\r\n"
    assert changed(text) == "# escape=`\r\n\r\nFROM a\r\n"


def test_a_pinned_frontend_stays() -> None:
    text = f"# syntax=my/frontend@sha256:{'a' * 64}\nFROM a\n"
    assert changed(text) == text


def test_images_become_tags_and_lines_keep_their_numbers() -> None:
    text = (
        "ARG V=1\nFROM python:${V} \\\n  AS one\nFROM --platform=$BUILDPLATFORM two AS two\n"
        "COPY --from=uv:2 --chown=0:0 a b \\\n /x/\nCOPY --from=one uv:2 /\n"
        "RUN --mount=from=t,target=/t --mount=type=bind,source=from,from=uv:2,target=/from=uv:2 <<EOF\nFROM two\nEOF\n"
    )
    tags = {"python:1": "tag/python", "two": "tag/two", "uv:2": "tag/uv", "t": "tag/t"}
    assert changed(text, tags).split("\n") == [
        "ARG V=1",
        "",
        "FROM tag/python AS one",
        "FROM tag/two AS two",
        "",
        "COPY --from=tag/uv --chown=0:0 a b  /x/",
        "COPY --from=one uv:2 /",
        "RUN --mount=from=tag/t,target=/t --mount=type=bind,source=from,from=tag/uv,target=/from=uv:2 <<EOF",
        "FROM two",
        "EOF",
        "",
    ]


def test_a_stage_that_the_target_does_not_need_is_left_alone() -> None:
    text = "FROM a AS one\nFROM b AS two\n"
    assert changed(text, {"a": "t/a", "b": "t/b"}, "one") == "FROM t/a AS one\nFROM b AS two\n"


@pytest.mark.parametrize("name", ["one", "ONE"])
def test_a_stage_is_no_image_even_if_an_image_is_called_so(name: str) -> None:
    text = f"FROM a AS one\nFROM {name}\nCOPY --from={name} x /\n"
    assert changed(text, {"one": "t/1", "ONE": "t/2"}) == text
