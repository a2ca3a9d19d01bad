"""What ARG and ENV set while a Dockerfile is read from top to bottom.

What an image brings along (its ENV) is not known here: a variable that nothing
in the Dockerfile sets may be in the base. Who needs its value gets an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from lambdabuild.dockerfile.model import Instruction
from lambdabuild.dockerfile.shell import expand
from lambdabuild.errors import UserError

BASE_ARG = "BASE_IMAGE_URI"

# What BuildKit lets a build argument set although no ARG names it.
PROXIES = tuple(
    name for lower in ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")
    for name in (lower, lower.upper())
)  # fmt: skip


class Unsettled(UserError):
    """A variable whose value only the base image can have."""


def platform_arguments(platform: str) -> dict[str, str]:
    """Returns the build arguments that every build has.

    Stages are all built for the target's platform, so that of the build is the same.
    """
    os, _, arch = platform.partition("/")
    values = {"PLATFORM": platform, "OS": os, "ARCH": arch, "VARIANT": ""}
    return {side + name: value for side in ("TARGET", "BUILD") for name, value in values.items()}


def assignments(instruction: Instruction) -> Iterator[tuple[str, str | None]]:
    """Yields name and value, as written, of an ARG or ENV; raises UserError, without a place."""
    if instruction.name == "ENV" and "=" not in instruction.words[0]:
        name, *value = instruction.value.split(None, 1)
        if not value:
            raise UserError(f"ENV {name[:40]} has no value", hint=f"write ENV {name[:40]}=value")
        yield name, value[0]
        return
    for word in instruction.words:
        name, equals, text = word.partition("=")
        if not name or (not equals and instruction.name == "ENV"):
            raise UserError(
                f"{instruction.name} cannot take {word[:40]!r}", hint=f"write {instruction.name} NAME=value"
            )
        yield name, text if equals else None


@dataclass(frozen=True, slots=True)
class Globals:
    """The ARGs before the first FROM, and what build arguments say.

    values: what FROM sees.
    """

    build_args: Mapping[str, str]
    platform: Mapping[str, str]
    values: dict[str, str]

    def declare(self, instruction: Instruction, escape: str) -> Iterator[str]:
        """Takes a global ARG; yields the names that it declares."""
        for name, text in assignments(instruction):
            if name in self.build_args:
                self.values[name] = self.build_args[name]
            elif text is not None:
                self.values[name] = expand(text, self.values.get, escape)
            yield name


@dataclass(slots=True)
class StageVariables:
    """What a stage has set so far; None for what depends on the base's ENV.

    unset: ARGs without a value.
    whole: whether the stage stands on nothing, so that there is nothing that is not known.
    """

    env: dict[str, str | None] = field(default_factory=dict)
    args: dict[str, str | None] = field(default_factory=dict)
    unset: set[str] = field(default_factory=set)
    whole: bool = False

    def child(self) -> StageVariables:
        return StageVariables(dict(self.env), dict(self.args), set(self.unset), self.whole)

    def lookup(self, name: str) -> str | None:
        # As BuildKit has it: ENV wins over ARG, whichever comes first.
        for values in (self.env, self.args):
            if name in values:
                value = values[name]
                if value is None:
                    raise self._unsettled(name)
                return value
        if self.whole or name in self.unset:
            return None
        raise self._unsettled(name)

    def declare(self, instruction: Instruction, above: Globals, escape: str) -> Iterator[str]:
        """Takes an ARG of the stage; yields the names that it declares."""
        for name, text in assignments(instruction):
            if name in above.build_args:
                self.args[name] = above.build_args[name]
            elif text is not None:
                self.args[name] = self._settled(text, escape)
            elif name in above.values:
                self.args[name] = above.values[name]
            elif name in above.platform:
                self.args[name] = above.platform[name]
            else:
                self.unset.add(name)
            yield name

    def set(self, instruction: Instruction, escape: str) -> None:
        """Takes an ENV: all its values see what was set before it."""
        made = {name: self._settled(text or "", escape) for name, text in assignments(instruction)}
        self.env.update(made)

    def _settled(self, text: str, escape: str) -> str | None:
        try:
            return expand(text, self.lookup, escape)
        except Unsettled:
            return None

    def _unsettled(self, name: str) -> Unsettled:
        return Unsettled(
            f"${name[:40]} is set by no ARG or ENV here, and what the image below sets is not known",
            hint=f"write the path itself, or add ARG {name[:40]}=… to this stage",
        )
