"""ConfiguredTarget: what a target means for one platform, and the graph of them.

Plain data that analysis makes and everything after it reads: actions, and
where the files come from. Whatever depends on file contents (keys, hashes) is
computed from it, so an edited source leaves it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lambdabuild.action import Action, ActionId, ActionOutput, Input
from lambdabuild.errors import Location
from lambdabuild.label import Label


class ConfiguredLabel(NamedTuple):
    """A target for one platform."""

    label: Label
    platform: str

    def __str__(self) -> str:
        return f"{self.label} ({self.platform})"


class LayerOutputs(NamedTuple):
    """Where a layer's compressed bytes and its description come from."""

    blob: ActionOutput
    descriptor: ActionOutput


class ImageOutputs(NamedTuple):
    """Where the parts of an image come from; `layers` are those made or fetched, the base's first."""

    manifest: ActionOutput
    config: ActionOutput
    layers: tuple[LayerOutputs, ...]


class FunctionSpec(NamedTuple):
    """A function that an image serves, as its target says it.

    name:    perhaps with variables, e.g. "receipts-{stage}".
    handler: what Lambda has to call, "module.function".
    default: whether that is the image's own command.
    """

    name: str
    handler: str
    default: bool


@dataclass(frozen=True, slots=True)
class ConfiguredTarget:
    """A target for one platform, analysed.

    outputs: default outputs: output path -> where the file comes from.
    actions: what this target declared itself.
    image:   its parts, if the target is an image.
    wheel:   what holds its wheel, if the target is a first-party Python package.
    repository: where its image goes below a registry's prefix; "" for its label's own place.
    handlers: Python functions that its image has to serve, e.g. "app.main".
    warnings: what is likely to be a mistake although it builds, one sentence each.
    functions: functions of Lambda that its image is for; no part of its hash.
    allow:    what may leave this machine although the guard finds it, as the target wrote it.
    dependencies: the targets whose providers it was made of, for the same platform.
    """

    label: Label
    platform: str
    kind: str
    at: Location
    outputs: Mapping[str, Input]
    actions: tuple[Action, ...]
    image: ImageOutputs | None = None
    wheel: ActionOutput | None = None
    repository: str = ""
    handlers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    functions: tuple[FunctionSpec, ...] = ()
    allow: tuple[str, ...] = ()
    dependencies: tuple[Label, ...] = ()

    @property
    def id(self) -> ConfiguredLabel:
        return ConfiguredLabel(self.label, self.platform)

    @property
    def needed(self) -> Iterator[ConfiguredLabel]:
        """Yields `dependencies` as they are configured."""
        return (ConfiguredLabel(label, self.platform) for label in self.dependencies)

    def inputs(self) -> Iterator[Input]:
        """Yields what its default outputs are, and what its actions take; some of it often."""
        yield from self.outputs.values()
        for action in self.actions:
            yield from action.inputs.values()

    def action_of(self, output: ActionOutput) -> Action:
        """Returns the action of this target that makes `output`."""
        return self.actions[output.action.number]


@dataclass(frozen=True, slots=True)
class ConfiguredGraph:
    """Configured targets, dependencies before what depends on them."""

    targets: Mapping[ConfiguredLabel, ConfiguredTarget]

    def action(self, id_: ActionId) -> Action:
        return self.targets[ConfiguredLabel(id_.label, id_.platform)].actions[id_.number]
