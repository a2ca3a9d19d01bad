"""Counts what is asked of AWS: requests, and the bytes of their bodies.

Fed by botocore's events, so that every attempt counts, as it does on the bill.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """What was asked until some moment; the difference of two is what was asked in between.

    requests: number of requests by service and operation, e.g. "s3:PutObject".
    sent:     bytes of request bodies.
    received: bytes of answers' bodies.
    """

    requests: Mapping[str, int] = field(default_factory=dict)
    sent: int = 0
    received: int = 0

    def __sub__(self, earlier: Usage) -> Usage:
        counts = {name: n - earlier.requests.get(name, 0) for name, n in self.requests.items()}
        return Usage(
            {name: n for name, n in counts.items() if n},
            self.sent - earlier.sent,
            self.received - earlier.received,
        )


class Meter:
    """Counts the requests of any number of clients, in any number of threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()
        self._sent = 0
        self._received = 0

    def usage(self) -> Usage:
        """Returns what was counted until now."""
        with self._lock:
            return Usage(dict(self._requests), self._sent, self._received)

    def watch(self, service: str, events: Any) -> None:
        """Counts all that a client does.

        service: its name for boto3, which becomes the first part of the names in `requests`.
        events:  its event emitter (`client.meta.events`).
        """

        def sending(request: Any, event_name: str, **rest: object) -> None:
            size = _number(request.headers.get("Content-Length"))
            with self._lock:
                self._requests[f"{service}:{event_name.rpartition('.')[2]}"] += 1
                self._sent += size

        def received(response_dict: Mapping[str, Any] | None, **rest: object) -> None:
            if response_dict is None:  # the connection broke before an answer
                return
            body = response_dict["body"]
            size = len(body) if isinstance(body, bytes) else _length(response_dict["headers"])
            with self._lock:
                self._received += size

        identity = f"lambdabuild-meter-{id(self)}"
        events.register("before-send", sending, unique_id=f"{identity}-sending")
        events.register("response-received", received, unique_id=f"{identity}-received")


def _length(headers: Mapping[str, str]) -> int:
    return _number(headers.get("content-length"))


def _number(header: str | bytes | None) -> int:
    """Returns the bytes that a Content-Length header tells, 0 if there is none."""
    text = header.decode("ascii", "replace") if isinstance(header, bytes) else header or ""
    return int(text) if text.isascii() and text.isdecimal() else 0
