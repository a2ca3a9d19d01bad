"""Files into S3: one PutObject for what is small, an upload in parts for what is not.

Parts are read from the file when their turn comes, so that a few of them are in
memory at a time. An upload that fails is aborted; what even that does not
remove, the bucket's lifecycle does.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambdabuild.errors import LambdaBuildError

if TYPE_CHECKING:
    from lambdabuild.store.s3.bucket import Bucket

WHOLE = 64 << 20
"""Bytes up to which a file is sent as one."""

PART = 32 << 20
"""Bytes of a part, but for the last one. S3 takes at most 10,000."""

_THREADS = 4
_MOST_PARTS = 10_000


def write_file(bucket: Bucket, key: str, path: Path, size: int, when: Mapping[str, str]) -> bool:
    """Returns whether the object was written; False when the condition `when` did not hold."""

    def write() -> None:
        if size <= WHOLE:
            with open(path, "rb") as file:
                bucket.request(
                    "put_object", Key=bucket.key(key), Body=file, ChecksumAlgorithm="SHA256", **when
                )
        else:
            _write_parts(bucket, key, path, size, when)

    return bucket.settled(key, write, lambda: _equal(bucket, key, path, size))


def _write_parts(bucket: Bucket, key: str, path: Path, size: int, when: Mapping[str, str]) -> None:
    whole = bucket.key(key)
    started = bucket.request("create_multipart_upload", Key=whole, ChecksumAlgorithm="SHA256")
    upload = {"Key": whole, "UploadId": started["UploadId"]}
    try:
        parts = _parts(bucket, upload, path, size)
        bucket.request("complete_multipart_upload", **upload, MultipartUpload={"Parts": parts}, **when)
    except BaseException:
        _abort(bucket, upload)
        raise


def _parts(bucket: Bucket, upload: Mapping[str, str], path: Path, size: int) -> list[dict[str, Any]]:
    length = max(PART, -(-size // _MOST_PARTS))

    def send(number: int) -> dict[str, Any]:
        with open(path, "rb") as file:
            file.seek((number - 1) * length)
            body = file.read(length)
        answer = bucket.request(
            "upload_part", **upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256"
        )
        part = {"PartNumber": number, "ETag": answer["ETag"]}
        if "ChecksumSHA256" in answer:
            part["ChecksumSHA256"] = answer["ChecksumSHA256"]
        return part

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="part") as pool:
        futures = [pool.submit(send, number) for number in range(1, -(-size // length) + 1)]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()
            raise


def _abort(bucket: Bucket, upload: Mapping[str, str]) -> None:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        bucket.request("abort_multipart_upload", **upload)
    except (BotoCoreError, ClientError, LambdaBuildError):
        return  # the error that led here says more


def _equal(bucket: Bucket, key: str, path: Path, size: int) -> bool:
    """Returns whether the object holds the bytes of the file."""
    pieces = bucket.pieces(key, limit=size)
    if pieces is None:
        return False
    with open(path, "rb") as file:
        return all(file.read(len(piece)) == piece for piece in pieces) and not file.read(1)
