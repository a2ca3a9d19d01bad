"""Layers with bytes behind them, for tests that need more than descriptions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lambdabuild.oci.digest import OciDigest, hex_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer, write_layer
from lambdabuild.oci.media_types import FamilyName

from .strategies import file


class Blobs:
    """Compressed layers in a directory, by digest: a content store as small as can be."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.placed: list[OciDigest] = []
        directory.mkdir(exist_ok=True)

    def layer(self, files: Mapping[str, bytes]) -> Layer:
        layer = write_layer([file(path, data) for path, data in files.items()], self.directory / "new")
        (self.directory / "new").chmod(0o444)
        (self.directory / "new").replace(self.path(layer.digest))
        return layer

    def image(self, *layers: Mapping[str, bytes], family: FamilyName = "oci") -> Image:
        made = [self.layer(files) for files in layers]
        return Image.scratch("linux/amd64", family=family).append(made, ["test"] * len(made))

    def path(self, digest: OciDigest) -> Path:
        return self.directory / hex_of(digest)

    def link(self, digest: OciDigest, target: Path) -> None:
        self.placed.append(digest)
        os.link(self.path(digest), target)

    def copy(self, digest: OciDigest, target: Path) -> None:
        self.placed.append(digest)
        shutil.copy(self.path(digest), target)
