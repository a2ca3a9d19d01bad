"""What the tests of this folder say to registries, and what they say about it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.client import Client
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.oci.registry.repository import Repository
from lambdabuild.oci.registry.settings import Settings, read_settings

from ..blobs import Blobs

BLOB = bytes(range(256)) * 4000
DIGEST = sha256_of(BLOB)

_names = itertools.count()


def new_name(below: str = "test") -> str:
    """Returns a repository that nobody has used."""
    return f"{below}/r{next(_names)}"


def settings_of(home: Path = Path("/nowhere"), **changes: Any) -> Settings:
    """Returns settings without logins, proxies or patience."""
    settings = replace(
        read_settings({}, home), retries=2, backoff=0.0, silence=10.0, connect=5.0, commit=10.0
    )
    return replace(settings, **changes)


def docker_config(home: Path, **document: Any) -> Path:
    """Writes docker's configuration below `home`, which it returns."""
    (home / ".docker").mkdir(parents=True, exist_ok=True)
    (home / ".docker/config.json").write_text(json.dumps(document))
    return home


class Pauses(list[float]):
    """Waits for nothing, and remembers for how long it was asked to."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def repository(
    host: str,
    name: str | None = None,
    settings: Settings | None = None,
    wait: Callable[[float], None] | None = None,
    *,
    push: bool = False,
) -> Repository:
    client = Client(settings or settings_of(), Pauses() if wait is None else wait)
    return client.repository(Reference(host, name or new_name()), push=push)


def in_pieces(data: bytes, size: int = 10_000) -> Callable[[], Iterable[bytes]]:
    return lambda: (data[start : start + size] for start in range(0, len(data), size))


def push_blob(there: Repository, data: bytes = BLOB) -> OciDigest:
    digest = sha256_of(data)
    there.upload(digest, len(data), in_pieces(data))
    return digest


def push_image(there: Repository, image: Image, blobs: Blobs, version: str) -> None:
    """Puts an image into a repository: config, layers, manifest."""
    there.upload(image.config_digest, len(image.config), lambda: [image.config])
    for layer in image.layers:
        push_blob(there, blobs.path(layer.digest).read_bytes())
    assert there.put_manifest(image.manifest, image.media_type, version) == ()


def index_of(*images: Image, media_type: str) -> bytes:
    """Returns an index of images and of an attestation, as BuildKit writes them."""
    entries: list[dict[str, Any]] = []
    for image in images:
        system, architecture = image.platform.split("/")
        platform = {"os": system, "architecture": architecture}
        if image.variant:
            platform["variant"] = image.variant
        entries.append(
            {
                "mediaType": image.media_type,
                "digest": image.digest,
                "size": len(image.manifest),
                "platform": platform,
            }
        )
    if images:
        attestation = {**entries[0], "platform": {"os": "unknown", "architecture": "unknown"}}
        entries.insert(0, attestation)
    return documents.encode({"schemaVersion": 2, "mediaType": media_type, "manifests": entries})
