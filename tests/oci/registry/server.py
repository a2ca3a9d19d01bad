"""An HTTP server on this machine that answers as a function says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

from tests.loopback import Handler, Loopback


class _Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


@dataclass
class Request:
    """What was asked. `headers` are by lower-case names; the body is read when it is wanted."""

    method: str
    target: str
    headers: Mapping[str, str]
    _file: _Readable = field(repr=False)
    _read: int = 0
    _body: bytes | None = None

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.target).query)

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", "0"))

    def body(self) -> bytes:
        if self._body is None:
            self._body = self._file.read(self.length)
        return self._body

    def skim(self, count: int) -> None:
        """Reads so many bytes of the body, and no more."""
        self._file.read(count)
        self._body = b""


@dataclass(frozen=True)
class Reply:
    """An answer.

    cut:     bytes of the body after which the connection closes; -1: before the status line.
    length:  what Content-Length says; -1: it is chunked; -2: it ends with the connection.
    silence: seconds before the first byte.
    piece:   bytes sent at a time, with `pause` seconds after each.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    length: int | None = None
    silence: float = 0.0
    piece: int = 1 << 16
    pause: float = 0.0


def error(status: int, code: str, message: str = "", detail: object = None, **headers: str) -> Reply:
    """Returns an error document of the distribution spec."""
    document = {"errors": [{"code": code, "message": message, "detail": detail}]}
    return Reply(status, json.dumps(document).encode(), {"Content-Type": "application/json", **headers})


class Server(Loopback):
    """Answers on 127.0.0.1 from entry to exit.

    requests: what was asked, in order.
    """

    def __init__(self, respond: Callable[[Request], Reply], certificate: str | None = None) -> None:
        self.requests: list[Request] = []
        server = self

        class Answering(Handler):
            def _any(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, self.rfile)
                server.requests.append(request)
                try:
                    reply = respond(request)
                    if not self.close_connection and reply.cut is None:
                        request.body()  # or the next request would begin in the middle of it
                    _send(self, reply)
                except OSError:
                    self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _any

        super().__init__(Answering, certificate)

    def asked(self, method: str, part: str = "") -> list[Request]:
        """Returns the requests with a method and a part of a path."""
        return [each for each in self.requests if each.method == method and part in each.path]


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    time.sleep(reply.silence)
    if reply.cut == -1:
        handler.close_connection = True
        return
    handler.send_response(reply.status)
    chunked = reply.length == -1
    if chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    elif reply.length == -2:
        handler.send_header("Connection", "close")
    elif not any(name.lower() == "content-length" for name in reply.headers):
        handler.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    if handler.command == "HEAD":
        return
    body = reply.body if reply.cut is None else reply.body[: reply.cut]
    for piece in _pieces(body, reply.piece):
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        time.sleep(reply.pause)
    if reply.cut is not None or reply.length == -2:
        handler.close_connection = True
    elif chunked:
        handler.wfile.write(b"0\r\n\r\n")


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]
