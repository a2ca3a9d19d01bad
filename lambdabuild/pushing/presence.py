"""Which images of a plan a registry lacks: one question each, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.keys import tag_of
from lambdabuild.pushing.plan import PushPlan

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client


def absent_images(
    plan: PushPlan, hashes: Mapping[ConfiguredLabel, Key], client: Client, jobs: int
) -> set[ConfiguredLabel]:
    """Returns the images of `plan` that were asked for and are not everywhere under the tag of their hash.

    One that is to have further tags counts as absent: these move. Raises what `Repository.head` does.
    """
    asked = [item for item in plan.items.values() if item.asked and item.id in hashes]
    looked_up = [
        (item.id, place.reference(item.repository, tag_of(hashes[item.id])))
        for item in asked
        if not item.tags
        for place in plan.destinations
    ]
    with ThreadPoolExecutor(jobs) as pool:
        heads = pool.map(lambda each: client.repository(each[1]).head(each[1].tag or ""), looked_up)
        lacking = {id_ for (id_, _), head in zip(looked_up, heads, strict=True) if head is None}
    return lacking | {item.id for item in asked if item.tags}
