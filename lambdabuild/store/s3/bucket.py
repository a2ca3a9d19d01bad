"""Objects of one bucket below one prefix: read, create, replace, list, delete.

All that knows S3's requests, with `multipart`. Every request says who the
bucket has to belong to, every object comes with its SHA-256. Knows nothing of
what is in the objects.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from lambdabuild.aws.errors import POLICY, aws_errors, code_of
from lambdabuild.digest import CHUNK
from lambdabuild.errors import ExternalError, UserError
from lambdabuild.tracing import span

CONFLICTS = 8
"""How often a write that another one got in the way of (409) is tried, and a body that broke off is read."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()-]+(/[A-Za-z0-9!_.*'()-]+)*")


@dataclass(frozen=True, slots=True)
class Stored:
    """An object's bytes, or a range of them. Times are seconds since 1970, by S3's clock.

    modified: when the object was written.
    now:      when it was read.
    """

    data: bytes
    etag: str
    modified: float
    now: float


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing says of one object. modified: seconds since 1970, by S3's clock."""

    size: int
    modified: float
    etag: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The objects below some prefix by the rest of their names, and when that was (`now`, S3's clock)."""

    objects: Mapping[str, Listed]
    now: float


def parse_place(text: str) -> tuple[str, str]:
    """Returns bucket and prefix ("" for none) of "s3://bucket/prefix"; raises UserError."""
    scheme, _, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    prefix = prefix.removesuffix("/")
    if scheme != "s3" or not _NAME.fullmatch(bucket) or (prefix and not _PREFIX.fullmatch(prefix)):
        raise UserError(f"not a place in S3: {text!r}", hint="write it as s3://bucket or s3://bucket/prefix")
    if {".", ".."} & set(prefix.split("/")):
        raise UserError(f"not a place in S3: {text!r}", hint="leave . and .. out of the prefix")
    return bucket, prefix


class Bucket:
    """The objects of bucket `name` below `prefix`. For any thread.

    client: gives the boto3 client of S3.
    owner:  the account that the bucket has to belong to; None where it is not known.
    sleep:  waits for some seconds, between tries.
    rights: what to do where a right lacks.
    """

    def __init__(
        self,
        client: Callable[[], Any],
        name: str,
        prefix: str,
        owner: str | None,
        *,
        sleep: Callable[[float], None] = time.sleep,
        rights: str = POLICY,
    ) -> None:
        self.name = name
        self.prefix = prefix
        self.owner = owner
        self._client = client
        self._sleep = sleep
        self._rights = rights

    def needing(self, rights: str) -> Bucket:
        """Returns the same objects for who needs more rights than a client: errors say `rights`."""
        return Bucket(self._client, self.name, self.prefix, self.owner, sleep=self._sleep, rights=rights)

    def __str__(self) -> str:
        return f"s3://{self.name}/{self.prefix}".removesuffix("/")

    def read(self, key: str, range_: tuple[int, int] | None = None, *, limit: int) -> Stored | None:
        """Returns an object, or None if there is none.

        range_: (offset, length) in bytes; what the object does not have of it is left out, and a range
                that begins behind its end gives None.
        limit: bytes; a longer answer raises ExternalError and is not read.
        """
        for attempt in range(CONFLICTS):
            with self._errors("read", key):
                answer = self._get(key, range_)
                if answer is None:
                    return None
                if answer["ContentLength"] > limit:
                    answer["Body"].close()
                    raise self._too_large(key, limit)
                try:
                    data = answer["Body"].read()
                except _broken_bodies():
                    if attempt == CONFLICTS - 1:
                        raise
                    self._pause(attempt)
                    continue
            return Stored(data, answer["ETag"], _seconds(answer["LastModified"]), self._now(answer))
        raise AssertionError

    def pieces(self, key: str, *, limit: int) -> Iterator[bytes] | None:
        """Returns an object's bytes in pieces, or None if there is none; goes on where one broke off.

        The bytes are not verified: whoever asks knows their digest.
        """
        with self._errors("read", key):
            answer = self._get(key, (0, limit + 1))
        return None if answer is None else self._rest(key, answer, limit)

    def create(self, key: str, data: bytes) -> bool:
        """Returns whether the object was created; False if there was one already."""
        return self._write(key, data, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, etag: str | None) -> bool:
        """Returns whether the object was replaced; False if it is not the one of `etag` any more.

        etag: None means that there has to be none yet.
        """
        return self._write(key, data, condition(etag))

    def create_file(self, key: str, path: Path, size: int, *, etag: str | None = None) -> bool:
        """Returns whether the object was made of a file of `size` bytes, as `replace` does."""
        from lambdabuild.store.s3 import multipart

        return multipart.write_file(self, key, path, size, condition(etag))

    def list(self, prefix: str) -> Listing:
        """Returns all objects whose names begin with `prefix`, such as "cas/"."""
        start = self.key(prefix)
        objects: dict[str, Listed] = {}
        now: float | None = None
        more: dict[str, str] = {}
        while True:
            with self._errors("list", prefix):
                answer = self.request("list_objects_v2", Prefix=start, **more)
            now = self._now(answer) if now is None else now
            for entry in answer.get("Contents", ()):
                modified = _seconds(entry["LastModified"])
                objects[entry["Key"].removeprefix(start)] = Listed(entry["Size"], modified, entry["ETag"])
            if not answer.get("IsTruncated"):
                return Listing(objects, now)
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def delete(self, key: str) -> bool:
        """Returns whether the object is gone; False if this role may not delete it."""
        from botocore.exceptions import ClientError

        with self._errors("delete", key):
            try:
                self.request("delete_object", Key=self.key(key))
            except ClientError as error:
                if code_of(error) not in ("AccessDenied", "403"):
                    raise
                return False
        return True

    def key(self, name: str) -> str:
        """Returns the whole key of the object that is called `name` here."""
        return f"{self.prefix}/{name}" if self.prefix else name

    def request(self, method: str, **parameters: object) -> Any:
        """Returns the answer to one call of the client, for this bucket and its owner."""
        if self.owner:
            parameters["ExpectedBucketOwner"] = self.owner
        with span("remote store", method):
            return getattr(self._client(), method)(Bucket=self.name, **parameters)

    def settled(self, key: str, write: Callable[[], object], mine: Callable[[], bool]) -> bool:
        """Returns whether a conditional write was done; False when its condition did not hold.

        mine: whether the object is the one that `write` writes. It is asked when an earlier attempt
              may have come through though its answer was lost, so that the next met its own work.
        """
        from botocore.exceptions import ClientError

        for attempt in range(CONFLICTS):
            with self._errors("write", key):
                try:
                    write()
                    return True
                except ClientError as error:
                    if status_of(error) in (404, 412) and code_of(error) != "NoSuchBucket":
                        return _was_repeated(error) and mine()
                    if status_of(error) != 409 or attempt == CONFLICTS - 1:
                        raise
            self._pause(attempt)
        raise AssertionError

    def _write(self, key: str, data: bytes, when: Mapping[str, str]) -> bool:
        def write() -> None:
            self.request("put_object", Key=self.key(key), Body=data, ChecksumAlgorithm="SHA256", **when)

        def mine() -> bool:
            found = self.read(key, limit=len(data) + (1 << 20))
            return found is not None and found.data == data

        return self.settled(key, write, mine)

    def _get(self, key: str, range_: tuple[int, int] | None, **match: str) -> Any:
        """Returns the answer to GetObject; None if there is no such object, or nothing in the range."""
        from botocore.exceptions import ClientError

        wanted = {} if range_ is None else {"Range": f"bytes={range_[0]}-{range_[0] + range_[1] - 1}"}
        try:
            return self.request("get_object", Key=self.key(key), **wanted, **match)
        except ClientError as error:
            if status_of(error) in (404, 416) and code_of(error) != "NoSuchBucket":
                return None
            raise

    def _rest(self, key: str, answer: Any, limit: int) -> Iterator[bytes]:
        got = failures = 0
        while True:
            with self._errors("read", key):
                try:
                    while piece := answer["Body"].read(CHUNK):
                        got += len(piece)
                        if got > limit:
                            raise self._too_large(key, limit)
                        yield piece
                    return
                except _wrong_checksums():
                    return  # all of it has come; whoever asked holds it against a digest
                except _broken_bodies():
                    failures += 1
                    if failures == CONFLICTS:
                        raise
                self._pause(failures)
                answer = self._get(key, (got, limit + 1 - got), IfMatch=answer["ETag"])
                if answer is None:
                    raise ExternalError(f"{self}/{key} was removed while it was read", hint="try again")

    def _pause(self, attempt: int) -> None:
        self._sleep(min(5.0, 0.05 * 2**attempt))

    def _errors(self, verb: str, key: str) -> Any:
        return aws_errors(
            f"cannot {verb} the remote store",
            service="s3",
            resource=f"{self}/{key}",
            owner=self.owner,
            rights=self._rights,
        )

    def _too_large(self, key: str, limit: int) -> ExternalError:
        return ExternalError(
            f"{self}/{key} is larger than the {limit} bytes that it may have",
            hint=f"remove it: `aws s3 rm {self}/{key}`",
        )

    def _now(self, answer: Any) -> float:
        try:
            return parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"]).timestamp()
        except (KeyError, ValueError):
            raise ExternalError(
                f"an answer about {self} tells no time", hint="look for a proxy that changes answers"
            ) from None


def condition(etag: str | None) -> Mapping[str, str]:
    """Returns the parameter of a write for which the object has to be that of `etag`, or not to be."""
    return {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}


def status_of(error: Any) -> int:
    """Returns the HTTP status of a ClientError."""
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _was_repeated(error: Any) -> bool:
    return bool(error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def _broken_bodies() -> tuple[type[Exception], ...]:
    """Returns what is raised when a body breaks off, stalls, or differs from its checksum."""
    from botocore import exceptions
    from urllib3.exceptions import HTTPError

    return (
        *_wrong_checksums(),
        exceptions.IncompleteReadError,
        exceptions.ReadTimeoutError,
        exceptions.ResponseStreamingError,
        HTTPError,
    )


def _wrong_checksums() -> tuple[type[Exception], ...]:
    from botocore.exceptions import FlexibleChecksumError

    return (FlexibleChecksumError,)


def _seconds(moment: datetime) -> float:
    return moment.timestamp()
