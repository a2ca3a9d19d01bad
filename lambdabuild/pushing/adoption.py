"""The image that a tag has already, held against the one that was built here.

A tag `b3-…` is the hash of all that an image is made of, so two images under it
should be one. Manifests may still differ, where layers were compressed again on
their way; the tars inside may not.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from lambdabuild.errors import ActionFailed
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.manifest import parse_manifest

if TYPE_CHECKING:
    from lambdabuild.oci.registry.repository import Repository


def adopted_image(there: Repository, version: str, ours: Image, *, reproducible: bool) -> Image:
    """Returns the image that `version` names; raises ActionFailed unless it has the layers of `ours`.

    reproducible: whether equal hashes promise equal bytes. If not, any image is taken.
    """
    found = there.manifest(version)
    name = f"{there.name}:{version}"
    try:
        config = parse_manifest(found.data).config
        image = Image.parse(found.data, there.document(config.digest, config.size))
    except ImageError as error:
        raise ActionFailed(
            f"{name} is there, and is not the image of this hash: {error.message}",
            hint=f"remove the tag, if nobody uses it: skopeo delete docker://{name}",
        ) from None
    if reproducible and image.diff_ids != ours.diff_ids:
        raise _difference(name, image, ours)
    return image


def _difference(name: str, theirs: Image, ours: Image) -> ActionFailed:
    pairs = zip_longest(theirs.diff_ids, ours.diff_ids, fillvalue="none")
    number, (there, here) = next((n, pair) for n, pair in enumerate(pairs, 1) if pair[0] != pair[1])
    return ActionFailed(
        f"{name} is there with other contents than the image that was built here, though both have one hash: "
        f"they differ from layer {number} on",
        details=(
            f"layer {number} of {len(theirs.diff_ids)} there: diff_id {there}",
            f"layer {number} of {len(ours.diff_ids)} here:  diff_id {here}",
        ),
        hint="one build read what it did not declare, or its cache is damaged: "
        "lambdabuild clean --cache, then build again",
    )
