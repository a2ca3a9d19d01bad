"""What AWS refuses and moto does not: foreign buckets, wrong clocks, expired tokens, wrong checksums, rights.

Always on. What is refused, by what: "Error responses" of the S3 API reference; Signature Version 4's
5 minutes of skew for services, S3's 15.
"""

from __future__ import annotations

import base64
import hashlib
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.oci.registry.server import Reply, Request

from .asked import access_key, decoded_path, signed_at
from .dialects import DENIED, EXPIRED, SKEWED, Dialect, refusal, s3_error

WRITING = ("PUT", "POST", "DELETE")
_SKEW = {"s3": 15 * 60.0, "json": 5 * 60.0, "query": 5 * 60.0}


@dataclass(frozen=True)
class Denial:
    """A client may not use `methods` on keys of any bucket that begin with `prefix`. client: access key."""

    client: str
    prefix: str
    methods: tuple[str, ...] = WRITING


@dataclass
class Guards:
    """What all proxies of a cloud check.

    account: who owns everything.
    expired: access keys whose token is no longer valid.
    """

    account: str
    expired: set[str] = field(default_factory=set)
    denials: list[Denial] = field(default_factory=list)

    def reset(self) -> None:
        self.expired.clear()
        self.denials.clear()

    def check(self, dialect: Dialect, request: Request) -> Reply | None:
        """Returns how AWS refuses the request, None if it does not."""
        if dialect == "registry":
            return None
        checks: list[Callable[[Dialect, Request], Reply | None]] = [self._clock, self._token]
        if dialect == "s3":
            checks += [self._owner, self._rights, _checksums]
        return next(filter(None, (check(dialect, request) for check in checks)), None)

    def _clock(self, dialect: Dialect, request: Request) -> Reply | None:
        at = signed_at(request)
        if at is None or abs(at - time.time()) <= _SKEW[dialect]:
            return None
        if dialect == "s3":
            text = "The difference between the request time and the current time is too large."
        else:
            text = "Signature expired: the time of the request is too far from the current time."
        return refusal(dialect, SKEWED, text)

    def _token(self, dialect: Dialect, request: Request) -> Reply | None:
        if access_key(request) not in self.expired:
            return None
        return refusal(dialect, EXPIRED, "The provided token has expired.")

    def _owner(self, dialect: Dialect, request: Request) -> Reply | None:
        expected = request.headers.get("x-amz-expected-bucket-owner", self.account)
        return None if expected == self.account else refusal(dialect, DENIED, "Access Denied")

    def _rights(self, dialect: Dialect, request: Request) -> Reply | None:
        key = decoded_path(request).removeprefix("/").partition("/")[2]
        client = access_key(request)
        for each in self.denials:
            if each.client == client and key.startswith(each.prefix) and request.method in each.methods:
                action = f"s3:{request.method.title()}Object"
                text = f"User: {client} is not authorized to perform: {action} on resource: {key}"
                return refusal(dialect, DENIED, text)
        return None


def _checksums(dialect: Dialect, request: Request) -> Reply | None:
    if request.method != "PUT":
        return None
    for name, given, found in _digests(request):
        if given != found:
            if name == "x-amz-content-sha256":
                text = "The provided 'x-amz-content-sha256' header does not match what was computed."
                return s3_error(400, "XAmzContentSHA256Mismatch", text)
            text = f"The {name.removeprefix('x-amz-checksum-').upper()} you specified did not match the "
            return s3_error(400, "BadDigest", f"{text}calculated checksum.")
    return None


def _digests(request: Request) -> Iterator[tuple[str, str, str]]:
    """Yields (header, its value, what it ought to be) for the checksums that are given."""
    signed = request.headers.get("x-amz-content-sha256", "")
    if len(signed) == 64:  # else a word such as UNSIGNED-PAYLOAD
        yield "x-amz-content-sha256", signed, hashlib.sha256(request.body()).hexdigest()
    for name, compute in _CHECKSUMS.items():
        if name in request.headers:
            yield name, request.headers[name], base64.b64encode(compute(request.body())).decode()


_CHECKSUMS: dict[str, Callable[[bytes], bytes]] = {
    "content-md5": lambda data: hashlib.md5(data).digest(),
    "x-amz-checksum-sha256": lambda data: hashlib.sha256(data).digest(),
    "x-amz-checksum-sha1": lambda data: hashlib.sha1(data).digest(),
    "x-amz-checksum-crc32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
}
