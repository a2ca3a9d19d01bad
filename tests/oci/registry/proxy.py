"""A proxy before a registry that does to chosen requests what networks and registries do."""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from .server import Reply, Request, Server

Forward = Callable[[Request], Reply]
Fault = Callable[[Request, Forward], Reply]

_TIMEOUT_SECONDS = 60
# Not passed on: what is said between neighbours, and what every server says for itself.
_HOP = {"connection", "transfer-encoding", "keep-alive", "expect", "date", "server"}


@dataclass
class _Planned:
    method: str
    path: re.Pattern[str]
    fault: Fault
    times: int


class Proxy(Server):
    """Passes everything on to `upstream` ("127.0.0.1:port"), but for what `plan` says."""

    def __init__(self, upstream: str) -> None:
        super().__init__(self._respond)
        self.upstream = upstream
        self._plans: list[_Planned] = []
        self._lock = threading.Lock()

    def plan(self, method: str, path: str, *faults: Fault, times: int = 1) -> None:
        """Does `faults`, one a request, to the next requests with `method` and `path` (a regex)."""
        for fault in faults:
            self._plans.append(_Planned(method, re.compile(path), fault, times))

    def _respond(self, request: Request) -> Reply:
        with self._lock:
            fault = self._next(request)
        return fault(request, self._forward) if fault else self._forward(request)

    def _next(self, request: Request) -> Fault | None:
        for plan in self._plans:
            if plan.times and plan.method == request.method and plan.path.search(request.path):
                plan.times -= 1
                return plan.fault
        return None

    def _forward(self, request: Request) -> Reply:
        return forwarded(self.upstream, request)


def forwarded(upstream: str, request: Request) -> Reply:
    """Returns what `upstream`, "host:port", answers to a request that is passed on."""
    connection = http.client.HTTPConnection(upstream, timeout=_TIMEOUT_SECONDS)
    try:
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        connection.request(request.method, request.target, request.body() or None, headers)
        answer = connection.getresponse()
        kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP}
        return Reply(answer.status, answer.read(), kept)
    finally:
        connection.close()


def reply(answer: Reply) -> Fault:
    """Answers without asking the registry."""
    return lambda request, forward: answer


def cut_answer(at: int) -> Fault:
    """Closes the connection after so many bytes of the body; -1: before the status line."""
    return lambda request, forward: replace(forward(request), cut=at)


def cut_request(at: int) -> Fault:
    """Closes the connection after so many bytes of what is sent. The registry hears nothing of it."""

    def fault(request: Request, forward: Forward) -> Reply:
        request.skim(at)
        return Reply(cut=-1)

    return fault


def change(how: Callable[[Reply], Reply]) -> Fault:
    """Passes on a changed answer."""
    return lambda request, forward: how(forward(request))


def without_range(request: Request, forward: Forward) -> Reply:
    """Answers as one who does not know ranges."""
    headers = {name: value for name, value in request.headers.items() if name != "range"}
    return forward(replace(request, headers=headers))
