"""The two families of media types; an image keeps to one of them.

Docker: distribution, "Image Manifest Version 2, Schema 2". OCI: image-spec,
media-types.md. Mixing them in one manifest is allowed by neither and breaks
tools, so a derived image takes its base's family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

FamilyName: TypeAlias = Literal["oci", "docker"]

OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class Family:
    """What one family calls a manifest, a config, and a layer by its compression."""

    name: FamilyName
    manifest: str
    config: str
    gzip_layer: str
    plain_layer: str


OCI: Final = Family(
    name="oci",
    manifest="application/vnd.oci.image.manifest.v1+json",
    config="application/vnd.oci.image.config.v1+json",
    gzip_layer="application/vnd.oci.image.layer.v1.tar+gzip",
    plain_layer="application/vnd.oci.image.layer.v1.tar",
)

DOCKER: Final = Family(
    name="docker",
    manifest="application/vnd.docker.distribution.manifest.v2+json",
    config="application/vnd.docker.container.image.v1+json",
    gzip_layer="application/vnd.docker.image.rootfs.diff.tar.gzip",
    plain_layer="application/vnd.docker.image.rootfs.diff.tar",
)

FAMILIES: Final = {family.name: family for family in (OCI, DOCKER)}
