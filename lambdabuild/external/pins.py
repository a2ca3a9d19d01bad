"""A Pin: what WORKSPACE.lock holds of an external image for one platform."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdabuild.errors import UserError
from lambdabuild.label import image_name_problem
from lambdabuild.workspace import PLATFORMS, ExternalImage

if TYPE_CHECKING:
    from lambdabuild.oci.image import Image

_PYTHON = re.compile(r"3\.(?:0|[1-9][0-9]{0,2})", re.ASCII)
_LIBC = re.compile(r"(?:glibc 2|musl 1)\.(?:0|[1-9][0-9]{0,2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Pin:
    """One image for one platform, by its documents.

    name:     of the external image, without "@".
    platform: "linux/amd64" or "linux/arm64".
    ref:      as WORKSPACE.toml had it when the pin was made.
    manifest, config: the documents' exact text; their UTF-8 bytes have the digests.
    python:   version of the Python inside, "3.12"; "" if there is none, or no single
              one; None if the layers were not looked at.
    libc:     "glibc 2.34" or "musl 1.2", in the same way.

    `of` makes one that is certainly whole.
    """

    name: str
    platform: str
    ref: str
    manifest: str
    config: str
    python: str | None = None
    libc: str | None = None

    @classmethod
    def of(
        cls,
        name: str,
        platform: str,
        ref: str,
        manifest: str,
        config: str,
        python: str | None = None,
        libc: str | None = None,
    ) -> Pin:
        """Returns the pin; raises UserError for what is not understood, or documents that do not fit."""
        if problem := image_name_problem(name):
            raise UserError(f"there cannot be an image @{name[:80]}: {problem}")
        if platform not in PLATFORMS:
            raise UserError(f"{platform[:80]!r} is not a platform that Lambda runs")
        if not ref or not ref.isprintable():
            raise UserError(f"the ref {ref[:80]!r} names no image")
        if python and not _PYTHON.fullmatch(python):
            raise UserError(f"{python[:80]!r} is not a version of Python 3")
        if libc and not _LIBC.fullmatch(libc):
            raise UserError(f"{libc[:80]!r} is not a C library that wheels are made for")
        pin = cls(name, platform, ref, manifest, config, python, libc)
        if pin.image.platform != platform:
            raise UserError(f"the image is for {pin.image.platform}, not for {platform}")
        return pin

    @property
    def image(self) -> Image:
        """The image, without its layers' bytes; raises ImageError if the documents make none."""
        from lambdabuild.oci.image import Image  # a start costs what it uses

        return Image.parse(self.manifest.encode(), self.config.encode())


@dataclass(frozen=True, slots=True)
class ImagePins:
    """All pins of a workspace, at most one for an image and platform."""

    by_key: Mapping[tuple[str, str], Pin]

    @classmethod
    def of(cls, pins: Iterable[Pin]) -> ImagePins:
        """Returns the pins, sorted by name and platform; of two for one key the last."""
        by_key = {(pin.name, pin.platform): pin for pin in pins}
        return cls({key: by_key[key] for key in sorted(by_key)})

    def get(self, image: ExternalImage, platform: str) -> Pin | None:
        """Returns the pin of `image`; None if there is none, or it is for another ref."""
        pin = self.by_key.get((image.name, platform))
        return pin if pin and pin.ref == image.ref else None

    def platforms(self, image: ExternalImage) -> tuple[str, ...]:
        """Returns the platforms that `image` is pinned for."""
        return tuple(pin.platform for pin in self.by_key.values() if self.get(image, pin.platform) is pin)
