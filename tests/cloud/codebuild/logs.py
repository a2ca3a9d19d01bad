"""A build's log, on its way to CloudWatch Logs: lines are gathered and sent a few times a second.

Limits: PutLogEvents takes 10,000 events or 1,048,576 bytes, counting 26 for each, and 262,144 an event.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from typing import Any

FLUSH_SECONDS = 0.1
_MOST_EVENTS = 10_000
_MOST_BYTES = 1_000_000
_MOST_LINE = 250_000


class LogWriter:
    """Writes one log stream, which it makes. client: returns a boto3 client of CloudWatch Logs."""

    def __init__(self, client: Callable[[], Any], group: str, stream: str) -> None:
        self._client = client()
        self._where = {"logGroupName": group, "logStreamName": stream}
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._closed = threading.Event()
        exists = self._client.exceptions.ResourceAlreadyExistsException
        with contextlib.suppress(exists):
            self._client.create_log_group(logGroupName=group)
        self._client.create_log_stream(**self._where)
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def write(self, line: str) -> None:
        """Adds a line, which needs no end."""
        message = line.encode()[:_MOST_LINE].decode(errors="ignore") + "\n"
        with self._lock:
            self._waiting.append({"timestamp": int(time.time() * 1000), "message": message})

    def close(self) -> None:
        """Sends what is left."""
        self._closed.set()
        self._thread.join()
        self._flush()

    def _follow(self) -> None:
        while not self._closed.wait(FLUSH_SECONDS):
            self._flush()

    def _flush(self) -> None:
        while batch := self._batch():
            self._client.put_log_events(**self._where, logEvents=batch)

    def _batch(self) -> list[dict[str, Any]]:
        with self._lock:
            size = count = 0
            for event in self._waiting[:_MOST_EVENTS]:
                size += len(event["message"].encode()) + 26
                if size > _MOST_BYTES:
                    break
                count += 1
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
            return batch
