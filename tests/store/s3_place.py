"""A place of its own in the S3 of this test process, and clients of it."""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from lambdabuild.aws.meter import Meter, Usage
from lambdabuild.digest import Digest, Key
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.cache import S3ActionCache
from lambdabuild.store.s3.segments import decode_index, decode_results
from lambdabuild.store.s3.store import S3Store
from tests.cloud.moto_server import ACCOUNT, client, environment, new_bucket, put_object, stored_keys

_NUMBERS = itertools.count(1)
_bucket = cache(new_bucket)


@dataclasses.dataclass(frozen=True)
class S3Place:
    """A prefix that nobody else uses. Every client of it is like one on another machine.

    root: where its clients keep what they keep on disk.
    """

    root: Path
    endpoint: str | None = None
    prefix: str = dataclasses.field(default_factory=lambda: f"place/{next(_NUMBERS)}")

    def bucket(self, owner: str | None = ACCOUNT) -> Bucket:
        s3, _ = _client(self.endpoint)
        return Bucket(lambda: s3, _bucket(), self.prefix, owner, sleep=lambda seconds: None)

    def store(self) -> S3Store:
        """Returns a client for which every listing is old."""
        return S3Store(self.bucket(), self.directory(), clock=itertools.count(0, 10).__next__)

    def cache(self) -> S3ActionCache:
        """Returns a client for which every listing is old."""
        return S3ActionCache(self.bucket(), self.directory(), clock=itertools.count(0, 10).__next__)

    def directory(self) -> Path:
        self.root.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(dir=self.root))

    def opening(self, kind: str, name: str) -> str:
        """Returns Python statements that bind `name` to a client of class `kind`, in another process."""
        module = {"S3Store": "store", "S3ActionCache": "cache"}[kind]
        return (
            "import os, tempfile\nfrom pathlib import Path\n"
            f"os.environ.update({dict(environment())!r})\n"
            "from lambdabuild.aws.clients import Aws\nfrom lambdabuild.aws.meter import Meter\n"
            "from lambdabuild.store.s3.bucket import Bucket\n"
            f"from lambdabuild.store.s3.{module} import {kind}\n"
            f"aws = Aws(None, {ACCOUNT!r}, Meter())\n"
            f"place = Bucket(lambda: aws.client('s3'), {_bucket()!r}, {self.prefix!r}, {ACCOUNT!r})\n"
            f"{name} = {kind}(place, Path(tempfile.mkdtemp(dir={str(self.root)!r})))\n"
        )

    # --- behind the clients' backs -------------------------------------------

    def names(self, kind: str) -> list[str]:
        """Returns the names of the objects of a kind ("cas", "index", …)."""
        return sorted(self.bucket(None).list(f"{kind}/").objects)

    def get(self, key: str) -> bytes:
        stored = self.bucket(None).read(key, limit=1 << 40)
        assert stored is not None
        return stored.data

    def put(self, key: str, data: bytes) -> None:
        put_object(_bucket(), f"{self.prefix}/{key}", data)

    def remove(self, key: str) -> None:
        _client(None)[0].delete_object(Bucket=_bucket(), Key=f"{self.prefix}/{key}")

    def age(self, key: str, seconds: float) -> None:
        """Makes an object older than it is."""
        import datetime

        stored = stored_keys(_bucket())[f"{self.prefix}/{key}"]
        stored.last_modified -= datetime.timedelta(seconds=seconds)

    def objects_of(self, digest: Digest) -> set[str]:
        """Returns the names of the objects that the index names for a blob and that are there."""
        there = self.names("cas")
        found: set[str] = set()
        for segment in self.names("index"):
            for name, members in decode_index(self.get(f"index/{segment}")).items():
                if name in there and any(member.digest == digest for member in members):
                    found.add(name)
        return found

    def segment_of(self, key: Key) -> str:
        """Returns the name of the newest segment with a result for `key`."""
        segments = {name: decode_results(self.get(f"results/{name}")) for name in self.names("results")}
        counts = {name: entries[key].count for name, entries in segments.items() if key in entries}
        return max(counts, key=counts.__getitem__)

    def usage(self) -> Usage:
        """Returns what all clients of this endpoint have asked for; differences tell of a place."""
        return _client(self.endpoint)[1].usage()


@cache
def _client(endpoint: str | None) -> tuple[Any, Meter]:
    """Returns the client of this process: making one takes half a second."""
    s3, meter = client("s3", endpoint), Meter()
    meter.watch("s3", s3.meta.events)
    return s3, meter
