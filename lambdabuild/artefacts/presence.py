"""The digests that a registry has under the tags of hashes: one question for each image at most."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from lambdabuild.artefacts.artefact import Artefact
from lambdabuild.errors import UserError

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client


def with_digests(
    artefacts: Sequence[Artefact], client: Client, jobs: int, *, to: str
) -> tuple[Artefact, ...]:
    """Returns the images with digests; those that have none yet get what is under their tags now.

    Raises UserError for those that are not in the registry, and what `Client.digest` does.

    to: the flag that names the registry again, for the hint; "" where the workspace does.
    """

    def asked(artefact: Artefact) -> Artefact:
        return replace(artefact, digest=artefact.digest or client.digest(artefact.reference))

    with ThreadPoolExecutor(jobs) as pool:
        found = tuple(pool.map(asked, artefacts))
    absent = [each for each in found if each.digest is None]
    if absent:
        raise _absent(absent, to)
    return found


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
