"""How AWS's services word an error: S3's XML, JSON 1.1, the query protocol's XML."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

from tests.oci.registry.server import Reply, error

Dialect = Literal["s3", "json", "query", "registry"]


@dataclass(frozen=True)
class Words:
    """What one and the same error is called.

    query: also what other dialects say that have no word of their own.
    """

    s3: tuple[int, str]
    json: tuple[int, str]
    query: tuple[int, str]


SLOW_DOWN = Words((503, "SlowDown"), (400, "ThrottlingException"), (400, "Throttling"))
INTERNAL = Words((500, "InternalError"), (500, "InternalServerError"), (500, "InternalFailure"))
DENIED = Words((403, "AccessDenied"), (400, "AccessDeniedException"), (403, "AccessDenied"))
EXPIRED = Words((400, "ExpiredToken"), (400, "ExpiredTokenException"), (403, "ExpiredToken"))
SKEWED = Words(
    (403, "RequestTimeTooSkewed"), (400, "InvalidSignatureException"), (403, "SignatureDoesNotMatch")
)


def refusal(dialect: Dialect, words: Words, message: str) -> Reply:
    """Returns the answer that says so."""
    if dialect == "s3":
        return s3_error(*words.s3, message)
    if dialect == "json":
        return json_error(*words.json, message)
    if dialect == "query":
        return query_error(*words.query, message)
    return error(words.query[0], words.query[1].upper(), message)


def s3_error(status: int, code: str, message: str) -> Reply:
    """Returns an error as S3 says it; status 200 is what CompleteMultipartUpload may answer."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "<RequestId>STANDIN</RequestId><HostId>stand-in</HostId></Error>"
    )
    return Reply(status, body.encode(), {"Content-Type": "application/xml"})


def json_error(status: int, code: str, message: str) -> Reply:
    body = json.dumps({"__type": code, "message": message}).encode()
    return Reply(status, body, {"Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": "STANDIN"})


def query_error(status: int, code: str, message: str) -> Reply:
    body = (
        "<ErrorResponse><Error><Type>Sender</Type>"
        f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
        "</Error><RequestId>STANDIN</RequestId></ErrorResponse>"
    )
    return Reply(status, body.encode(), {"Content-Type": "text/xml"})
