"""dockerfile: a Dockerfile, its context and images -> manifest, config and the layers that it adds.

An engine of this machine runs the steps (`engines`). What it makes depends on the
clock and the network, so it is built once: the first result for a key stays. Only
what the key covers is within reach of the steps: the context is a directory with
the declared files alone, with times and modes that are the same everywhere; FROM
finds local images, under tags that name their content; a .dockerignore is not
heeded. Secrets are files outside of the context; their values are masked in what the
engine prints, and looked for in all that it made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from lambdabuild.action import Made, ToolCall
from lambdabuild.tools.pull import ReadLayer

if TYPE_CHECKING:
    from lambdabuild.engines.engine import Engine

DOCKERFILE: Final = "dockerfile"
CONTEXT: Final = "context/"


class DockerfileTool:
    """Puts out `manifest.json`, `config.json`, and `layers/NNN.json` with `layers/NNN.tar.gz`.

    Inputs: `dockerfile`; `context/<path>`; `base/manifest.json` and `base/config.json`,
    with `base/layers/NNN.json` and `.tar.gz` for those of its layers that the
    workspace makes (the others are read from their registry); the same below
    `images/NNN/` for other images.

    Parameters: `build_args`; `target`, a stage or ""; `secrets`, ids; `images`, what the
    Dockerfile calls an image -> "images/NNN"; `root`, what the target stands on:
    "base", "images/NNN" or "scratch"; `max_layers`, how many layers it can add: a
    place beyond those that it does add has UNUSED as its descriptor, and an empty blob.

    engine:  gives what runs the steps; asked only when there is something to run.
    secrets: gives a secret's value by its id.
    """

    name = "dockerfile"
    version = 1

    def __init__(
        self, read_layer: ReadLayer, engine: Callable[[], Engine], secrets: Callable[[str], bytes]
    ) -> None:
        self._read_layer, self._engine, self._secrets = read_layer, engine, secrets

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        from lambdabuild.tools.dockerfile_build import build  # much, and few builds have Dockerfiles

        return build(call, self._engine, self._read_layer, self._secrets)
