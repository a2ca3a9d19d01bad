"""The stages of a Dockerfile: what each stands on, and which of them a target needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from lambdabuild.dockerfile.model import BASE, SCRATCH, Dockerfile, Instruction
from lambdabuild.dockerfile.mounts import mounts_of
from lambdabuild.dockerfile.shell import expand
from lambdabuild.dockerfile.variables import BASE_ARG, Globals, platform_arguments
from lambdabuild.errors import CycleError, Location, UserError, did_you_mean

# Stands for the base in values: no image can be called so.
MARKER = "BASE IMAGE"


class ArgumentProblem(UserError):
    """What is asked of a Dockerfile does not fit it: the caller knows where that is written.

    attribute: "build_args" or "target".
    """

    def __init__(self, message: str, attribute: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.attribute = attribute


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and what follows it.

    name:    in lower case, "" for none.
    below:   the index of the stage that it stands on, or BASE, SCRATCH, or a reference.
    """

    index: int
    name: str
    below: int | str
    first: Instruction
    rest: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Stages:
    """All stages, in order, and the variables that FROM saw."""

    dockerfile: Dockerfile
    every: tuple[Stage, ...]
    globals: Globals
    declared: frozenset[str]

    def named(self, name: str) -> Stage | None:
        """Returns the last stage of that name."""
        return _last_named(self.every, name)

    def target(self, name: str) -> Stage:
        """Returns the stage that is to be built; raises UserError where there is none."""
        if not name:
            return self.every[-1]
        stage = self.named(name)
        if stage is None:
            names = [each.name for each in self.every if each.name]
            raise ArgumentProblem(
                f"{self.dockerfile.path} has no stage {name!r}",
                "target",
                hint=did_you_mean(name.lower(), names)
                or (f"it has {', '.join(names)}" if names else "name one: FROM image AS stage"),
            )
        return stage

    def source(self, text: str, *, indexes: bool) -> Stage | str:
        """Returns the stage that a `from` names, or the reference of an image that it is.

        indexes: whether a number names a stage.
        """
        if indexes and text.isascii() and text.isdecimal():
            index = int(text[:6])
            if index >= len(self.every):
                raise UserError(f"there is no stage {text[:20]}", hint="name the stage: FROM image AS stage")
            return self.every[index]
        return self.named(text) or text

    def needed(self, target: Stage) -> list[Stage]:
        """Returns the stages that `target` needs, itself among them, in the order of the file.

        Raises CycleError for stages that need themselves.
        """
        done: set[int] = set()
        path: list[int] = []
        todo: list[tuple[int, bool]] = [(target.index, False)]
        while todo:
            index, left = todo.pop()
            if left:
                done.add(path.pop())
            elif index in path:
                names = [self.every[i].name or str(i) for i in path[path.index(index) :]]
                raise CycleError(
                    tuple(names), at=Location(self.dockerfile.path, self.every[index].first.start)
                )
            elif index not in done:
                path.append(index)
                todo.append((index, True))
                todo += [(each, False) for each in self._edges(self.every[index])]
        return [self.every[index] for index in sorted(done)]

    def _edges(self, stage: Stage) -> Iterator[int]:
        if isinstance(stage.below, int):
            yield stage.below
        for _, _, source in self.sources(stage):
            if isinstance(source, Stage):
                yield source.index

    def sources(self, stage: Stage) -> Iterator[tuple[Instruction, str, Stage | str]]:
        """Yields what a stage copies from or mounts: instruction, as written, and what that is."""
        for each in stage.rest:
            with placed(self.dockerfile.path, each):
                for text, indexes in _sources_of(each):
                    if "$" in text:
                        raise UserError(
                            f"{text[:80]!r} has a variable, and what is copied from must be known by name",
                            hint=f"add a stage FROM {text[:80]} AS name, and copy from that",
                        )
                    yield each, text, self.source(text, indexes=indexes)


def _last_named(stages: Sequence[Stage], name: str) -> Stage | None:
    return next((each for each in reversed(stages) if each.name and each.name == name.lower()), None)


def _sources_of(instruction: Instruction) -> Iterator[tuple[str, bool]]:
    if instruction.name == "COPY":
        yield from ((text, True) for text in instruction.flags.get("from", ()))
    for mount in mounts_of(instruction):
        if mount.source_image:
            yield mount.source_image, False


@contextmanager
def placed(path: str, instruction: Instruction) -> Iterator[None]:
    """Gives errors of the block the line of `instruction`, if they have no place."""
    try:
        yield
    except UserError as error:
        raise error.located(Location(path, instruction.start)) from None


def find_stages(dockerfile: Dockerfile, build_args: Mapping[str, str], base: bool, platform: str) -> Stages:
    """Returns the stages; raises UserError for a FROM that cannot be understood.

    base: whether BASE_IMAGE_URI has a value, which wins over build_args and default.
    """
    given = {**build_args, BASE_ARG: MARKER} if base else build_args
    arguments = platform_arguments(platform)
    known = Globals(given, arguments, dict(arguments))
    every: list[Stage] = []
    declared: set[str] = set()
    groups = _groups(dockerfile.instructions)
    for each in groups[0]:
        with placed(dockerfile.path, each):
            declared.update(known.declare(each, dockerfile.escape))
    for index, group in enumerate(groups[1:]):
        with placed(dockerfile.path, group[0]):
            every.append(_stage(index, group, every, known, dockerfile.escape, platform))
    return Stages(dockerfile, tuple(every), known, frozenset(declared))


def _groups(instructions: Sequence[Instruction]) -> list[list[Instruction]]:
    """Returns the instructions before the first FROM, and those of each stage."""
    groups: list[list[Instruction]] = [[]]
    for each in instructions:
        if each.name == "FROM":
            groups.append([])
        groups[-1].append(each)
    return groups


def _stage(
    index: int,
    group: Sequence[Instruction],
    before: Sequence[Stage],
    known: Globals,
    escape: str,
    platform: str,
) -> Stage:
    first = group[0]
    _check_platform(first, known, escape, platform)
    written = first.words[0]
    image = expand(written, known.values.get, escape)
    if not image:
        raise UserError(
            f"FROM {written[:80]} names no image: nothing gives it a value",
            hint='give the target a base: base = "//bases:…"'
            if BASE_ARG in written
            else f"give the variable a default, or say it in build_args: FROM {written[:80]}",
        )
    name = first.words[2].lower() if len(first.words) == 3 else ""
    earlier = _last_named(before, image)
    below: int | str = image
    if earlier is not None:
        below = earlier.index
    elif image == MARKER:
        below = BASE
    elif MARKER in image:
        raise UserError(f"{BASE_ARG} is only a part of what FROM names", hint=f"write FROM ${{{BASE_ARG}}}")
    elif image == "scratch":
        below = SCRATCH
    return Stage(index, name, below, first, tuple(group[1:]))


def _check_platform(first: Instruction, known: Globals, escape: str, platform: str) -> None:
    for text in first.flags.get("platform", ()):
        wanted = expand(text, known.values.get, escape)
        if wanted and wanted != platform:
            raise UserError(
                f"FROM asks for {wanted[:40]}, and the target is built for {platform}",
                hint="drop --platform, and say platforms = [...] on the target",
            )
