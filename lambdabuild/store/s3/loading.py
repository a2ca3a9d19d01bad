"""The segments of one kind that a bucket lists, each read once.

Segments never change, so they are kept on this machine's disk by name, and
what is kept is verified when it is read. What is not listed any more is dropped.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Iterable, Mapping, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lambdabuild.digest import digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.store.local import disk_errors, write_atomically
from lambdabuild.store.s3.bucket import Bucket, Listing
from lambdabuild.store.s3.segments import STORED_LIMIT

_NAME = re.compile(r"[0-9a-f]{64}")
_THREADS = 8
_LISTINGS = 10


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is new. damaged: names of objects whose bytes are not what their names say."""

    listing: Listing
    new: Mapping[str, bytes]
    damaged: frozenset[str]


class SegmentFiles:
    """The segments of `kind` ("index" or "results") in a bucket; copies of them below `directory`."""

    def __init__(self, bucket: Bucket, kind: str, directory: Path) -> None:
        self._bucket = bucket
        self._kind = kind
        self._directory = place_of(bucket, directory) / kind

    def load(self, known: Set[str]) -> Loaded:
        """Returns the segments that are listed and not `known`.

        One that is merged into another between its listing and its reading is gone; then the
        other one is listed.
        """
        for _ in range(_LISTINGS):
            listing = named(self._bucket.list(f"{self._kind}/"))
            wanted = [name for name in listing.objects if name not in known]
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="segment") as pool:
                read = dict(zip(wanted, pool.map(self._read, wanted), strict=True))
            if None not in read.values():
                self._prune(listing.objects)
                new = {name: data for name, data in read.items() if data}
                return Loaded(listing, new, frozenset(read.keys() - new.keys()))
        raise ExternalError(
            f"the segments of {self._bucket}/{self._kind}/ change faster than they can be read",
            hint="run the same command again",
        )

    def keep(self, name: str, data: bytes) -> None:
        """Notes a segment that this process has just written."""
        scratch = self._directory / "tmp"
        with disk_errors(self._directory):
            scratch.mkdir(parents=True, exist_ok=True)
        write_atomically(self._directory / name, data, scratch)

    def _read(self, name: str) -> bytes | None:
        """Returns a segment's bytes; None if it is gone, b"" if it is not what its name says."""
        with contextlib.suppress(OSError):
            data = (self._directory / name).read_bytes()
            if digest_of(data).hash == name:
                return data
        data = b""
        for _ in range(2):  # what was damaged on its way is right the second time
            stored = self._bucket.read(f"{self._kind}/{name}", limit=STORED_LIMIT)
            if stored is None:
                return None
            if digest_of(stored.data).hash == name:
                data = stored.data
                self.keep(name, data)
                break
        return data

    def _prune(self, listed: Iterable[str]) -> None:
        kept = {*listed, "tmp"}
        with contextlib.suppress(OSError):
            for path in self._directory.iterdir():
                if path.name not in kept:
                    path.unlink()


def named(listing: Listing) -> Listing:
    """Returns the listing without what is not named like a segment."""
    return Listing({n: o for n, o in listing.objects.items() if _NAME.fullmatch(n)}, listing.now)


def place_of(bucket: Bucket, directory: Path) -> Path:
    """Returns where below `directory` the copies of what one bucket and prefix hold lie."""
    return directory / digest_of(f"{bucket.name}/{bucket.prefix}".encode()).hash[:16]


def scratch_of(bucket: Bucket, directory: Path) -> tempfile.TemporaryDirectory[str]:
    """Returns a new directory for files on their way, which goes when it is closed."""
    place = place_of(bucket, directory)
    with disk_errors(place):
        place.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=place, prefix="spool-", ignore_cleanup_errors=True)
