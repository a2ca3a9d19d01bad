"""image: a base, layers' descriptions and settings -> manifest and config.

Works on documents alone: no layer's bytes are needed to assemble an image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from lambdabuild.action import Made, ToolCall
from lambdabuild.errors import UserError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import read_descriptor
from lambdabuild.tools.wheels import check_same

MANIFEST = "manifest.json"
CONFIG = "config.json"
CREATED_BY = "lambdabuild"


class ImageTool:
    """Puts out `manifest.json` and `config.json`.

    Inputs: `base/manifest.json` and `base/config.json` (none for an image on
    scratch), `layers/NNN.json` in the order in which they lie on it, and
    `wheels/NNN.json`, the listings of the layers that hold wheels. The param
    `places` lists declared files where wheels go as well; `modules` maps names of
    modules that a wheel has to bring to the places where one could be.
    """

    name = "image"
    version = 2

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        def read(path: str) -> bytes:
            return b"".join(call.contents(call.inputs[path].digest))

        if f"base/{MANIFEST}" in call.inputs:
            image = Image.parse(read(f"base/{MANIFEST}"), read(f"base/{CONFIG}"))
        else:
            image = Image.scratch(call.platform)
        paths = sorted(path for path in call.inputs if path.startswith("layers/"))
        layers = [layer for path in paths if (layer := read_descriptor(read(path)))]
        settings = dict(cast("Mapping[str, Any]", call.params))
        listings = (json.loads(read(path)) for path in sorted(call.inputs) if path.startswith("wheels/"))
        _check_wheels(listings, settings.pop("places", ()), settings.pop("modules", {}))
        image = image.append(layers, [CREATED_BY] * len(layers))
        python_path = settings.pop("python_path")
        # Lambda's bootstrap puts /opt/python on the path itself, but only while PYTHONPATH is unset.
        if python_path and "LAMBDA_RUNTIME_DIR" not in image.env:
            settings["env"] = {"PYTHONPATH": python_path} | settings["env"]
        image = image.with_config(**settings)
        return {MANIFEST: Made(image.manifest), CONFIG: Made(image.config)}


def _check_wheels(
    listings: Iterable[Mapping[str, list[str]]], places: Iterable[str], modules: Mapping[str, Sequence[str]]
) -> None:
    """Raises UserError where wheels of different layers want one place, or a wheel and a declared file.

    modules: name -> the places where its file may be; one of them is in a wheel, or that is an error too.
    """
    seen: dict[str, list[str]] = {}
    for listing in listings:
        for place, entry in listing.items():
            check_same(place, seen.setdefault(place, entry), entry)
    for place in places:
        if place in seen:
            raise UserError(
                f"two things want to be at /{place} in the image: {seen[place][0]} and a declared file",
                hint="give the file another place, or drop the package",
            )
    for name, candidates in modules.items():
        if not any(place in seen for place in candidates):
            raise UserError(
                f"the handler's module '{name}' is no declared file, and in none of the image's packages",
                hint=f"add {name.replace('.', '/')}.py to srcs, or correct the name",
            )
