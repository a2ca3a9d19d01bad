"""Small documents that are written once: in the remote store's bucket, or on this machine without one.

    deploys/<place>/<id>/begun      what a deploy was going to do; see `records`
    deploys/<place>/<id>/ended      how that ended
    lineage/<sha256>/<hash>         what an image was made of; see `lineage`

Whoever may deploy may write them, so they are read as what anybody may have written.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

from lambdabuild.store.local import disk_errors, unreadable, write_atomically
from lambdabuild.store.s3.bucket import Bucket

MOST: Final = 4 << 20
"""Bytes of one document at most."""

FRESH: Final = 12 * 3600.0
"""Seconds for which a document counts as just written; half of what `clean --remote` never touches."""


class Documents(Protocol):
    """Documents by key; a key's parts are words of lower-case letters, digits and hyphens."""

    def create(self, key: str, data: bytes) -> bool:
        """Returns whether the document was written; False if there was one."""
        ...

    def read(self, key: str) -> bytes | None: ...

    def renew(self, key: str) -> None:
        """Gives a document today's date, with the same bytes; does nothing if it is `FRESH`, or not there."""
        ...

    def delete(self, key: str) -> None: ...

    def list(self, prefix: str) -> Mapping[str, float]:
        """Returns when each document below `prefix` was written, by the rest of its key; Unix time."""
        ...


class SharedDocuments:
    """In a bucket, for everybody who uses it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def create(self, key: str, data: bytes) -> bool:
        return self._bucket.create(key, data)

    def read(self, key: str) -> bytes | None:
        found = self._bucket.read(key, limit=MOST)
        return found.data if found else None

    def renew(self, key: str) -> None:
        found = self._bucket.read(key, limit=MOST)
        if found and found.now - found.modified > FRESH:
            self._bucket.replace(key, found.data, found.etag)

    def delete(self, key: str) -> None:
        self._bucket.delete(key)

    def list(self, prefix: str) -> Mapping[str, float]:
        return {name: each.modified for name, each in self._bucket.list(prefix).objects.items()}


class LocalDocuments:
    """Below a directory of this machine. root: the cache directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def create(self, key: str, data: bytes) -> bool:
        path = self._root / key
        if path.exists():
            return False
        scratch = self._root / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data, scratch)
        return True

    def read(self, key: str) -> bytes | None:
        path = self._root / key
        try:
            return path.read_bytes() if path.is_file() and path.stat().st_size <= MOST else None
        except OSError as error:
            raise unreadable(path, error) from error

    def renew(self, key: str) -> None:
        path = self._root / key
        with disk_errors(path), contextlib.suppress(FileNotFoundError):
            os.utime(path)

    def delete(self, key: str) -> None:
        path = self._root / key
        with disk_errors(path):
            path.unlink(missing_ok=True)

    def list(self, prefix: str) -> Mapping[str, float]:
        start = self._root / prefix
        found = {}
        for directory, _, names in os.walk(start):
            for name in names:
                path = Path(directory, name)
                found[path.relative_to(start).as_posix()] = path.stat().st_mtime
        return found
