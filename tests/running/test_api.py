"""The runtime API, spoken to as runtime clients do."""

from __future__ import annotations

import http.client
import json
import queue
import socket
import time
from typing import TYPE_CHECKING

import pytest

from lambdabuild.running.answer import Answer
from lambdabuild.running.api import MAX_PAYLOAD, Asked, Event, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PREFIX = "/2018-06-01/runtime"
EVENT = Event(b'{"a": 1}', 9.0, "arn:aws:lambda:us-east-1:000000000000:function:f")


class Served:
    """A runtime API and what it reported."""

    def __init__(self) -> None:
        self.reports: queue.Queue[Asked | Answer] = queue.Queue()
        self.api = RuntimeApi(EVENT, self.reports.put)

    def ask(
        self, method: str, path: str, body: bytes = b"", **headers: str
    ) -> tuple[int, bytes, Mapping[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.api.port, timeout=5)
        try:
            connection.request(
                method, PREFIX + path, body, {k.replace("_", "-"): v for k, v in headers.items()}
            )
            response = connection.getresponse()
            return response.status, response.read(), dict(response.getheaders())
        finally:
            connection.close()

    def answer(self, path: str, body: bytes, **headers: str) -> int:
        return self.ask("POST", f"/invocation/{self.api.request_id}/{path}", body, **headers)[0]

    def reported(self) -> Answer:
        report = self.reports.get(timeout=5)
        assert isinstance(report, Answer)
        return report


@pytest.fixture
def served() -> Iterator[Served]:
    it = Served()
    with it.api:
        yield it


def test_the_event_comes_with_its_deadline(served: Served) -> None:
    before = time.time()
    status, body, headers = served.ask("GET", "/invocation/next")
    assert (status, body) == (200, EVENT.payload)
    assert headers["Lambda-Runtime-Aws-Request-Id"] == served.api.request_id
    assert headers["Lambda-Runtime-Invoked-Function-Arn"] == EVENT.arn
    assert 8.9 < int(headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - before < 11
    assert isinstance(served.reports.get(timeout=5), Asked)


def test_a_response_is_reported_once(served: Served) -> None:
    assert served.answer("response", b"[1]") == 202
    assert served.reported() == Answer(kind="response", payload=b"[1]")
    assert served.answer("response", b"[2]") == 403
    assert served.reports.empty()


def test_an_error_is_taken_apart(served: Served) -> None:
    trace = ["  File x, line 1\n    one\n", "  File y, line 2\n"]
    error = {"errorMessage": "m", "errorType": "T", "stackTrace": trace}
    assert served.answer("error", json.dumps(error).encode()) == 202
    answer = served.reported()
    assert (answer.kind, answer.error_type, answer.error_message) == ("handler error", "T", "m")
    assert answer.stack_trace == ("  File x, line 1", "    one", "  File y, line 2")


@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'{"stackTrace": "not a list"}', b"\xff", b""])
def test_an_error_in_a_form_of_its_own_is_still_an_error(served: Served, body: bytes) -> None:
    headers = {"Lambda_Runtime_Function_Error_Type": "Runtime.Own"}
    assert served.ask("POST", "/init/error", body, **headers)[0] == 202
    answer = served.reported()
    assert (answer.kind, answer.error_type, answer.payload) == ("init error", "Runtime.Own", body)


def test_what_lambda_does_not_take_is_refused(served: Served) -> None:
    assert served.ask("POST", "/invocation/another/response", b"1")[0] == 400
    assert served.ask("GET", "/nothing")[0] == 404
    assert served.ask("PUT", "/invocation/next")[0] == 404
    assert served.reports.empty()


def test_a_response_that_is_too_long_is_the_functions_failure(served: Served) -> None:
    assert served.answer("response", b"x" * (MAX_PAYLOAD + 1)) == 413
    answer = served.reported()
    assert (answer.kind, answer.error_type) == ("handler error", "Function.ResponseSizeTooLarge")


def test_streamed_and_chunked_responses_may_be_longer(served: Served) -> None:
    body = b"x" * (MAX_PAYLOAD + 1)
    connection = http.client.HTTPConnection("127.0.0.1", served.api.port, timeout=5)
    path = f"{PREFIX}/invocation/{served.api.request_id}/response"
    headers = {"Lambda-Runtime-Function-Response-Mode": "streaming"}
    halves = iter([body[:1000], body[1000:]])
    connection.request("POST", path, halves, headers, encode_chunked=True)
    assert connection.getresponse().status == 202
    connection.close()
    assert served.reported().payload == body


def test_a_header_of_a_mebibyte_is_read(served: Served) -> None:
    cause = {"Lambda_Runtime_Function_XRay_Error_Cause": "x" * ((1 << 20) - 100)}
    assert served.answer("error", b"{}", **cause) == 202


def test_a_client_that_waits_before_its_body_is_told_to_go_on(served: Served) -> None:
    path = f"{PREFIX}/invocation/{served.api.request_id}/response"
    with socket.create_connection(("127.0.0.1", served.api.port), timeout=5) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode())
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"42")
        assert client.recv(100).startswith(b"HTTP/1.1 202 Accepted\r\n")
    assert served.reported().payload == b"42"


def test_calls_on_one_connection_do_not_wait_for_each_other(served: Served) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.api.port, timeout=5)
    began = time.monotonic()
    for _ in range(20):
        connection.request("POST", f"{PREFIX}/nothing", b"x")
        connection.getresponse().read()
    connection.close()
    assert time.monotonic() - began < 0.5  # 20 delayed acknowledgements take 0.8 s and more


@pytest.mark.parametrize(
    "sent", [b"", b"\r\n", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"]
)
def test_nonsense_only_ends_its_connection(served: Served, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", served.api.port), timeout=5) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""
    assert served.answer("response", b"1") == 202


def test_closing_does_not_wait_for_a_runtime_that_waits(served: Served) -> None:
    served.ask("GET", "/invocation/next")
    with socket.create_connection(("127.0.0.1", served.api.port), timeout=5) as client:
        client.sendall(f"GET {PREFIX}/invocation/next HTTP/1.1\r\n\r\n".encode())
        assert isinstance(served.reports.get(timeout=5), Asked)
        assert isinstance(served.reports.get(timeout=5), Asked)
        served.api.__exit__(None, None, None)
        assert client.recv(100) == b""
