"""All images of a plan into all its registries, in parallel.

A base goes before the images that need its layers, which they then mount. One
that nobody asked for goes only when a registry lacks some of them. Further tags
of an image move once it is in all registries, so that no two of them differ in
what such a tag names for longer than that takes.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from lambdabuild.checking import check_built, refusal
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.errors import ExternalError, LambdaBuildError
from lambdabuild.keys import tag_of
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.outputs import BuiltImage
from lambdabuild.pushing.delivery import Delivery, deliver, move_tag
from lambdabuild.pushing.names import Destination
from lambdabuild.pushing.plan import Item, PushPlan
from lambdabuild.pushing.result import FAILED, SKIPPED, PushResult
from lambdabuild.pushing.shelf import Shelf
from lambdabuild.report import BuildReport
from lambdabuild.store import ContentStore
from lambdabuild.tracing import span

if TYPE_CHECKING:
    from lambdabuild.oci.registry.client import Client

ReadLayer: TypeAlias = Callable[[str, int], Iterable[bytes]]
"""Gives a layer that the store does not hold, by digest and size: from its own registry."""


_Key: TypeAlias = tuple[ConfiguredLabel, Destination]


class Pusher:
    """One push.

    built:  the images that were built, and the tag of each.
    layers: where layers come from that the store does not hold.
    """

    def __init__(
        self,
        plan: PushPlan,
        report: BuildReport,
        *,
        client: Client,
        store: ContentStore,
        layers: ReadLayer,
        keep_going: bool = False,
    ) -> None:
        self._plan = plan
        self._built: Mapping[ConfiguredLabel, tuple[BuiltImage, str]] = {
            target.id: (target.built, tag_of(target.hash))
            for target in report.targets
            if target.built and target.hash
        }
        self._client, self._store, self._layers = client, store, layers
        self._keep_going = keep_going
        self._shelves = {destination.host: Shelf() for destination in plan.destinations}
        self._results: dict[_Key, Future[PushResult]] = {}
        self._there: dict[_Key, Image] = {}
        self._unmoved: dict[_Key, PushResult] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._interrupted = threading.Event()
        self._processors = threading.Semaphore(os.cpu_count() or 1)

    def run(self, jobs: int) -> tuple[PushResult, ...]:
        """Pushes the images that were asked for; returns what became of each, and of bases that were needed.

        An image that fails is a result. After it no other is begun, unless told to keep going.

        jobs: how many images are worked on at once, and how many blobs sent.
        """
        blobs = ThreadPoolExecutor(jobs, thread_name_prefix="blob")
        with blobs as pool, ThreadPoolExecutor(jobs, thread_name_prefix="image") as images:
            futures = [
                images.submit(self._push, item, destination, pool)
                for item in self._plan.items.values()
                for destination in self._plan.destinations
                if item.asked and item.id in self._built
            ]
            try:
                wait(futures)
                tags: list[Future[None]] = [images.submit(self._move_tags, key) for key in self._to_tag()]
                wait(tags)
            except BaseException:
                self._stopped.set()
                self._interrupted.set()
                raise
        for future in futures:
            future.result()
        for moved in tags:
            moved.result()
        keys = ((id_, destination) for id_ in self._plan.items for destination in self._plan.destinations)
        results = {key: self._results[key].result() for key in keys if key in self._results}
        return tuple(self._unmoved.get(key, result) for key, result in results.items())

    def _to_tag(self) -> Iterator[_Key]:
        """Yields images with further tags, and where these move: everywhere, if the images are everywhere."""
        for item in self._plan.items.values():
            keys = [(item.id, destination) for destination in self._plan.destinations]
            if item.asked and item.tags and all(key in self._there for key in keys):
                yield from keys

    def _move_tags(self, key: _Key) -> None:
        """Moves the further tags of one image in one registry; what refuses becomes its result."""
        result = self._results[key].result()
        try:
            there = self._client.repository(result.reference, push=True)
            for tag in self._plan.items[key[0]].tags:
                move_tag(self._there[key], tag, there)
        except LambdaBuildError as error:
            self._unmoved[key] = PushResult(
                result.id, replace(result.reference, digest=None), FAILED, result.seconds, error=error
            )

    def _push(self, item: Item, destination: Destination, pool: Executor) -> PushResult:
        """Pushes one image to one registry, once, whoever asks first; the others wait for it."""
        with self._lock:
            first = (item.id, destination) not in self._results
            future = self._results.setdefault((item.id, destination), Future())
        if first:
            try:
                with span("push", "push", item.id.label, platform=item.id.platform):
                    future.set_result(self._try(item, destination, pool))
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def _try(self, item: Item, destination: Destination, pool: Executor) -> PushResult:
        _, tag = self._built[item.id]
        reference = destination.reference(item.repository, tag)
        if self._stopped.is_set():
            return PushResult(item.id, reference, SKIPPED)
        started = time.monotonic()
        try:
            there = self._client.repository(reference, push=True)
            work = self._delivery(item, reference, destination, pool)
            delivered, image = deliver(work, there, self._shelves[destination.host], pool)
        except LambdaBuildError as error:
            if not self._keep_going:
                self._stopped.set()
            return PushResult(item.id, reference, FAILED, time.monotonic() - started, error=error)
        self._there[item.id, destination] = image
        named = Reference(reference.host, reference.repository, tag, delivered.digest)
        return PushResult(item.id, named, delivered.status, time.monotonic() - started, delivered, item.tags)

    def _delivery(
        self, item: Item, reference: Reference, destination: Destination, pool: Executor
    ) -> Delivery:
        built, _ = self._built[item.id]
        return Delivery(
            built.image,
            lambda digest, size: self._pieces(built, digest, size),
            reference,
            item.shareable,
            before=lambda: self._check(item, built),
            bases=lambda digests: self._push_base(item, digests, destination, pool),
        )

    def _pieces(self, built: BuiltImage, digest: OciDigest, size: int) -> Iterator[bytes]:
        blob = built.layers.get(digest)
        for piece in self._store.pieces(blob) if blob else self._layers(digest, size):
            if self._interrupted.is_set():
                raise ExternalError("the push was interrupted")
            yield piece

    def _check(self, item: Item, built: BuiltImage) -> None:
        """Raises ActionFailed for an image that Lambda would refuse."""
        if not item.for_lambda:
            return
        with self._processors:
            error = refusal(check_built(item.id, built, self._store, item.handlers))
        if error:
            raise error

    def _push_base(
        self, item: Item, digests: Collection[OciDigest], destination: Destination, pool: Executor
    ) -> None:
        """Makes sure that the registry has the base, if some of `digests` are layers of it."""
        if item.base is None or item.base not in self._built:
            return
        layers = {layer.digest for layer in self._built[item.base][0].image.layers}
        if layers.isdisjoint(digests):
            return
        base = self._plan.items[item.base]
        origin = next((each for each in base.origins if each.host == destination.host), None)
        if origin:
            self._shelves[destination.host].note(origin.repository, layers)
            return
        result = self._push(base, destination, pool)
        if result.error:
            raise result.error
