"""What a Dockerfile says, as values: its instructions, and what building one of its stages takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction.

    name:   in upper case, e.g. "COPY".
    value:  what follows the name, with lines joined, flags included.
    flags:  name -> values, in order: {"mount": ["type=secret,id=pip"]}.
    words:  what follows the flags: the members of a JSON array, or words as written, quotes included.
    start, end: its lines, counted from 1; the bodies of heredocs come after them.
    json:   whether it was written as a JSON array.
    """

    name: str
    value: str
    flags: Mapping[str, list[str]]
    words: tuple[str, ...]
    start: int
    end: int
    json: bool = False


@dataclass(frozen=True, slots=True)
class Dockerfile:
    r"""A Dockerfile whose syntax is right.

    syntax: the frontend that its first line names, e.g. "docker/dockerfile:1"; "" for none.
    escape: what continues lines and takes the meaning from characters: \ or `.
    """

    path: str
    instructions: tuple[Instruction, ...]
    heredocs: bool = False
    syntax: str = ""
    escape: str = "\\"


@dataclass(frozen=True, slots=True)
class Copy:
    """What one COPY or ADD takes from the context.

    command:     how users know it: "COPY", "ADD" or "RUN --mount".
    sources:     paths and patterns relative to the context, cleaned; "" is all of it.
    destination: as written.
    """

    command: str
    sources: tuple[str, ...]
    destination: str
    line: int


@dataclass(frozen=True, slots=True)
class ImageUse:
    """An image that a needed stage names, as it stands after substitution, and where first."""

    reference: str
    line: int


BASE = "base"
SCRATCH = "scratch"


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What building one stage of a Dockerfile takes.

    path:       of the Dockerfile.
    root:       what the stage stands on: BASE, SCRATCH, or a reference that `images` has.
    images:     the images other than the base that needed stages name, in order, each once.
    max_layers: how many layers the stage can at most add to its root.
    copies:     what needed stages take from the context.
    secret_lines: ids that RUN --mount=type=secret names, in order, and the line where each is first.
    uses_base:  whether a needed stage stands on BASE_IMAGE_URI or copies from it.
    """

    path: str
    root: str
    images: tuple[ImageUse, ...] = ()
    max_layers: int = 0
    copies: tuple[Copy, ...] = ()
    secret_lines: Mapping[str, int] = field(default_factory=dict)
    uses_base: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(self.secret_lines)
