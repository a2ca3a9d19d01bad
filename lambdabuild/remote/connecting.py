"""A session's settings and parts -> the work of one build on CodeBuild."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from lambdabuild.configured import ConfiguredGraph
from lambdabuild.errors import Location, UserError
from lambdabuild.external.pins import ImagePins
from lambdabuild.inputs import InputFiles
from lambdabuild.keys import KeyTable
from lambdabuild.oci.registry.reference import Reference, parse_reference
from lambdabuild.remote.ordering import Destinations, Orders
from lambdabuild.remote.services import SharedStore, codebuild
from lambdabuild.remote.working import RemoteWishes, RemoteWork
from lambdabuild.store import Stores
from lambdabuild.workspace import FILE_NAME, Workspace


def connect(
    workspace: Workspace,
    shared: SharedStore | None,
    cache_dir: Path,
    graph: ConfiguredGraph,
    keys: KeyTable,
    inputs: InputFiles,
    wishes: RemoteWishes,
    local: Stores,
    *,
    pins: Callable[[], ImagePins],
    mirrored: Callable[[Reference], Reference],
    keep_going: bool,
) -> RemoteWork:
    """Returns the work of one build; asks nothing yet. Raises UserError for settings that lack or are wrong.

    local:    where results of what runs here are kept.
    pins:     gives what external images are pinned to.
    mirrored: where an image of a registry is read.
    """
    if shared is None:
        raise UserError(
            "[codebuild] names no bucket to build with",
            at=Location(FILE_NAME),
            hint="lambdabuild bootstrap makes one, and prints the lines for WORKSPACE.toml",
        )
    service = codebuild(workspace, shared, cache_dir)
    destinations = Destinations()
    if wishes.push:
        destinations = Destinations(tuple(map(str, wishes.push.destinations)), wishes.push.items)
    orders = Orders(
        graph,
        keys,
        node_of=inputs.node,
        contents=inputs.contents,
        destinations=destinations,
        index=_index(workspace.text("python.index")),
        pins=lambda: _layer_places(pins(), mirrored),
        insecure=workspace.list("registry.insecure"),
    )
    prices = workspace.text("codebuild.prices")
    return RemoteWork(
        service,
        orders,
        wishes,
        local,
        absent=wishes.absent(keys),
        keep_going=keep_going,
        prices=workspace.root / prices if prices else None,
    )


def _layer_places(pins: ImagePins, mirrored: Callable[[Reference], Reference]) -> dict[str, str]:
    """Returns where each layer of the pinned images can be read."""
    places: dict[str, str] = {}
    for pin in pins.by_key.values():
        there = mirrored(parse_reference(pin.ref))
        name = str(Reference(there.host, there.repository, None, pin.image.digest))
        places.update((layer.digest, name) for layer in pin.image.layers)
    return places


def _index(url: str) -> str | None:
    """Returns the package index for workers; raises UserError for a URL with credentials."""
    if not url:
        return None
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise UserError(
            "[python] index has credentials in it, which would be readable in the bucket",
            at=Location(FILE_NAME),
            hint="give workers the index by PIP_INDEX_URL in the CodeBuild project, from Secrets Manager",
        )
    return url
