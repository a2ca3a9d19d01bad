"""Out of the store: the order, and the trees of its sources."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, Protocol

from lambdabuild.digest import Digest
from lambdabuild.directory_reader import Limits, read_messages, read_tree
from lambdabuild.errors import ExternalError, UserError
from lambdabuild.order import Order
from lambdabuild.order.reading import MAX_COMPRESSED
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.worker.order_graph import Tree

_TOTAL: Final = Limits(entries=5_000_000)
"""What all trees of an order may unfold to together."""


class RemoteReader(Protocol):
    """What is needed of the remote content store here."""

    def missing(self, digests: Iterable[Digest]) -> set[Digest]: ...

    def read_all(self, digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]: ...


def fetch_order(bucket: Bucket, name: str) -> Order:
    """Returns the order of that name (64 hex digits); raises UserError if it is none or not there."""
    stored = bucket.read(f"orders/{name}", limit=MAX_COMPRESSED)
    if stored is None:
        raise UserError(
            f"the remote store has no order {name}",
            hint="orders are kept for some weeks; start the build again",
        )
    return Order.decode(stored.data, name)


def fetch_trees(order: Order, store: RemoteReader, lost: set[Digest]) -> Mapping[Digest, Tree]:
    """Returns the trees of the order's sources, by the digest of their root; not those that cannot be read.

    lost: gets the messages that are missing or damaged.

    Raises UserError for a tree that is none or too large: the order is refused.
    """
    roots = dict.fromkeys(each.sources for each in order.actions if each.sources)

    def read_all(digests: Iterable[Digest]) -> Iterator[tuple[Digest, bytes]]:
        return read_what_is_there(store, digests, lost)

    trees: dict[Digest, Tree] = {}
    left = _TOTAL.entries
    try:
        messages = read_messages(roots, read_all, limits=_TOTAL)
        for root in roots:
            limits = replace(Limits(), entries=min(left, Limits().entries))
            tree = _tree(root, messages, limits)
            if tree is not None:
                trees[root] = tree
                left -= len(tree)
    except ValueError as error:
        raise UserError(f"the order's sources are refused: {error}", hint="start the build again") from None
    return trees


def _tree(root: Digest, messages: Mapping[Digest, bytes], limits: Limits) -> Tree | None:
    try:
        return read_tree(root, messages.__getitem__, limits=limits)
    except KeyError:  # a message that is gone
        return None


def read_what_is_there(
    store: RemoteReader, digests: Iterable[Digest], gone: set[Digest]
) -> Iterator[tuple[Digest, bytes]]:
    """Yields the blobs that can be read, and adds the others to `gone`.

    Raises ExternalError where it is not the blobs that are at fault.
    """
    wanted = set(digests)
    while wanted:
        missing = store.missing(wanted)
        gone |= missing
        wanted -= missing
        try:
            for digest, data in store.read_all(sorted(wanted)):
                yield digest, data
                wanted.discard(digest)
            return
        except ExternalError:
            # The store forgets a blob that it found damaged: then there is less to ask for.
            if not _fewer(store, wanted):
                raise


def _fewer(store: RemoteReader, wanted: Collection[Digest]) -> bool:
    return bool(store.missing(wanted))
