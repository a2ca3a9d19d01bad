"""The digests that a registry has under the tags of hashes: one question for each image."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdabuild.artefacts.artefact import Artefact
from lambdabuild.errors import UserError
from lambdabuild.oci.digest import OciDigest

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client


def with_digests(
    artefacts: Sequence[Artefact], client: Client, jobs: int, *, to: str
) -> tuple[Artefact, ...]:
    """Returns the images with the digests that are under their tags now.

    Raises UserError for those that are not in the registry, and what `Repository.head` does.

    to: the flag that names the registry again, for the hint; "" where the workspace does.
    """

    def digest(artefact: Artefact) -> OciDigest | None:
        head = client.repository(artefact.reference).head(artefact.reference.version)
        return head.digest if head else None

    with ThreadPoolExecutor(jobs) as pool:
        digests = list(pool.map(digest, artefacts))
    absent = [each for each, found in zip(artefacts, digests, strict=True) if found is None]
    if absent:
        raise _absent(absent, to)
    return tuple(replace(each, digest=found) for each, found in zip(artefacts, digests, strict=True))


def _absent(artefacts: Sequence[Artefact], to: str) -> UserError:
    first = artefacts[0]
    what = f"{first.id} is not in the registry as {first.tag_uri}"
    if len(artefacts) > 1:
        what = f"{len(artefacts)} images are not in the registry, the first {first.id} as {first.tag_uri}"
    labels = dict.fromkeys(each.id.label.short for each in artefacts)
    return UserError(
        what,
        hint=" ".join(filter(None, ["lambdabuild push", *labels, to])) + ", or ask with --push or --predict",
    )
