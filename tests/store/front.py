"""A front before S3 that hands on what it is asked, but for what a test tells it to do wrong."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.cloud.moto_server import moto_url
from tests.loopback import Handler, Loopback


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]  # names in lower case


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    cut: int | None = None  # after so many bytes of the body, the connection ends


Fault = Callable[[Asked, Callable[[], Answer]], Answer]
"""Answers a request; the second argument asks S3."""


@dataclass
class Front:
    """What was asked, and the faults that the next requests for which they are meant meet."""

    asked: list[Asked] = field(default_factory=list)
    faults: list[tuple[str, str, Fault]] = field(default_factory=list)

    def plan(self, method: str, part: str, *faults: Fault) -> None:
        """Lets the next requests by `method` whose path has `part` meet `faults`, one each."""
        self.faults.extend((method, part, fault) for fault in faults)

    def answer(self, asked: Asked, ask: Callable[[], Answer]) -> Answer:
        self.asked.append(asked)
        for i, (method, part, fault) in enumerate(self.faults):
            if method == asked.method and part in asked.path:
                del self.faults[i]
                return fault(asked, ask)
        return ask()

    def serve(self) -> Loopback:
        front = self

        class Handing(Handler):
            def do(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = front.answer(
                    Asked(self.command, self.path, headers),
                    lambda: _ask(self.command, self.path, headers, body),
                )
                self.send_response_only(answer.status)
                for name, value in answer.headers:
                    self.send_header(name, value)
                if self.command != "HEAD" and not any(
                    n.lower() == "content-length" for n, _ in answer.headers
                ):
                    self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body if answer.cut is None else answer.body[: answer.cut])
                self.close_connection = self.close_connection or answer.cut is not None

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = do

        return Loopback(Handing)


def _ask(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(moto_url()).netloc, timeout=60)
    try:
        connection.request(method, path, body, {k: v for k, v in headers.items() if k != "expect"})
        response = connection.getresponse()
        drop = ("connection", "transfer-encoding", "keep-alive")
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in drop]
        return Answer(response.status, kept, response.read())
    finally:
        connection.close()


def refusal(status: int, code: str, message: str = "no") -> Fault:
    """Answers with one of S3's errors."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    date = ("Date", "Sun, 22 Nov 2026 08:00:00 GMT")
    return lambda asked, ask: Answer(status, [("Content-Type", "application/xml"), date], body)


def cut_short(at: int) -> Fault:
    """Breaks the answer off after so many bytes."""

    def fault(asked: Asked, ask: Callable[[], Answer]) -> Answer:
        answer = ask()
        answer.cut = at
        return answer

    return fault


def flipped(asked: Asked, ask: Callable[[], Answer]) -> Answer:
    """Changes the first byte of the answer."""
    answer = ask()
    answer.body = bytes([answer.body[0] ^ 1]) + answer.body[1:]
    return answer


def flipped_in_secret(asked: Asked, ask: Callable[[], Answer]) -> Answer:
    """Changes the first byte of the answer, and tells no checksum."""
    answer = flipped(asked, ask)
    answer.headers = [pair for pair in answer.headers if "checksum" not in pair[0].lower()]
    return answer


def lost(asked: Asked, ask: Callable[[], Answer]) -> Answer:
    """Does what was asked and does not tell."""
    ask()
    return refusal(503, "ServiceUnavailable")(asked, ask)
