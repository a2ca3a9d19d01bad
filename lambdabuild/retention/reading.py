"""Repositories -> the images that they hold, with blobs, age and origin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lambdabuild.deploying import lineage
from lambdabuild.deploying.documents import Documents
from lambdabuild.deploying.plan import at_once
from lambdabuild.errors import UserError
from lambdabuild.oci import documents as oci_documents
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.registry.reference import parse_reference
from lambdabuild.retention.held import Held, Origin
from lambdabuild.retention.shelves import Entry, Shelf

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client


def read_images(place: str, shelf: Shelf, client: Callable[[], Client], known: Documents) -> list[Held]:
    """Returns all that a repository holds. place: host and repository."""

    def one(entry: Entry) -> Held | None:
        repository = client().repository(parse_reference(place))
        try:
            manifest = repository.manifest(entry.digest)
        except UserError:
            if repository.head(entry.digest) is None:
                return None  # somebody has just removed it
            if lineage.dated(known, entry.digest):
                raise  # an image: what it stands on has to be known
            return Held(place, entry.digest, entry.tags, None)  # a signature, say
        return _held(place, entry, manifest.data, known)

    return list(filter(None, at_once(one, shelf.entries())))


def _held(place: str, entry: Entry, data: bytes, known: Documents) -> Held:
    fields = oci_documents.decode(data, f"manifest {place}@{entry.digest}")
    sizes = {entry.digest: len(data)}
    layers: tuple[OciDigest, ...] = ()
    parts = tuple(each.digest("digest") for each in fields.objects_or_empty("manifests"))
    if not parts:
        for each in (fields.object_or_empty("config"), *fields.objects_or_empty("layers")):
            sizes[each.digest("digest")] = each.count("size")
        layers = tuple(each.digest("digest") for each in fields.objects_or_empty("layers"))
    found, recorded = lineage.find_dated(known, entry.digest)
    origins = tuple(
        Origin(each.workspace, each.state.label, each.state.platform, each.hash) for each in found
    )
    times = [time for time in (entry.pushed, recorded) if time]
    return Held(place, entry.digest, entry.tags, max(times, default=None), layers, sizes, parts, origins)
