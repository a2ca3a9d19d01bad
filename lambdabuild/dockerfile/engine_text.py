"""The Dockerfile that an engine gets: the user's, with what would reach out replaced by what is here.

Every line keeps its number, so that an engine's errors lead to the right place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from lambdabuild.dockerfile.lines import head_length, split_lines
from lambdabuild.dockerfile.model import Dockerfile, Instruction
from lambdabuild.dockerfile.parsing import is_our_frontend, parse
from lambdabuild.dockerfile.stages import Stages, find_stages

_SYNTAX = re.compile(r"\s*#\s*syntax\s*=", re.IGNORECASE)


def for_engine(
    path: str,
    text: str,
    *,
    build_args: Mapping[str, str],
    target: str,
    tags: Mapping[str, str],
    platform: str,
) -> str:
    """Returns the text with its `# syntax=docker/dockerfile:1` line blanked and images replaced by `tags`.

    build_args: with BASE_IMAGE_URI, if there is a base.
    tags: reference, as it stands after substitution, -> what the engine knows the image by.
    platform: that of the target; FROM --platform, which can only name it, is dropped.
    """
    dockerfile = parse(path, text)
    stages = find_stages(dockerfile, build_args, False, platform)
    needed = {stage.index for stage in stages.needed(stages.target(target))}
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    lines = split_lines(text)
    _blank_syntax(dockerfile, lines)
    for stage in stages.every:
        reference = stage.below if stage.index in needed and isinstance(stage.below, str) else ""
        _change_from(stage.first, tags.get(reference, ""), lines)
        if stage.index in needed:
            _change_sources(stages, stage.index, tags, lines)
    return mark + "\n".join(lines)


def _blank_syntax(dockerfile: Dockerfile, lines: list[str]) -> None:
    """Takes the line away; a directive below moves up, since after an empty line it would be a comment."""
    if not is_our_frontend(dockerfile.syntax):
        return
    head = head_length(lines)
    number = next(number for number in range(head) if _SYNTAX.match(lines[number]))
    blank = "\r" if lines[number].endswith("\r") else ""
    lines[number:head] = [*lines[number + 1 : head], blank]


def _change_from(first: Instruction, tag: str, lines: list[str]) -> None:
    if not tag and "platform" not in first.flags:
        return
    words = [tag or first.words[0], *first.words[1:]]
    _replace(first, " ".join(["FROM", *words]), lines)


def _change_sources(stages: Stages, index: int, tags: Mapping[str, str], lines: list[str]) -> None:
    changed: dict[int, tuple[Instruction, str]] = {}
    for instruction, written, source in stages.sources(stages.every[index]):
        if isinstance(source, str) and source in tags:
            _, value = changed.get(instruction.start, (instruction, instruction.value))
            changed[instruction.start] = (instruction, _with_source(value, written, tags[source]))
    for instruction, value in changed.values():
        _replace(instruction, f"{instruction.name} {value}", lines)


def _with_source(value: str, written: str, tag: str) -> str:
    """Returns what follows an instruction's name, with one `from` of flags or mounts replaced."""
    pattern = rf"((?<![^\s,=\"-])(?i:from)=\"?){re.escape(written)}(?=[\s,\"]|$)"
    head, key, rest = re.split(pattern, value, maxsplit=1)
    return head + key + tag + rest


def _replace(instruction: Instruction, line: str, lines: list[str]) -> None:
    """Puts `line` in the place of an instruction: on its last line, since a heredoc may follow."""
    end = "\r" if lines[instruction.end - 1].endswith("\r") else ""
    for number in range(instruction.start - 1, instruction.end - 1):
        lines[number] = end
    lines[instruction.end - 1] = line + end
