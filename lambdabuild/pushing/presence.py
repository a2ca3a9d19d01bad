"""Which images of a plan a registry lacks: one question for each tag, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.keys import tag_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import Item, PushPlan

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client


def absent_images(
    plan: PushPlan, hashes: Mapping[ConfiguredLabel, Key], client: Client, jobs: int
) -> set[ConfiguredLabel]:
    """Returns the images of `plan` that were asked for and are not everywhere under all their tags.

    Raises what `Client.digest` does.
    """
    asked = [item for item in plan.items.values() if item.asked and item.id in hashes]
    looked_up = [
        (item, place, tag)
        for item in asked
        for place in plan.destinations
        for tag in (tag_of(hashes[item.id]), *item.tags)
    ]

    def digest_of(each: tuple[Item, Destination, str]) -> OciDigest | None:
        item, place, tag = each
        return client.digest(place.reference(item.repository, tag))

    with ThreadPoolExecutor(jobs) as pool:
        digests = dict(zip(looked_up, pool.map(digest_of, looked_up), strict=True))
    lacking = set()
    for (item, place, _), digest in digests.items():
        if digest is None or digest != digests[item, place, tag_of(hashes[item.id])]:
            lacking.add(item.id)
    return lacking
