"""An image's config: what runs in it, on which platform, over which layers.

One format for both families (image-spec, config.md; Docker's image spec 1.2).
A config is read into a `Config`; a changed one is made by the functions at the
end, which carry every field along that they do not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.documents import Fields
from lambdabuild.oci.errors import ImageError

CREATED: Final = "1980-01-02T00:00:00Z"
"""When all that is made here was created: the time in its tars (`tar.MTIME`)."""


@dataclass(frozen=True, slots=True)
class Config:
    """What a config says, as far as we read it.

    document: all of it; never changed in place.
    platform: "os/architecture", e.g. "linux/arm64".
    variant:  of the architecture, e.g. "v8"; mostly "".
    env:      as listed, each "NAME=value".
    """

    document: Mapping[str, Any]
    platform: str
    variant: str
    diff_ids: tuple[OciDigest, ...]
    env: tuple[str, ...]
    labels: Mapping[str, str]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    working_dir: str
    user: str


def parse_config(data: bytes) -> Config:
    """Returns what the config `data` says; ImageError if it is not one of an image."""
    fields = documents.decode(data, "config")
    rootfs, run = fields.object("rootfs"), fields.object_or_empty("config")
    if rootfs.text("type") != "layers":
        raise ImageError(f"{rootfs.what} has the type {rootfs.text('type')!r}, not 'layers'")
    fields.objects_or_empty("history")  # `with_layers` relies on their being objects
    return Config(
        document=fields.document,
        platform=_platform(fields),
        variant=fields.text_or_empty("variant"),
        diff_ids=rootfs.digests_or_empty("diff_ids"),
        env=run.texts_or_empty("Env"),
        labels=run.text_map_or_empty("Labels"),
        entrypoint=run.texts_or_empty("Entrypoint"),
        cmd=run.texts_or_empty("Cmd"),
        working_dir=run.text_or_empty("WorkingDir"),
        user=run.text_or_empty("User"),
    )


def _platform(fields: Fields) -> str:
    parts = fields.text("os"), fields.text("architecture")
    for part in parts:
        if not part or "/" in part:
            raise ImageError(f"the config is for no platform: os {parts[0]!r}, architecture {parts[1]!r}")
    return "/".join(parts)


def empty_config(platform: str) -> dict[str, Any]:
    """Returns the config of an image without layers.

    platform: "os/architecture" or "os/architecture/variant"; ImageError otherwise.
    """
    parts = platform.split("/")
    if len(parts) not in (2, 3) or not all(parts):
        raise ImageError(f"{platform!r} is not a platform", hint='write it as "linux/amd64"')
    return {
        **dict(zip(("os", "architecture", "variant"), parts, strict=False)),
        "created": CREATED,
        "config": {},
        "history": [],
        "rootfs": {"type": "layers", "diff_ids": []},
    }


def with_layers(config: Config, diff_ids: Sequence[OciDigest], created_by: Sequence[str]) -> dict[str, Any]:
    """Returns the config's document with layers, and one history entry for each, appended.

    Tools pair layers with history entries that have no "empty_layer", so a base
    that lacks some is given them first.
    """
    document = {**config.document, "created": CREATED}
    history = document.get("history") or []
    told = sum(not entry.get("empty_layer") for entry in history)
    untold = ["a layer of the base"] * (len(config.diff_ids) - told)
    document["history"] = history + [
        {"created": CREATED, "created_by": text} for text in (*untold, *created_by)
    ]
    document["rootfs"] = {**document["rootfs"], "diff_ids": [*config.diff_ids, *diff_ids]}
    return document


def with_run_config(
    config: Config, *, env: Mapping[str, str], labels: Mapping[str, str], fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the config's document with environment and labels merged, other fields replaced.

    fields: by their names in the document ("Cmd"); empty ones are taken out.
    """
    document = {**config.document, "created": CREATED}
    run = document["config"] = dict(document.get("config") or {})
    if env:
        run["Env"] = _merge_env(config.env, env)
    if labels:
        run["Labels"] = {**config.labels, **labels}
    for name, value in fields.items():
        run.pop(name, None)
        if value:
            run[name] = value
    return document


def _merge_env(base: Sequence[str], changes: Mapping[str, str]) -> list[str]:
    """Returns `base` with values replaced where they stand, then the new names, sorted.

    A name that `base` has twice keeps its last place: that value was in effect.
    """
    for name, value in changes.items():
        if not name or "=" in name or "\0" in name + value:
            raise ImageError(
                f"{name!r} cannot be the name of an environment variable with the value {value!r}"
            )
    places = {entry.partition("=")[0]: i for i, entry in enumerate(base)}
    merged = list(base)
    for name in sorted(changes):
        entry = f"{name}={changes[name]}"
        if name in places:
            merged[places[name]] = entry
        else:
            merged.append(entry)
    return merged
