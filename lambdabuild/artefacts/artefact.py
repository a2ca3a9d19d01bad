"""Artefact: one image as infrastructure code sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.deploying.deployed import PLATFORMS
from lambdabuild.digest import Key
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.reference import Reference

_ARCHITECTURES: Final = {platform: architecture for architecture, platform in PLATFORMS.items()}


@dataclass(frozen=True, slots=True)
class Artefact:
    """One image in one registry.

    name:      in the map, where no other has it; see `names`.
    hash:      of the target.
    reference: with the hash's tag.
    digest:    of the manifest that the registry has under that tag; None in a prediction.
    functions: those of Lambda that it serves, name -> handler.
    """

    name: str
    id: ConfiguredLabel
    hash: Key
    reference: Reference
    digest: OciDigest | None = None
    functions: Mapping[str, str] = field(default_factory=dict)

    @property
    def tag_uri(self) -> str:
        """The image by the tag of its hash: known before it is built."""
        return str(self.reference)

    @property
    def uri(self) -> str:
        """The image by its digest, or by its tag in a prediction."""
        return f"{self.reference.name}@{self.digest}" if self.digest else self.tag_uri

    def to_json(self) -> dict[str, Any]:
        """Returns what the map says of it: docs/infrastructure.md has the meaning of each key."""
        return {
            "label": str(self.id.label),
            "platform": self.id.platform,
            "architecture": _ARCHITECTURES.get(self.id.platform),
            "uri": self.uri,
            "tag_uri": self.tag_uri,
            "repository": self.reference.name,
            "tag": self.reference.tag,
            "digest": self.digest,
            "hash": self.hash,
            "functions": dict(self.functions),
        }
