"""The blobs of one registry: each is brought there once, and mounted from then on."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambdabuild.oci.digest import OciDigest
from lambdabuild.tracing import span

if TYPE_CHECKING:
    from lambdabuild.oci.registry.repository import Repository


@dataclass(frozen=True, slots=True)
class Blob:
    """What a repository should have. `pieces` gives all `size` bytes anew each time it is called."""

    digest: OciDigest
    size: int
    pieces: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Brought:
    """How a blob came into a repository: `sent` bytes, or `mounted`, or neither if it was there."""

    sent: int = 0
    mounted: bool = False


class Shelf:
    """Which repositories of one registry are known to hold which blobs. For any thread."""

    def __init__(self) -> None:
        self._holders: dict[OciDigest, dict[str, None]] = defaultdict(dict)
        self._turns: dict[OciDigest, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def note(self, repository: str, digests: Iterable[OciDigest]) -> None:
        """Remembers that `repository` (without host) holds these blobs."""
        with self._lock:
            for digest in digests:
                self._holders[digest][repository] = None

    def bring(self, blob: Blob, repository: str, there: Repository, *, look: bool) -> Brought:
        """Makes sure that a repository holds a blob, and returns what that took.

        Of those who want one blob in one registry at once, the first sends it; the others
        wait, and then mount it. Raises what `Repository.upload` does.

        repository: that of `there`, without host.
        look:       ask first whether it is there: nobody said that it is missing.
        """
        with self._turn(blob.digest):
            holders = self._holders_of(blob.digest)
            if repository in holders:
                return Brought()
            source = next(iter(holders), None)
            if look and source is None and there.has_blob(blob.digest):
                brought = Brought()
            else:
                with span("push", "send or mount a blob", bytes=blob.size) as work:
                    mounted = there.upload(blob.digest, blob.size, blob.pieces, mount_from=source)
                    work.note(mounted=mounted)
                brought = Brought(mounted=True) if mounted else Brought(blob.size)
            self.note(repository, [blob.digest])
            return brought

    def _turn(self, digest: OciDigest) -> threading.Lock:
        with self._lock:
            return self._turns[digest]

    def _holders_of(self, digest: OciDigest) -> tuple[str, ...]:
        with self._lock:
            return tuple(self._holders[digest])
