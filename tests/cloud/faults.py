"""What can befall a request: rules that pick requests, and what they do to them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from tests.oci.registry.proxy import Fault, Forward, change, cut_answer, reply
from tests.oci.registry.server import Reply, Request

from .asked import access_key, decoded_path, operation
from .dialects import INTERNAL, SLOW_DOWN, Dialect, refusal, s3_error

FOR_EVER = -1


@dataclass(frozen=True)
class Rule:
    """Picks requests. All that is said must hold; what is not said is not looked at.

    path:      regex that is searched in the decoded path and query, e.g. r"/cas/", r"\\?list-type=2".
    operation: of JSON and query protocols, e.g. "StartBuild".
    headers:   lower-case name -> regex that is searched in its value.
    client:    access key.
    first:     the how manieth of the requests that match; counted from 1.
    times:     how many from there on; FOR_EVER: all.
    """

    fault: Fault
    method: str = ""
    path: str = ""
    operation: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    client: str = ""
    first: int = 1
    times: int = 1

    def matches(self, request: Request) -> bool:
        query = request.target.partition("?")[2]
        where = f"{decoded_path(request)}?{query}" if query else decoded_path(request)
        return (
            self.method in ("", request.method)
            and bool(re.search(self.path, where))
            and self.operation in ("", operation(request))
            and self.client in ("", access_key(request))
            and all(re.search(each, request.headers.get(name, "")) for name, each in self.headers.items())
        )

    def wants(self, nth: int) -> bool:
        """Returns whether the rule is for the nth request that matches."""
        return nth >= self.first and (self.times == FOR_EVER or nth < self.first + self.times)


class Counter:
    """A rule, and how many requests have matched it."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.matched = 0

    def take(self, request: Request) -> bool:
        """Returns whether the rule wants this request, which counts."""
        if not self.rule.matches(request):
            return False
        self.matched += 1
        return self.rule.wants(self.matched)


def throttled(dialect: Dialect) -> Fault:
    """S3: 503 SlowDown; else ThrottlingException."""
    return reply(refusal(dialect, SLOW_DOWN, "Please reduce your request rate."))


def server_error(dialect: Dialect) -> Fault:
    return reply(refusal(dialect, INTERNAL, "We encountered an internal error. Please try again."))


def conflict() -> Fault:
    """What S3 answers to one of two conditional writes at once."""
    text = "The conditional request cannot succeed due to a conflicting operation against this resource."
    return reply(s3_error(409, "ConditionalRequestConflict", text))


def error_inside() -> Fault:
    """200 with an error for a body: what CompleteMultipartUpload answers once its headers are gone."""
    return reply(s3_error(200, "InternalError", "We encountered an internal error. Please try again."))


def lost_answer() -> Fault:
    """Does what is asked, and closes the connection without a word of it."""
    return cut_answer(-1)


def cut_off() -> Fault:
    """Closes the connection before the request gets anywhere."""
    return reply(Reply(cut=-1))


def cut_in_the_middle() -> Fault:
    """Does what is asked, and closes the connection halfway through the answer's body."""
    return lambda request, forward: _halved(forward(request))


def _halved(answer: Reply) -> Reply:
    return replace(answer, cut=len(answer.body) // 2)


def slow(seconds: float) -> Fault:
    """Waits before passing the request on."""

    def fault(request: Request, forward: Forward) -> Reply:
        time.sleep(seconds)
        return forward(request)

    return fault


def corrupted(at: int = 0) -> Fault:
    """Flips a bit of a byte of the answer's body; at: which, from the end if negative."""

    def flipped(answer: Reply) -> Reply:
        if not answer.body:
            return answer
        body = bytearray(answer.body)
        body[at] ^= 1
        return replace(answer, body=bytes(body))

    return change(flipped)


def truncated(size: int) -> Fault:
    """Sends the first bytes of the answer's body as if they were all."""

    def shorter(answer: Reply) -> Reply:
        headers = {name: each for name, each in answer.headers.items() if name.lower() != "content-length"}
        return replace(answer, body=answer.body[:size], headers=headers)

    return change(shorter)


def around(before: Callable[[], object] | None = None, after: Callable[[], object] | None = None) -> Fault:
    """Calls back before the request is passed on, and after it was answered but not yet to the client."""

    def fault(request: Request, forward: Forward) -> Reply:
        request.body()  # Before a callback kills who is sending it.
        if before:
            before()
        answer = forward(request)
        if after:
            after()
        return answer

    return fault
