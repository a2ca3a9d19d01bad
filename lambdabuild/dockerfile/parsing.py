"""Text -> Dockerfile. dockerfile-parse finds the instructions; flags and words are told apart here."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping

from lambdabuild.dockerfile.lines import END, Lines, prepare, split_lines
from lambdabuild.dockerfile.model import Dockerfile, Instruction
from lambdabuild.dockerfile.shell import raw_words
from lambdabuild.errors import Location, UserError, did_you_mean

_FLAGS: Mapping[str, tuple[str, ...]] = {
    "ADD": ("chown", "chmod", "link", "keep-git-dir", "checksum", "exclude", "unpack"),
    "ARG": (),
    "CMD": (),
    "COPY": ("from", "chown", "chmod", "link", "parents", "exclude"),
    "ENTRYPOINT": (),
    "ENV": (),
    "EXPOSE": (),
    "FROM": ("platform",),
    "HEALTHCHECK": ("interval", "timeout", "start-period", "start-interval", "retries"),
    "LABEL": (),
    "MAINTAINER": (),
    "ONBUILD": (),
    "RUN": ("mount", "network", "security", "device"),
    "SHELL": (),
    "STOPSIGNAL": (),
    "USER": (),
    "VOLUME": (),
    "WORKDIR": (),
}
_REPEATABLE = ("mount", "exclude", "device")
_FLAG = re.compile(r"--([A-Za-z][A-Za-z0-9-]*)(?:=(.*))?", re.DOTALL)
_JSON = ("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME")
_QUOTED = ("ARG", "ENV", "LABEL")
_FRONTEND = re.compile(r"(?:docker\.io/)?docker/dockerfile:1(?:\.\d+){0,2}", re.ASCII)


def parse(path: str, text: str) -> Dockerfile:
    """Returns what the Dockerfile at `path` says; raises UserError at the line that cannot be understood."""
    lines = prepare(path, text)
    _check_frontend(path, lines)
    found = [_instruction(path, lines, each) for each in _structure(path, lines)]
    _check_complete(path, text, lines, found)
    _check_order(path, found)
    return Dockerfile(path, tuple(found), lines.heredocs, lines.syntax, lines.escape)


def is_our_frontend(syntax: str) -> bool:
    """Tells whether the frontend is the one whose language is read here, in whatever 1.x release."""
    return bool(_FRONTEND.fullmatch(syntax))


def _structure(path: str, lines: Lines) -> list[Mapping[str, object]]:
    from dockerfile_parse import DockerfileParser  # only for those who have a Dockerfile

    try:
        data = lines.text.encode()
    except UnicodeEncodeError:
        raise UserError("the file is not UTF-8", at=Location(path)) from None
    parser = DockerfileParser(fileobj=io.BytesIO(data), env_replace=False)
    return [each for each in parser.structure if each["instruction"] != "COMMENT"]


def _check_frontend(path: str, lines: Lines) -> None:
    if lines.syntax and not is_our_frontend(lines.syntax) and "@sha256:" not in lines.syntax:
        raise UserError(
            f"the frontend {lines.syntax[:80]} is not pinned, and the file may mean something else tomorrow",
            at=Location(path, lines.syntax_line),
            hint="write # syntax=docker/dockerfile:1, or pin it: # syntax=NAME@sha256:…",
        )


def _instruction(path: str, lines: Lines, found: Mapping[str, object]) -> Instruction:
    name, value = str(found["instruction"]), str(found["value"]).removesuffix(END).strip()
    start, end = int(str(found["startline"])) + 1, int(str(found["endline"])) + 1
    at = Location(path, start)
    known = _FLAGS.get(name)
    if known is None:
        raise UserError(
            f"there is no instruction {name[:40]}",
            at=at,
            hint=did_you_mean(name, _FLAGS) or f"there are {', '.join(_FLAGS)}",
        )
    flags, rest = _split_flags(name, value, lines.escape, known, at)
    array = _json_array(rest) if name in _JSON else None
    if array is not None:
        words = array
    else:
        words = tuple(raw_words(rest, lines.escape)) if name in _QUOTED else tuple(rest.split())
    made = Instruction(name, value, flags, words, start, end, array is not None)
    _check_words(made, at)
    return made


def _split_flags(
    name: str, value: str, escape: str, known: tuple[str, ...], at: Location
) -> tuple[dict[str, list[str]], str]:
    """Returns the flags and what follows them."""
    flags: dict[str, list[str]] = {}
    while known and value.startswith("--"):
        word = next(raw_words(value, escape))
        rest = value[len(word) :].lstrip()
        if word == "--":
            return flags, rest
        match = _FLAG.fullmatch(word)
        flag = match[1] if match else word
        if match is None or flag not in known:
            raise UserError(
                f"{name} has no flag --{flag.removeprefix('--')[:40]}",
                at=at,
                hint=did_you_mean(flag, known) or f"it has {', '.join('--' + each for each in known)}",
            )
        if flag in flags and flag not in _REPEATABLE:
            raise UserError(f"{name} has --{flag} twice", at=at, hint="drop one of them")
        flags.setdefault(flag, []).append("true" if match[2] is None else match[2])
        value = rest
    return flags, value


def _json_array(text: str) -> tuple[str, ...] | None:
    """Returns the members of a JSON array of strings; None for anything else, which is no error."""
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return tuple(value) if all(isinstance(item, str) for item in value) else None


def _check_words(made: Instruction, at: Location) -> None:
    """Raises UserError for an instruction that has too little, or what cannot be in it."""
    words = made.words
    if made.name == "FROM" and len(words) != 1 and not (len(words) == 3 and words[1].upper() == "AS"):
        raise UserError(
            "FROM takes an image, and a name after AS", at=at, hint="write FROM image, or FROM image AS stage"
        )
    if made.name in ("COPY", "ADD") and len(words) < 2:
        raise UserError(
            f"{made.name} takes at least a source and a destination",
            at=at,
            hint=f"write {made.name} source destination",
        )
    if made.name == "ONBUILD":
        raise UserError(
            "ONBUILD would put steps into images that stand on this one, where nobody declares them",
            at=at,
            hint="write the steps into the Dockerfiles that need them",
        )
    if not words and made.name not in ("CMD", "ENTRYPOINT", "VOLUME", "SHELL"):
        raise UserError(f"{made.name} has nothing after it", at=at, hint="say what it is for, or drop it")


def _check_complete(path: str, text: str, lines: Lines, found: list[Instruction]) -> None:
    """Raises UserError for a line that the library saw no instruction in."""
    seen = {each.start for each in found}
    for number in lines.starts:
        if number not in seen:
            word = split_lines(text)[number - 1].split()[0]
            raise UserError(
                f"{word[:40]} has nothing after it",
                at=Location(path, number),
                hint="say what it is for, or drop it",
            )


def _check_order(path: str, found: list[Instruction]) -> None:
    first = next((each for each in found if each.name != "ARG"), None)
    if first is None:
        raise UserError("there is no FROM, so nothing is built", at=Location(path), hint="add FROM image")
    if first.name != "FROM":
        raise UserError(
            f"{first.name} stands before the first FROM, and only ARG can",
            at=Location(path, first.start),
            hint="move it below FROM",
        )
