"""Calls of the dockerfile tool, as an executor makes them, and what came of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lambdabuild.digest import Canonical
from lambdabuild.engines.engine import Engine
from lambdabuild.oci.conformance import check_image
from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer, read_descriptor
from lambdabuild.running import RunnableImage
from lambdabuild.tools.dockerfile import DockerfileTool
from tests.tools.calls import Files, never, run

from .shell_image import PLATFORM, shell_image

FROM = "ARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI}\n"


@dataclass
class Bench:
    """Builds on the base of a shell.

    base, layer: the base, and its one layer, whose blob is in the file `blob`.
    """

    directory: Path
    engine: Callable[[], Engine]
    base: Image
    layer: Layer
    blob: Path
    secrets: dict[str, bytes] = field(default_factory=dict)
    builds: int = 0

    @classmethod
    def on(cls, directory: Path, engine: Callable[[], Engine], base: tuple[Image, Layer, Path]) -> Bench:
        return cls(directory, engine, *base)

    def base_inputs(self, place: str = "base") -> dict[str, bytes]:
        return {
            f"{place}/manifest.json": self.base.manifest,
            f"{place}/config.json": self.base.config,
            f"{place}/layers/000.json": self.layer.to_json(),
            f"{place}/layers/000.tar.gz": self.blob.read_bytes(),
        }

    def build(
        self,
        dockerfile: str,
        context: Files | None = None,
        *,
        inputs: Mapping[str, bytes] | None = None,
        check: Callable[[], None] = never,
        **params: Canonical,
    ) -> Made:
        """Builds a Dockerfile, on the base unless `inputs` say otherwise."""
        self.builds += 1
        files: dict[str, bytes | tuple[bytes, bool]] = {"dockerfile": dockerfile.encode()}
        files |= {f"context/{path}": content for path, content in (context or {}).items()}
        files |= self.base_inputs() if inputs is None else inputs
        settings: dict[str, Canonical] = {
            "build_args": {},
            "target": "",
            "secrets": [*self.secrets],
            "images": {},
            "root": "base",
            "max_layers": 12,
            **params,
        }
        tool = DockerfileTool(self.read_layer, self.engine, self.secrets.__getitem__)
        scratch = self.scratch
        return Made(run(tool, settings, files, scratch, check, PLATFORM), self)

    @property
    def scratch(self) -> Path:
        """Where the last build had its files."""
        return self.directory / f"build-{self.builds}"

    def read_layer(self, digest: str, size: int) -> list[bytes]:
        assert (digest, size) == (self.layer.digest, self.layer.size)
        return [self.blob.read_bytes()]


class Made:
    """The outputs of a build."""

    def __init__(self, outputs: Mapping[str, bytes], bench: Bench) -> None:
        self.outputs = outputs
        self.image = Image.parse(outputs["manifest.json"], outputs["config.json"])
        self._blobs = {bench.layer.digest: bench.blob}
        self.layers: list[bytes] = []
        for name in sorted(outputs):
            if not (name.startswith("layers/") and name.endswith(".json")):
                continue
            layer, blob = read_descriptor(outputs[name]), outputs[name.removesuffix(".json") + ".tar.gz"]
            assert (layer is None) == (blob == b"")
            if layer:
                assert sha256_of(blob) == layer.digest
                path = bench.directory / layer.digest
                path.write_bytes(blob)
                self._blobs[layer.digest] = path
                self.layers.append(blob)

    def path(self, digest: OciDigest) -> Path:
        return self._blobs[digest]

    @property
    def runnable(self) -> RunnableImage:
        return RunnableImage(self.image, self.path)

    def members(self, number: int) -> dict[str, tarfile.TarInfo]:
        """Returns path -> header of the entries of one of the layers that the Dockerfile adds."""
        with tarfile.open(fileobj=io.BytesIO(self.layers[number])) as tar:
            return {member.name: member for member in tar}

    def content(self, number: int, path: str) -> bytes:
        with tarfile.open(fileobj=io.BytesIO(self.layers[number])) as tar:
            file = tar.extractfile(path)
            assert file is not None
            return file.read()

    def findings(self) -> dict[str, str]:
        """Returns what Lambda would have against the image: check -> what is wrong."""
        image = self.image
        found = check_image(
            image.manifest,
            image.media_type,
            image.config,
            lambda layer: [self.path(layer.digest).read_bytes()],
            platform=PLATFORM,
        )
        return {each.check: str(each) for each in found if each.state == "failed"}


def base_of(directory: Path) -> tuple[Image, Layer, Path]:
    blob = directory / "shell.tar.gz"
    return *shell_image(blob), blob
