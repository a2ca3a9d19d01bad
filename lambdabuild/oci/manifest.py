"""A manifest: what an image's config and layers are called, and how large they are.

Reads both families (`media_types`), and refuses what could not be built on: an
index, schema 1, layers that are foreign, zstd or no layers at all.

Absent: a manifest's annotations, subject and unknown fields. They speak of that
manifest alone and do not pass to what is built on it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.documents import Fields
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.media_types import DOCKER, FAMILIES, OCI, Family


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What a manifest says of a blob. A layer's digest is of its compressed bytes.

    size: count of bytes, as they travel.
    """

    media_type: str
    digest: OciDigest
    size: int

    def to_document(self) -> dict[str, Any]:
        """Returns the descriptor as image-spec, descriptor.md, has it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of one image for one platform."""

    family: Family
    config: Descriptor
    layers: tuple[Descriptor, ...]

    def encode(self) -> bytes:
        """Returns a manifest of these layers alone, as canonical JSON."""
        return documents.encode(
            {
                "schemaVersion": 2,
                "mediaType": self.family.manifest,
                "config": self.config.to_document(),
                "layers": [layer.to_document() for layer in self.layers],
            }
        )


def parse_manifest(data: bytes) -> Manifest:
    """Returns what the manifest `data` says; ImageError if it is not one of an image."""
    fields = documents.decode(data, "manifest")
    _refuse_other_kinds(fields)
    config, layers = _descriptor(fields.object("config")), _layers(fields)
    # OCI manifests may leave their media type out, Docker's never do.
    family = _family(fields.text_or_empty("mediaType") or OCI.manifest)
    if config.media_type != family.config:
        raise _stranger("config", config, family)
    for layer in layers:
        if layer.media_type not in (family.gzip_layer, family.plain_layer):
            raise _stranger("layer", layer, family)
    return Manifest(family, config, layers)


def _refuse_other_kinds(fields: Fields) -> None:
    if "manifests" in fields.document:
        raise ImageError(
            "this is an index of several manifests, not the manifest of one image",
            hint="name the manifest of one platform by its digest",
        )
    if fields.document.get("schemaVersion") != 2:
        raise ImageError(
            f"manifests of schema version {fields.document.get('schemaVersion')!r} are not supported"
        )


def _layers(fields: Fields) -> tuple[Descriptor, ...]:
    if "layers" not in fields.document:
        raise ImageError("the manifest has no 'layers'")
    return tuple(map(_descriptor, fields.objects_or_empty("layers")))


def _descriptor(fields: Fields) -> Descriptor:
    return Descriptor(fields.text("mediaType"), fields.digest("digest"), fields.count("size"))


def _family(media_type: str) -> Family:
    for family in FAMILIES.values():
        if media_type == family.manifest:
            return family
    raise ImageError(f"the manifest has the media type {media_type!r}, which is not an image's")


def _stranger(role: str, blob: Descriptor, family: Family) -> ImageError:
    """Returns the complaint about a config or layer that has no place in the family."""
    kind, other = blob.media_type, DOCKER if family is OCI else OCI
    if "zstd" in kind:
        why = "is compressed with zstd, which Lambda and older Dockers cannot read"
        hint = "push the base again with gzip layers"
    elif "foreign" in kind or "nondistributable" in kind:
        why, hint = "is foreign: its bytes are not in the registry", None
    elif kind in _media_types(other):
        why, hint = f"has the media type {kind!r}, but the manifest is of the {family.name} family", None
    else:
        why, hint = f"has the media type {kind!r}, which has no place in an image", None
    return ImageError(f"the {role} {blob.digest} {why}", hint=hint)


def _media_types(family: Family) -> Iterable[str]:
    return (family.config, family.gzip_layer, family.plain_layer)
