"""The Lambda runtime API, as one instance of a function sees it, for one event.

    GET  /2018-06-01/runtime/invocation/next            the event; waits when there is none any more
    POST /2018-06-01/runtime/invocation/<id>/response   the handler's answer
    POST /2018-06-01/runtime/invocation/<id>/error      the handler raised
    POST /2018-06-01/runtime/init/error                 it never came to a handler

Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
Absent: extensions, telemetry, restore hooks.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

from lambdabuild.running.answer import Answer, failure, reported_failure
from lambdabuild.running.http import HttpServer, Request, Response

MAX_PAYLOAD: Final = 6_291_556
"""Bytes of a buffered response; Lambda refuses longer ones."""

_PREFIX = "/2018-06-01/runtime/"


class Asked:
    """The runtime asks for an event: it has started, or is done with the last one."""


@dataclass(frozen=True)
class Event:
    """What the function is called with.

    seconds: how long it may take, from when the runtime fetches the event.
    arn:     what the function is told that it is called as.
    """

    payload: bytes
    seconds: float
    arn: str


class RuntimeApi:
    """Serves one event on a port of 127.0.0.1, from entry to exit.

    report: is told, on threads of the server, that the runtime asks, and its answer,
            before the runtime hears that it has been taken. Only the first answer counts.
    """

    def __init__(self, event: Event, report: Callable[[Asked | Answer], None]) -> None:
        self.request_id = str(uuid.uuid4())
        self._event: Event | None = event
        self._report = report
        self._answered = False
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._server = HttpServer(self._respond)
        self.port = self._server.port

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.__exit__(kind, error, trace)

    def _respond(self, request: Request) -> Response | None:
        if not request.path.startswith(_PREFIX):
            return _said(HTTPStatus.NOT_FOUND)
        match request.method, *request.path.removeprefix(_PREFIX).split("/"):
            case ["GET", "invocation", "next"]:
                return self._next()
            case ["POST", "init", "error"]:
                return self._answer(reported_failure("init error", request.body, _error_type(request)))
            case ["POST", "invocation", request_id, "response" | "error"] if request_id != self.request_id:
                return _said(HTTPStatus.BAD_REQUEST)
            case ["POST", "invocation", _, "error"]:
                return self._answer(reported_failure("handler error", request.body, _error_type(request)))
            case ["POST", "invocation", _, "response"]:
                return self._response(request)
        return _said(HTTPStatus.NOT_FOUND)

    def _next(self) -> Response | None:
        self._report(Asked())
        with self._lock:
            event, self._event = self._event, None
        if event is None:
            self._closed.wait()  # as Lambda freezes an instance between two events
            return None
        now = time.time()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((now + event.seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": event.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(now):08x}-{uuid.uuid4().hex[:24]};Sampled=0",
        }
        return Response(HTTPStatus.OK, event.payload, headers)

    def _response(self, request: Request) -> Response:
        streamed = request.headers.get("lambda-runtime-function-response-mode") == "streaming"
        if len(request.body) <= MAX_PAYLOAD or streamed:
            return self._answer(Answer(kind="response", payload=request.body))
        message = (
            f"the response of {len(request.body)} bytes is longer than the {MAX_PAYLOAD} that Lambda takes"
        )
        self._answer(failure("handler error", "Function.ResponseSizeTooLarge", message))
        return _said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)

    def _answer(self, answer: Answer) -> Response:
        with self._lock:
            if self._answered:
                return _said(HTTPStatus.FORBIDDEN)
            self._answered = True
        self._report(answer)
        return Response(HTTPStatus.ACCEPTED, b'{"status":"OK"}')


def _error_type(request: Request) -> str:
    return request.headers.get("lambda-runtime-function-error-type", "")


def _said(status: HTTPStatus) -> Response:
    body = {"errorType": status.name, "errorMessage": status.phrase}
    return Response(status, json.dumps(body).encode())
