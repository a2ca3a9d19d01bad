"""What a function runs, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from lambdabuild.oci.digest import OciDigest, parse_oci_digest

PLATFORMS: Final = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}
"""Platforms of images, by Lambda's word for a function's architecture (API reference, CreateFunction)."""

_LISTS = ("Command", "EntryPoint")


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What a function overrides of its image; () and "" for what it leaves to the image."""

    command: tuple[str, ...] = ()
    entry_point: tuple[str, ...] = ()
    working_directory: str = ""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> ImageConfig:
        """Returns Lambda's ImageConfig; raises ValueError for what is none."""
        command, entry_point = (document.get(name) or [] for name in _LISTS)
        if not isinstance(command, list) or not isinstance(entry_point, list):
            raise ValueError("Command and EntryPoint are lists")
        directory = document.get("WorkingDirectory") or ""
        return cls(tuple(map(str, command)), tuple(map(str, entry_point)), str(directory))

    def to_json(self) -> dict[str, Any]:
        """Returns it as Lambda takes it: what it does not have is the image's again."""
        document: dict[str, Any] = {}
        if self.command:
            document["Command"] = list(self.command)
        if self.entry_point:
            document["EntryPoint"] = list(self.entry_point)
        if self.working_directory:
            document["WorkingDirectory"] = self.working_directory
        return document

    def calling(self, handler: str, *, default: bool) -> ImageConfig:
        """Returns the one that calls `handler`; the same where it does already.

        default: the image's own command is that handler.
        """
        if self.command == (handler,) or (default and not self.command):
            return self
        return replace(self, command=(handler,))


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a function runs, all that a deploy changes of it.

    name:         host and repository of the image.
    digest:       of its manifest.
    architecture: as Lambda calls it, "x86_64" or "arm64".
    """

    name: str
    digest: OciDigest
    architecture: str
    config: ImageConfig = field(default_factory=ImageConfig)

    @property
    def uri(self) -> str:
        """What UpdateFunctionCode takes."""
        return f"{self.name}@{self.digest}"

    def same_code(self, other: Deployed) -> bool:
        """Tells whether both are the same bytes, in whatever repository, for the same processor."""
        return (self.digest, self.architecture) == (other.digest, other.architecture)

    def same(self, other: Deployed) -> bool:
        return self.same_code(other) and self.config == other.config

    def to_json(self) -> dict[str, Any]:
        return {
            "image": self.uri,
            "digest": self.digest,
            "architecture": self.architecture,
            "image_config": self.config.to_json(),
        }


def read_deployed(document: Mapping[str, Any]) -> Deployed:
    """Returns what `to_json` wrote; raises ValueError, KeyError or TypeError for anything else."""
    name, at, digest = str(document["image"]).rpartition("@")
    if not at or not name or document["architecture"] not in PLATFORMS:
        raise ValueError("no image by digest, or no architecture")
    config = ImageConfig.read(document["image_config"])
    return Deployed(name, parse_oci_digest(digest), str(document["architecture"]), config)
