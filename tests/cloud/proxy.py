"""A reverse proxy before a service: refuses what AWS would, counts what is asked, does harm by rules.

Bodies are held in memory. Absent: chunked request bodies, which no client of ours sends.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from tests.oci.registry.proxy import Fault, forwarded
from tests.oci.registry.server import Reply, Request, Server

from .asked import Asked, access_key, decoded_path, operation
from .dialects import Dialect
from .faults import Counter, Rule
from .guards import Guards


class Proxy:
    """Passes requests on to `upstream` ("127.0.0.1:port") from entry to exit.

    requests: what was asked, in order of the answers.
    """

    def __init__(self, name: str, dialect: Dialect, upstream: str, guards: Guards) -> None:
        self.name = name
        self.dialect: Dialect = dialect
        self.upstream = upstream
        self.guards = guards
        self.requests: list[Asked] = []
        self._rules: list[Counter] = []
        self._lock = threading.Lock()
        self._server = Server(self._respond)

    @property
    def host(self) -> str:
        return self._server.host

    @property
    def url(self) -> str:
        return self._server.url

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def add(self, *rules: Rule) -> None:
        """Adds rules. Each counts all that it matches; the first that wants a request gets it."""
        with self._lock:
            self._rules += map(Counter, rules)

    def reset(self) -> None:
        """Drops rules and records."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def asked(self, method: str = "", operation: str = "", part: str = "", client: str = "") -> list[Asked]:
        """Returns the requests with a method, an operation, a part of the path, of a client's access key."""
        return [
            each
            for each in list(self.requests)
            if method in ("", each.method)
            and operation in ("", each.operation)
            and part in each.path
            and client in ("", each.access_key)
        ]

    def _respond(self, request: Request) -> Reply:
        self._server.requests.clear()  # It would keep every body.
        answer = self._answer(request)
        with self._lock:
            self.requests.append(
                Asked(
                    service=self.name,
                    method=request.method,
                    path=decoded_path(request),
                    query=request.target.partition("?")[2],
                    operation=operation(request),
                    access_key=access_key(request),
                    sent=request.length,
                    received=len(answer.body),
                    status=0 if answer.cut == -1 else answer.status,
                )
            )
        return answer

    def _answer(self, request: Request) -> Reply:
        refused = self.guards.check(self.dialect, request)
        if refused:
            return refused
        fault = self._fault(request)
        return fault(request, self._forward) if fault else self._forward(request)

    def _fault(self, request: Request) -> Fault | None:
        with self._lock:
            wanted = [each.rule.fault for each in self._rules if each.take(request)]
        return wanted[0] if wanted else None

    def _forward(self, request: Request) -> Reply:
        return forwarded(self.upstream, request)
