"""Images to be checked: made here from tars, or read from what other tools wrote."""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lambdabuild.oci.conformance import MAX_SIZE, Finding, check_image
from lambdabuild.oci.digest import OciDigest, hex_of, sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer
from lambdabuild.oci.manifest import Descriptor
from lambdabuild.oci.media_types import FamilyName


@dataclass(frozen=True)
class Made:
    """An image as bytes: documents, and compressed layers by digest."""

    manifest: bytes
    config: bytes
    blobs: Mapping[OciDigest, bytes]
    media_type: str = ""
    asked: list[OciDigest] = field(default_factory=list)

    def check(
        self,
        *,
        platform: str = "linux/amd64",
        handlers: Sequence[str] = (),
        absent: Collection[int] = (),
        max_size: int = MAX_SIZE,
    ) -> dict[str, Finding]:
        """Returns the findings by check. `absent`: indexes of layers that are not held."""
        gone = {self.layers[index] for index in absent}

        def layer(descriptor: Descriptor) -> Iterable[bytes] | None:
            self.asked.append(descriptor.digest)
            data = self.blobs.get(descriptor.digest)
            return None if data is None or descriptor.digest in gone else [data[:1], b"", data[1:]]

        found = check_image(
            self.manifest,
            self.media_type,
            self.config,
            layer,
            platform=platform,
            handlers=handlers,
            max_size=max_size,
        )
        return {finding.check: finding for finding in found}

    def failed(self, **options: Any) -> set[str]:
        """Returns the names of the checks that fail."""
        return {name for name, finding in self.check(**options).items() if finding.state == "failed"}

    @property
    def layers(self) -> list[OciDigest]:
        return [layer["digest"] for layer in json.loads(self.manifest)["layers"]]

    def with_manifest(self, **fields: Any) -> Made:
        """Returns the image with fields of its manifest replaced; None takes one out."""
        document = json.loads(self.manifest) | fields
        data = json.dumps({name: value for name, value in document.items() if value is not None}).encode()
        return replace(self, manifest=data, asked=[])

    def with_config(self, **fields: Any) -> Made:
        """Returns the image with fields of its config replaced, and a manifest that names it."""
        config = json.dumps(json.loads(self.config) | fields).encode()
        named = json.loads(self.manifest)["config"] | {"digest": sha256_of(config), "size": len(config)}
        return replace(self.with_manifest(config=named), config=config)

    def with_layer(self, index: int, **fields: Any) -> Made:
        """Returns the image with fields of a layer's descriptor replaced."""
        layers = json.loads(self.manifest)["layers"]
        layers[index] |= fields
        return self.with_manifest(layers=layers)


def image_of(*tars: bytes, family: FamilyName = "oci", compress: Any = gzip.compress, **run: Any) -> Made:
    """Returns an image of these tars, lowest first. `run`: as for Image.with_config."""
    layers: list[Layer] = []
    blobs: dict[OciDigest, bytes] = {}
    for tar in tars:
        data = compress(tar)
        digest = sha256_of(data)
        layers.append(
            Layer(diff_id=sha256_of(tar), digest=digest, size=len(data), uncompressed_size=len(tar))
        )
        blobs[digest] = data
    image = Image.scratch("linux/amd64", family=family).append(layers, ["made"] * len(layers))
    return of_image(image.with_config(**run), blobs)


def of_image(image: Image, blobs: Mapping[OciDigest, bytes]) -> Made:
    return Made(image.manifest, image.config, blobs, image.media_type)


def from_layout(directory: Path, name: str | None = None) -> Made:
    """Returns the image of an OCI layout, by its ref name where there are several."""
    (entry,) = [
        entry
        for entry in json.loads((directory / "index.json").read_text())["manifests"]
        if name in (None, entry["annotations"]["org.opencontainers.image.ref.name"])
    ]
    blobs = {sha256_of(data): data for data in map(Path.read_bytes, (directory / "blobs/sha256").iterdir())}
    manifest = blobs[entry["digest"]]
    return Made(manifest, blobs[json.loads(manifest)["config"]["digest"]], blobs, entry["mediaType"])


def from_dir(directory: Path) -> Made:
    """Returns the image that skopeo wrote as `dir:`."""
    manifest = (directory / "manifest.json").read_bytes()
    blobs = {sha256_of(data): data for data in map(Path.read_bytes, directory.iterdir())}
    return Made(manifest, (directory / hex_of(json.loads(manifest)["config"]["digest"])).read_bytes(), blobs)
