"""Reads the image layouts that lambdabuild leaves."""

from __future__ import annotations

import json
from pathlib import Path

from lambdabuild.oci.digest import OciDigest, hex_of
from lambdabuild.oci.image import Image


def blob(layout: Path, digest: OciDigest) -> Path:
    return layout / "blobs" / "sha256" / hex_of(digest)


def image_of(layout: Path) -> Image:
    """Returns the image of a layout that holds one."""
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    manifest = blob(layout, entry["digest"]).read_bytes()
    return Image.parse(manifest, blob(layout, json.loads(manifest)["config"]["digest"]).read_bytes())
