"""An image as a value: a manifest and a config, byte for byte.

An `Image` that exists is whole: the manifest names exactly this config, and
there is one diff_id for each layer. Its bytes are never re-serialised, since
its digest is theirs; a change makes a new image, whose documents are canonical
JSON (`documents.encode`) and do not depend on clock or machine.

Absent: the layers' bytes. An image can be built upon without having them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lambdabuild.oci import documents
from lambdabuild.oci.config import Config, empty_config, parse_config, with_layers, with_run_config
from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer import Layer
from lambdabuild.oci.manifest import Descriptor, Manifest, parse_manifest
from lambdabuild.oci.media_types import FAMILIES, Family, FamilyName

__all__ = ["Descriptor", "FamilyName", "Image"]


@dataclass(frozen=True, repr=False)
class Image:
    """One image for one platform. Raises ImageError unless it is whole."""

    manifest: bytes
    config: bytes

    def __post_init__(self) -> None:
        named, found = self._manifest.config, self.config_digest
        if (named.digest, named.size) != (found, len(self.config)):
            raise ImageError(
                f"the manifest names the config {named.digest} of {named.size} bytes, "
                f"but this one is {found} of {len(self.config)} bytes"
            )
        if len(self.layers) != len(self.diff_ids):
            raise ImageError(
                f"the manifest has {len(self.layers)} layers, "
                f"but the config has {len(self.diff_ids)} diff_ids"
            )

    def __repr__(self) -> str:
        return f"<Image {self.platform} {self.digest}>"

    @classmethod
    def parse(cls, manifest: bytes, config: bytes) -> Image:
        """Returns the image of these two documents; ImageError if they make none."""
        return cls(manifest, config)

    @classmethod
    def scratch(cls, platform: str, *, family: FamilyName = "oci") -> Image:
        """Returns the image without layers for "os/architecture[/variant]"."""
        return _image(empty_config(platform), FAMILIES[family], ())

    @property
    def family(self) -> FamilyName:
        """Whose media types the documents use; see `media_types`."""
        return self._manifest.family.name

    @property
    def media_type(self) -> str:
        """The manifest's media type."""
        return self._manifest.family.manifest

    @cached_property
    def digest(self) -> OciDigest:
        """The sha256 of the manifest: what registries and Lambda know the image by."""
        return sha256_of(self.manifest)

    @cached_property
    def config_digest(self) -> OciDigest:
        """The sha256 of the config: what Docker calls the image's ID."""
        return sha256_of(self.config)

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers as they travel, lowest first."""
        return self._manifest.layers

    @property
    def diff_ids(self) -> tuple[OciDigest, ...]:
        """The sha256 of each layer's tar, lowest first."""
        return self._config.diff_ids

    @property
    def platform(self) -> str:
        """Operating system and architecture, e.g. "linux/arm64"."""
        return self._config.platform

    @property
    def variant(self) -> str:
        """The architecture's variant, e.g. "v8"; "" if the config names none."""
        return self._config.variant

    @property
    def env(self) -> dict[str, str]:
        """The environment by name, in the config's order; of a name given twice the last value."""
        pairs = (entry.partition("=") for entry in self._config.env)
        return {name: value for name, _, value in pairs}

    @property
    def labels(self) -> dict[str, str]:
        """The labels by name."""
        return dict(self._config.labels)

    @property
    def entrypoint(self) -> tuple[str, ...]:
        """The argument list that `cmd` is appended to; () if there is none."""
        return self._config.entrypoint

    @property
    def cmd(self) -> tuple[str, ...]:
        """The default arguments; on Lambda's bases the handler. () if there are none."""
        return self._config.cmd

    @property
    def working_dir(self) -> str:
        """The working directory; "" if the config names none."""
        return self._config.working_dir

    @property
    def user(self) -> str:
        """Whom the process runs as; "" if the config does not say."""
        return self._config.user

    def append(self, layers: Sequence[Layer], created_by: Sequence[str]) -> Image:
        """Returns the image with `layers` on top, in its own family's media types.

        created_by: for each layer, what its history entry says.
        """
        if len(layers) != len(created_by):
            raise ValueError(f"{len(layers)} layers cannot have {len(created_by)} history entries")
        if not layers:
            return self
        return self.extended(
            with_layers(self._config, [layer.diff_id for layer in layers], created_by), layers
        )

    def with_config(
        self,
        *,
        env: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] | None = None,
        cmd: Sequence[str] | None = None,
        working_dir: str | None = None,
        user: str | None = None,
    ) -> Image:
        """Returns the image with another run configuration.

        None leaves a field as it is. `env` and `labels` are laid over what is
        there by name; the others replace it, and an empty one takes it away.
        """
        replaced: dict[str, Sequence[str] | None] = {
            "Entrypoint": None if entrypoint is None else list(entrypoint),
            "Cmd": None if cmd is None else list(cmd),
            "WorkingDir": working_dir,
            "User": user,
        }
        fields = {name: value for name, value in replaced.items() if value is not None}
        if not (env or labels or fields):
            return self
        config = with_run_config(self._config, env=env or {}, labels=labels or {}, fields=fields)
        return _image(config, self._manifest.family, self.layers)

    def extended(self, config: Mapping[str, Any], layers: Sequence[Layer]) -> Image:
        """Returns the image with `layers` on top, in its own family's media types, and another config.

        config: the whole document, which has a diff_id for each layer; ImageError otherwise.
        """
        family = self._manifest.family
        added = (Descriptor(family.gzip_layer, layer.digest, layer.size) for layer in layers)
        return _image(config, family, (*self.layers, *added))

    @property
    def document(self) -> Mapping[str, Any]:
        """The config as a document; never changed in place."""
        return self._config.document

    @cached_property
    def _manifest(self) -> Manifest:
        return parse_manifest(self.manifest)

    @cached_property
    def _config(self) -> Config:
        return parse_config(self.config)


def _image(config: Mapping[str, Any], family: Family, layers: tuple[Descriptor, ...]) -> Image:
    data = documents.encode(config)
    descriptor = Descriptor(family.config, sha256_of(data), len(data))
    return Image(Manifest(family, descriptor, layers).encode(), data)
