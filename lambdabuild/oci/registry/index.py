"""Which manifest of an index is for a platform.

Formats: image-spec, image-index.md, and Docker's manifest list (distribution,
"Image Manifest V2, Schema 2", "Manifest List"), which say the same here.

Absent: indexes within indexes; `os.version` and features, which Linux does not use.
"""

from __future__ import annotations

from typing import Final

from lambdabuild.errors import UserError
from lambdabuild.oci import documents
from lambdabuild.oci.documents import Fields
from lambdabuild.oci.manifest import Descriptor
from lambdabuild.oci.media_types import DOCKER, OCI, OCI_INDEX

DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"

IMAGES: Final = (DOCKER.manifest, OCI.manifest)
INDEXES: Final = (DOCKER_LIST, OCI_INDEX)

_DEFAULT_VARIANTS: Final = {"arm64": "v8"}
"""What a variant that is not given means (containerd's `platforms.Normalize`)."""


def choose(data: bytes, platform: str, name: str) -> Descriptor:
    """Returns the first manifest for `platform` in the index `data`.

    platform: "os/architecture" or "os/architecture/variant". Without a variant
              any fits, with one only that.
    name:     how a message calls the index.

    Raises UserError, which lists what there is, if none fits; ImageError if
    `data` is no index.
    """
    entries = documents.decode(data, "index").objects_or_empty("manifests")
    there: dict[str, None] = {}
    for entry in entries:
        found = _platform(entry)
        if found is None or entry.text("mediaType") not in IMAGES:
            continue
        if _fits(found, platform.split("/")):
            return Descriptor(entry.text("mediaType"), entry.digest("digest"), entry.count("size"))
        there["/".join(filter(None, found))] = None
    listed = ", ".join(there) or "no image for any platform"
    raise UserError(
        f"{name} has nothing for {platform}",
        hint=f"it has {listed}",
    )


def _platform(entry: Fields) -> tuple[str, str, str] | None:
    """Returns what an entry is for; None where it says nothing, as attestations do."""
    platform = entry.object_or_empty("platform")
    found = platform.text_or_empty("os"), platform.text_or_empty("architecture")
    if not all(found) or "unknown" in found:
        return None
    return (*found, platform.text_or_empty("variant"))


def _fits(found: tuple[str, str, str], asked: list[str]) -> bool:
    if list(found[:2]) != asked[:2]:
        return False
    default = _DEFAULT_VARIANTS.get(found[1], "")
    return len(asked) < 3 or asked[2] == (found[2] or default)
