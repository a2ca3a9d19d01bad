"""What an AWS request says about itself: who asks, for what, when. Nothing is verified here.

Format: Signature Version 4, in the Authorization header or, for presigned URLs, in the query.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote

from tests.oci.registry.server import Request

_CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")


@dataclass(frozen=True)
class Asked:
    """A request that was answered.

    service:    the proxy's name, e.g. "s3".
    operation:  of JSON and query protocols, e.g. "StartBuild"; "" for S3 and registries.
    path:       decoded; of S3 "/bucket/key".
    query:      as it was sent.
    access_key: "" if it was not signed.
    sent, received: bytes of the bodies; what was received is what the proxy wanted to send.
    status:     of the answer; 0 if the connection was cut before it.
    """

    service: str
    method: str
    path: str
    query: str
    operation: str
    access_key: str
    sent: int
    received: int
    status: int

    @property
    def key(self) -> str:
        """The object's key in S3, "" for the bucket itself."""
        return self.path.removeprefix("/").partition("/")[2]


def access_key(request: Request) -> str:
    found = _CREDENTIAL.search(request.headers.get("authorization", ""))
    if found:
        return found[1]
    return request.query.get("X-Amz-Credential", [""])[0].partition("/")[0]


def operation(request: Request) -> str:
    """Returns X-Amz-Target's operation, or a form's Action."""
    target = request.headers.get("x-amz-target", "")
    if target:
        return target.rpartition(".")[2]
    if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
        return parse_qs(request.body().decode(errors="replace")).get("Action", [""])[0]
    return ""


def decoded_path(request: Request) -> str:
    return unquote(request.path)


def signed_at(request: Request) -> float | None:
    """Returns the client's time, in seconds since 1970; None if the request was not signed."""
    text = request.headers.get("x-amz-date") or request.query.get("X-Amz-Date", [""])[0]
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
