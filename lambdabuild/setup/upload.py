"""What a remote store holds before anything is built: the worker, and store.json.

The worker is a zip that holds worker.pex and nothing else, since CodeBuild takes
no other file from S3 as a build's source. It is named by the SHA-256 of
worker.pex, which the project's buildspec holds too.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.store.s3.bucket import Bucket

STORE: Final = "store.json"
STORE_LIMIT: Final = 64 * 1024
"""Bytes of store.json; more is not read."""

_FORMAT: Final = 1
_MEMBER: Final = "worker.pex"
_TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class StoreDocument:
    """store.json: what the store is.

    blob_days, result_days: after how many days the bucket's lifecycle removes blobs and results.
    worker:                 SHA-256 of worker.pex, "" if not said.
    version:                of the lambdabuild that made it, "" if not said.
    """

    blob_days: int
    result_days: int
    worker: str = ""
    version: str = ""

    def encode(self) -> bytes:
        """Returns the document as JSON with a line end."""
        document = {
            "format": _FORMAT,
            "blob_days": self.blob_days,
            "result_days": self.result_days,
            "worker": {"sha256": self.worker, "lambdabuild": self.version},
        }
        return (json.dumps(document, indent=2) + "\n").encode()

    @staticmethod
    def decode(data: bytes, at: str) -> StoreDocument:
        """Returns what `data` says; raises UserError, which names `at`, for what is no such document."""
        try:
            document = json.loads(data)
            if not isinstance(document, dict) or document.get("format") != _FORMAT:
                raise ValueError
            worker = document.get("worker", {})
            if not isinstance(worker, dict):
                raise ValueError
            return StoreDocument(
                _days(document["blob_days"]),
                _days(document["result_days"]),
                _text(worker.get("sha256", "")),
                _text(worker.get("lambdabuild", "")),
            )
        except (ValueError, KeyError, RecursionError):
            raise UserError(
                f"{at} is no description of a store that this lambdabuild understands",
                hint="upgrade lambdabuild, or write it anew: lambdabuild bootstrap",
            ) from None


def read_store(bucket: Bucket) -> StoreDocument | None:
    """Returns what store.json says, or None if there is none."""
    stored = bucket.read(STORE, limit=STORE_LIMIT)
    return None if stored is None else StoreDocument.decode(stored.data, f"{bucket}/{STORE}")


def write_store(bucket: Bucket, document: StoreDocument) -> bool:
    """Returns whether store.json had to be written; others who write it at the same time are overtaken."""
    for _ in range(_TRIES):
        stored = bucket.read(STORE, limit=STORE_LIMIT)
        if stored is not None and stored.data == document.encode():
            return False
        if bucket.replace(STORE, document.encode(), None if stored is None else stored.etag):
            return True
    raise ExternalError(f"{bucket}/{STORE} is being written by somebody else", hint="try again")


def worker_key(sha256: str) -> str:
    """Returns the name of the worker's zip, below the store's prefix."""
    return f"worker/{sha256}.zip"


def has_worker(bucket: Bucket, sha256: str) -> bool:
    """Returns whether the store holds the worker."""
    return bool(bucket.list(worker_key(sha256)).objects)


def upload_worker(bucket: Bucket, pex: Path, sha256: str, scratch: Path) -> bool:
    """Returns whether the worker had to be sent; `scratch` is a directory for its zip."""
    if has_worker(bucket, sha256):
        return False
    packed = zip_worker(pex, scratch / f"{sha256}.zip")
    return bucket.create_file(worker_key(sha256), packed, packed.stat().st_size)


def zip_worker(pex: Path, out: Path) -> Path:
    """Returns `out`, a zip whose bytes depend on those of `pex` alone."""
    member = zipfile.ZipInfo(_MEMBER)  # of 1980, if not told otherwise
    member.external_attr = 0o644 << 16
    member.create_system = 3  # Unix, on any machine
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:  # a pex is a zip itself
        archive.writestr(member, pex.read_bytes())
    return out


def store_document(parameters: Mapping[str, str], version: str) -> StoreDocument:
    """Returns what store.json has to say of a stack with these parameters."""
    return StoreDocument(
        int(parameters["BlobDays"]), int(parameters["ResultDays"]), parameters["WorkerDigest"], version
    )


def _days(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 100:
        raise ValueError
    return value
