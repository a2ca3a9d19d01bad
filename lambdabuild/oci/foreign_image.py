"""The image that an engine made on a root -> one of our own: the root's layers, and the rewritten ones.

Of the engine's config stays what the Dockerfile said: the run configuration and
what each step was. Times are fixed, and what tells of engine, container or
machine goes. The documents are canonical JSON, in the root's media types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lambdabuild.oci.config import CREATED, Config
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer

_PLATFORM: Final = ("architecture", "os", "variant", "os.version", "os.features", "author")
_RUN: Final = (
    *("User", "ExposedPorts", "Env", "Entrypoint", "Cmd", "Volumes", "WorkingDir", "Labels", "StopSignal"),
    *("Healthcheck", "Shell"),
)
"""image-spec, config.md, and two of Docker's own. Not OnBuild: what is built on this runs no hidden steps."""

_UNTOLD: Final = "a step of a Dockerfile"


def derived(
    root: Image, made: Config, layers: Sequence[Layer | None], names: Mapping[str, str] | None = None
) -> Image:
    """Returns the image of the root's layers and `layers`, configured as `made` says.

    layers: one for each diff_id of `made` above the root's; None for one that is
            empty, and is left out.
    names:  what the engine calls images that are steps' arguments -> what the history
            says instead.

    Raises ImageError unless `made` is an image on the root, for its platform.
    """
    count = len(root.diff_ids)
    if made.diff_ids[:count] != root.diff_ids or len(made.diff_ids) != count + len(layers):
        raise ImageError("what the engine made does not stand on the image that it was to stand on")
    if made.platform != root.platform:
        raise ImageError(f"what the engine made is for {made.platform}, not for {root.platform}")
    before = root.document
    kept = [layer for layer in layers if layer]
    config = {name: before[name] for name in _PLATFORM if before.get(name)}
    config |= {
        "created": CREATED,
        "config": _run(made),
        "history": _history(root, made, layers, names or {}),
        "rootfs": {"type": "layers", "diff_ids": [*root.diff_ids, *(layer.diff_id for layer in kept)]},
    }
    return root.extended(config, kept)


def _run(made: Config) -> dict[str, Any]:
    found: Mapping[str, Any] = made.document.get("config") or {}
    return {name: found[name] for name in _RUN if found.get(name)}


def _history(
    root: Image, made: Config, layers: Sequence[Layer | None], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Returns the root's history and what was done on it, one entry without "empty_layer" for each layer."""
    below = [dict(entry) for entry in root.document.get("history") or ()]
    told = sum(not entry.get("empty_layer") for entry in below)
    below += [{"created": CREATED, "created_by": _UNTOLD} for _ in root.diff_ids[told:]]
    above = (made.document.get("history") or [])[len(below) :]
    if sum(not entry.get("empty_layer") for entry in above) != len(layers):
        above = [{} for _ in layers]  # some engines tell less of the root than it does itself
    entries, left = [], iter(layers)
    for entry in above:
        text = str(entry.get("created_by") or _UNTOLD).removesuffix(" # buildkit")
        for name, instead in names.items():
            text = text.replace(name, instead)
        empty = bool(entry.get("empty_layer")) or next(left) is None
        entries.append({"created": CREATED, "created_by": text} | ({"empty_layer": True} if empty else {}))
    return below + entries
