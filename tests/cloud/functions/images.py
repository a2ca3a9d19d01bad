"""The images that functions run: looked for in their registry, brought here, and started."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdabuild.errors import LambdaBuildError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.reference import parse_reference
from lambdabuild.running import Answer, RunnableImage, choose_runner, invoke
from tests.oci.registry.asking import repository

from .function import Version
from .refusals import invalid

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "arm64"}


class Images:
    """Keeps layers in `directory`. For any thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()

    def resolve(self, uri: str, architectures: tuple[str, ...]) -> OciDigest:
        """Returns the digest of an image; refuses one that is not there, or is for another processor."""
        try:
            found = self._image(uri)
        except LambdaBuildError:
            raise invalid(f"Source image {uri} does not exist. Provide a valid source image.") from None
        if MACHINES.get(found.platform) not in architectures:
            raise invalid(f"Architecture of {uri} does not match the function's: {list(architectures)}")
        return found.digest

    def invoke(self, version: Version, event: bytes) -> Answer:
        """Starts the image of a version as it says, and returns its handler's answer."""
        reference = parse_reference(version.uri)
        image = self._image(f"{reference.name}@{version.digest}")
        there = repository(reference.host, reference.repository)

        def blob(digest: OciDigest) -> Path:
            path = self._directory / digest.removeprefix("sha256:")
            with self._lock:
                if not path.exists():
                    size = next(each.size for each in image.layers if each.digest == digest)
                    path.write_bytes(b"".join(there.blob(digest, size)))
            return path

        changed = _configured(image, version.image_config)
        scratch = self._directory / "scratch"
        scratch.mkdir(exist_ok=True)
        return invoke(
            RunnableImage(changed, blob),
            event,
            runner=choose_runner(),
            scratch=scratch,
            env=version.environment,
            log=lambda line: None,
        )

    def _image(self, uri: str) -> Image:
        reference = parse_reference(uri)
        there = repository(reference.host, reference.repository)
        raw = there.manifest(reference.version)
        size = len(raw.data)
        assert size < 25_400
        config = json.loads(raw.data)["config"]
        return Image.parse(raw.data, there.document(OciDigest(config["digest"]), config["size"]))


def _configured(image: Image, config: Mapping[str, Any]) -> Image:
    """Returns the image with what ImageConfig overrides."""
    changes: dict[str, Any] = {}
    if config.get("EntryPoint"):
        changes["entrypoint"] = config["EntryPoint"]
    if config.get("Command"):
        changes["cmd"] = config["Command"]
    if config.get("WorkingDirectory"):
        changes["working_dir"] = config["WorkingDirectory"]
    return image.with_config(**changes) if changes else image
