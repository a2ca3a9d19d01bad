"""image: a base, layers' descriptions and settings -> manifest and config.

Works on documents alone: no layer's bytes are needed to assemble an image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from lambdabuild.action import Made, ToolCall
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer

MANIFEST = "manifest.json"
CONFIG = "config.json"
CREATED_BY = "lambdabuild"


class ImageTool:
    """Puts out `manifest.json` and `config.json`.

    Inputs: `base/manifest.json` and `base/config.json` (none for an image on
    scratch), and `layers/NNN.json` in the order in which they lie on it.
    """

    name = "image"
    version = 1

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        def read(path: str) -> bytes:
            return b"".join(call.contents(call.inputs[path].digest))

        if f"base/{MANIFEST}" in call.inputs:
            image = Image.parse(read(f"base/{MANIFEST}"), read(f"base/{CONFIG}"))
        else:
            image = Image.scratch(call.platform)
        paths = sorted(path for path in call.inputs if path.startswith("layers/"))
        layers = [Layer.from_json(read(path)) for path in paths]
        image = image.append(layers, [CREATED_BY] * len(layers))
        image = image.with_config(**cast("Mapping[str, Any]", call.params))
        return {MANIFEST: Made(image.manifest), CONFIG: Made(image.config)}
