"""Dockerfile -> BuildPlan: what building one of its stages takes, and what can be told to be wrong before."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from lambdabuild.dockerfile.model import BASE, SCRATCH, BuildPlan, Copy, Dockerfile, ImageUse, Instruction
from lambdabuild.dockerfile.mounts import mounts_of
from lambdabuild.dockerfile.shell import HERE, expand
from lambdabuild.dockerfile.stages import ArgumentProblem, Stage, Stages, find_stages, placed
from lambdabuild.dockerfile.variables import BASE_ARG, PROXIES, StageVariables
from lambdabuild.errors import UserError, did_you_mean

_LAYERS = ("RUN", "COPY", "ADD", "WORKDIR")
_GIT = re.compile(r"git@|git://|ssh://|https?://[^#]*\.git(?:#|$)")
_URL = re.compile(r"https?://|ftp://")


def plan(
    dockerfile: Dockerfile, *, build_args: Mapping[str, str], target: str, base: bool, platform: str
) -> BuildPlan:
    """Returns what the stage `target` ("" for the last) takes; raises UserError at the line that is wrong.

    base: whether the target has a base, which BASE_IMAGE_URI names then.
    """
    stages = find_stages(dockerfile, build_args, base, platform)
    goal = stages.target(target)
    needed = stages.needed(goal)
    reader = _Reader(stages)
    for stage in needed:
        reader.read(stage)
    _check_arguments(stages, build_args, base, needed)
    root, chain = _chain(stages, goal)
    return BuildPlan(
        path=dockerfile.path,
        root=root,
        images=tuple(ImageUse(reference, line) for reference, line in _images(stages, needed).items()),
        max_layers=sum(each.name in _LAYERS for stage in chain for each in stage.rest),
        copies=tuple(reader.copies),
        secret_lines=reader.secrets,
        uses_base=any(stage.below == BASE for stage in needed),
    )


def _chain(stages: Stages, goal: Stage) -> tuple[str, list[Stage]]:
    """Returns what `goal` stands on in the end, and the stages from it down to there."""
    chain = [goal]
    while isinstance(below := chain[-1].below, int):
        chain.append(stages.every[below])
    return below, chain


def _images(stages: Stages, needed: list[Stage]) -> dict[str, int]:
    """Returns reference -> line of the images other than the base that `needed` names."""
    found: dict[str, int] = {}
    for stage in needed:
        if isinstance(stage.below, str) and stage.below not in (BASE, SCRATCH):
            found.setdefault(stage.below, stage.first.start)
        for instruction, _, source in stages.sources(stage):
            if isinstance(source, str):
                found.setdefault(source, instruction.start)
    return found


def _check_arguments(stages: Stages, build_args: Mapping[str, str], base: bool, needed: list[Stage]) -> None:
    """Raises UserError for a build argument that nothing takes."""
    path = stages.dockerfile.path
    declared = set(stages.declared)
    for stage in stages.every:
        for each in stage.rest:
            if each.name == "ARG":
                declared.update(word.partition("=")[0] for word in each.words)
    for name in build_args:
        if name in stages.globals.platform:
            raise ArgumentProblem(
                f"build_args gives {name}, which the platform says",
                "build_args",
                hint="drop it; platforms = [...] says what the target is built for",
            )
        if name == BASE_ARG and base:
            raise ArgumentProblem(
                f"build_args gives {BASE_ARG}, and so does base", "build_args", hint="drop one of the two"
            )
        if name not in declared and name not in PROXIES:
            raise ArgumentProblem(
                f"build_args gives {name[:80]!r}, which no ARG of {path} takes",
                "build_args",
                hint=did_you_mean(name, declared) or f"add ARG {name[:80]} to it, or drop the argument",
            )


class _Reader:
    """Reads needed stages in order; notes what they take."""

    def __init__(self, stages: Stages) -> None:
        self.copies: list[Copy] = []
        self.secrets: dict[str, int] = {}
        self._stages = stages
        self._escape = stages.dockerfile.escape
        self._variables: dict[int, StageVariables] = {}

    def read(self, stage: Stage) -> None:
        if isinstance(stage.below, int):
            variables = self._variables[stage.below].child()
        else:
            variables = StageVariables(whole=stage.below == SCRATCH)
        self._variables[stage.index] = variables
        for each in stage.rest:
            with placed(self._stages.dockerfile.path, each):
                self._instruction(each, variables)

    def _instruction(self, each: Instruction, variables: StageVariables) -> None:
        if each.name == "ARG":
            for _ in variables.declare(each, self._stages.globals, self._escape):
                pass
        elif each.name == "ENV":
            variables.set(each, self._escape)
        elif each.name == "RUN":
            self._run(each, variables)
        elif each.name in ("COPY", "ADD"):
            self._copy(each, variables)

    def _run(self, each: Instruction, variables: StageVariables) -> None:
        for mount in mounts_of(each):
            if mount.secret:
                self.secrets.setdefault(expand(mount.secret, variables.lookup, self._escape), each.start)
            if mount.source is not None:
                source = _cleaned(expand(mount.source, variables.lookup, self._escape))
                # What is mounted is named, never matched.
                literal = re.sub(r"([\\*?\[])", r"\\\1", source)
                self.copies.append(Copy("RUN --mount", (literal,), "", each.start))

    def _copy(self, each: Instruction, variables: StageVariables) -> None:
        for flag in ("parents", "exclude"):
            if flag in each.flags:
                raise UserError(
                    f"which files {each.name} --{flag} takes cannot be told before the build",
                    hint=f"drop --{flag}: the context has only what srcs names",
                )
        if "from" in each.flags:
            return
        sources = tuple(self._sources(each, variables))
        if sources:
            self.copies.append(Copy(each.name, sources, each.words[-1], each.start))

    def _sources(self, each: Instruction, variables: StageVariables) -> Iterator[str]:
        for word in each.words[:-1]:
            if HERE.fullmatch(word) and not each.json:
                continue
            source = expand(word, variables.lookup, self._escape)
            if each.name == "ADD" and (_GIT.match(source) or _URL.match(source)):
                _check_remote(source, each)
            else:
                yield _cleaned(source)


def _check_remote(source: str, each: Instruction) -> None:
    if "checksum" not in each.flags:
        git = _GIT.match(source)
        raise UserError(
            f"ADD takes {source[:120]}, which may be something else tomorrow",
            hint="name a commit with --checksum, or check the repository out beside the Dockerfile"
            if git
            else "say what it is: ADD --checksum=sha256:… URL, or keep the file in the workspace",
        )


def _cleaned(source: str) -> str:
    """Returns a path of the context, from its root, with which it may begin; raises UserError."""
    found = posixpath.normpath(source.lstrip("/") or ".")
    if found == ".." or found.startswith("../"):
        raise UserError(
            f"{source[:120]!r} leads out of the context, where BuildKit finds nothing",
            hint="write the path from the workspace's root, and declare it in srcs",
        )
    return "" if found == "." else found
