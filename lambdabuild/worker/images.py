"""The images of an order, pushed as a push from any machine does it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from lambdabuild.action import ActionResult
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import LambdaBuildError, UserError
from lambdabuild.oci.digest import parse_oci_digest
from lambdabuild.oci.registry.reference import Reference, parse_reference
from lambdabuild.order import MadeFile, Order, PushedImage
from lambdabuild.outputs import BuiltImage
from lambdabuild.pushing.names import parse_destinations
from lambdabuild.pushing.plan import Item, PushPlan
from lambdabuild.pushing.pusher import Pusher
from lambdabuild.pushing.result import FAILED, PushResult
from lambdabuild.report import BUILT, BuildReport, TargetReport
from lambdabuild.store.layered import LayeredStore

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client

TRANSFERS = 16
"""Requests to registries that are under way at once."""

Results = Mapping[Key, ActionResult]


def push_plan(order: Order) -> PushPlan:
    """Returns what goes where."""
    items = {}
    for image in order.images:
        items[image.id] = Item(
            image.id,
            image.repository,
            image.tags,
            base=None if image.base is None else order.images[image.base].id,
            asked=image.asked,
            for_lambda=image.for_lambda,
            handlers=image.handlers,
            shareable=image.shareable,
            origins=tuple(map(parse_reference, image.origins)),
        )
    return PushPlan(items, parse_destinations(order.destinations))


def push(
    order: Order,
    results: Results,
    store: LayeredStore,
    client: Client,
) -> tuple[PushResult, ...]:
    """Pushes the images whose parts are there; returns what became of each, and of bases that were needed.

    An image whose parts are no image is a result that says so.
    """
    plan = push_plan(order)
    built: list[TargetReport] = []
    broken: list[PushResult] = []
    for image in order.images:
        if not all(part.key in results for part in files_of(image)):
            continue
        try:
            built.append(_report(image, results, store))
        except LambdaBuildError as error:
            broken += _failures(image, plan, error)
    pusher = Pusher(
        plan,
        BuildReport(tuple(built), ()),
        client=client,
        store=store,
        layers=lambda digest, size: pinned_layer(order, client, digest, size),
        keep_going=True,
    )
    return (*pusher.run(TRANSFERS), *broken)


def pinned_layer(order: Order, client: Client, digest: str, size: int) -> Iterable[bytes]:
    """Returns a layer of an external base, from where it is pinned; raises UserError for another."""
    wanted = parse_oci_digest(digest)
    if wanted not in order.pins:
        raise UserError(f"the order does not say where the layer {digest} is", hint="start the build again")
    return client.repository(parse_reference(order.pins[wanted])).blob(wanted, size)


def pushed_keys(order: Order, pushes: Iterable[PushResult]) -> Iterator[Key]:
    """Yields the deep keys of the images that are where they have to be."""
    succeeded: dict[ConfiguredLabel, int] = {}
    failed: set[ConfiguredLabel] = set()
    for each in pushes:
        succeeded[each.id] = succeeded.get(each.id, 0) + bool(each.delivered)
        if not each.delivered:
            failed.add(each.id)
    images: dict[Key, list[PushedImage]] = {}
    for image in order.images:
        images.setdefault(image.manifest.key, []).append(image)
    everywhere = len({*order.destinations})
    for key, group in images.items():
        wanted = [image for image in group if image.asked]
        if all(succeeded.get(image.id, 0) == everywhere for image in wanted) and not any(
            image.id in failed for image in group
        ):
            yield key


def files_of(image: PushedImage) -> list[MadeFile]:
    """Returns the parts of an image."""
    parts = [image.manifest, image.config]
    for layer in image.layers:
        parts += [layer.blob, layer.descriptor]
    return parts


def _report(image: PushedImage, results: Results, store: LayeredStore) -> TargetReport:
    def digest(made: MadeFile) -> Digest:
        return results[made.key].outputs[made.output].digest

    layers = [(digest(layer.blob), digest(layer.descriptor)) for layer in image.layers]
    built = BuiltImage(store, digest(image.manifest), digest(image.config), layers)
    # Of a hash, a tag has the first digits, and those are all that is wanted of it here.
    return TargetReport(image.id, "", BUILT, Key(image.tag.removeprefix("b3-")), built=built)


def _failures(image: PushedImage, plan: PushPlan, error: LambdaBuildError) -> list[PushResult]:
    references: list[Reference] = [
        destination.reference(image.repository, image.tag) for destination in plan.destinations
    ]
    return [PushResult(image.id, reference, FAILED, error=error) for reference in references]
