"""What a build's orders need of the store: what is missing goes there, and is counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lambdabuild.digest import Digest
from lambdabuild.order import Order
from lambdabuild.order.reading import MAX_COMPRESSED
from lambdabuild.remote.ordering import Shipment
from lambdabuild.remote.services import SharedStore


@dataclass(frozen=True, slots=True)
class Uploading:
    """Bytes are on their way.

    done, total: of those that were missing, before compression.
    saved:       bytes that were there already.
    """

    done: int
    total: int
    saved: int


class Uploads:
    """The uploads of one build.

    uploaded: bytes of blobs that were sent, compressed.
    orders:   bytes of orders that were sent.
    saved:    bytes of blobs that did not have to be sent, before compression.
    """

    def __init__(self, shared: SharedStore, on_event: Callable[[Uploading], None]) -> None:
        self._shared, self._on_event = shared, on_event
        self._seen: set[Digest] = set()
        self.uploaded = self.orders = self.saved = 0

    def send(self, shipment: Shipment) -> str:
        """Brings an order and its blobs into the store; returns the order's name, 64 hex digits."""
        missing = self._shared.store.missing(shipment.blobs)
        fresh = shipment.blobs.keys() - self._seen
        self._seen |= fresh
        self.saved += sum(digest.size for digest in fresh - missing)
        if missing:
            done, total = 0, sum(digest.size for digest in missing)

            def progress(count: int) -> None:
                nonlocal done
                done += count
                self._on_event(Uploading(done, total, self.saved))

            blobs = {digest: shipment.blobs[digest] for digest in missing}
            self.uploaded += self._shared.store.upload(blobs, progress).compressed
        return self._send_order(shipment.order)

    def _send_order(self, order: Order) -> str:
        name, data = order.digest.hash, order.encode()
        bucket, key = self._shared.bucket, f"orders/{name}"
        if bucket.create(key, data):
            self.orders += len(data)
            return name
        found = bucket.read(key, limit=max(len(data), MAX_COMPRESSED))
        if found is not None and found.data != data:  # damaged, or by another release
            bucket.replace(key, data, found.etag)
        return name
