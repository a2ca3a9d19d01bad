"""Bytes that come in pieces, held against the digest that they go by."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from lambdabuild.oci.digest import OciDigest


def verified(
    pieces: Iterable[bytes], digest: OciDigest, size: int, wrong: Callable[[str], Exception]
) -> Iterator[bytes]:
    """Yields `pieces`, the last one only once size and digest are known to fit.

    So whoever gets all of them has the right bytes, and nobody ever gets all of
    the wrong ones: what `wrong` makes of the reason is raised instead. Memory:
    two pieces.
    """
    hasher, count, held = hashlib.sha256(), 0, b""
    for piece in filter(None, pieces):
        count += len(piece)
        if count > size:
            raise wrong(f"more than its {size} bytes")
        hasher.update(piece)
        if held:
            yield held
        held = piece
    if count < size:
        raise wrong(f"only {count} of its {size} bytes")
    found = f"sha256:{hasher.hexdigest()}"
    if found != digest:
        raise wrong(f"other bytes, with the digest {found}")
    if held:
        yield held
