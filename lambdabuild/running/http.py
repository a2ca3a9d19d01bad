"""A small HTTP/1.1 server for one honest client on this machine.

Not http.server: that refuses headers above 64 KiB (awslambdaric posts
tracebacks of up to 1 MiB in one) and chunked bodies (streaming runtimes send
them). A response goes out in one write and without Nagle's algorithm: in two,
the second waits 40 ms for the first one's delayed acknowledgement.

Source: RFC 9112. Absent: TLS, compression, pipelining, any limit on bodies.
"""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self

MAX_LINE: Final = 2 << 20
"""Bytes of a request line or a header."""


@dataclass(frozen=True)
class Request:
    """What a client sent. headers: by lower-case name."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Response:
    """What it gets: JSON."""

    status: HTTPStatus
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class HttpServer:
    """Serves on a free port of 127.0.0.1 from entry to exit, each connection on a thread.

    respond: called on those threads; None closes the connection.
    """

    def __init__(self, respond: Callable[[Request], Response | None]) -> None:
        self._server = _Server(respond)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, respond: Callable[[Request], Response | None]) -> None:
        self.respond = respond
        super().__init__(("127.0.0.1", 0), _Connection)


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def handle(self) -> None:
        # A client that is killed, or does not speak HTTP, is told of elsewhere: by its process's end.
        with contextlib.suppress(OSError, ValueError):
            while self._one():
                self.wfile.flush()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _one(self) -> bool:
        line = self._line()
        if not line:
            return False
        method, path, _ = line.split(" ")
        headers: dict[str, str] = {}
        while header := self._line():
            name, _, value = header.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.wfile.flush()
        response = self.server.respond(Request(method, path, headers, self._body(headers)))
        if response is None:
            return False
        self._send(response)
        return headers.get("connection", "").lower() != "close"

    def _send(self, response: Response) -> None:
        lines = [f"HTTP/1.1 {response.status.value} {response.status.phrase}"]
        lines += ["Content-Type: application/json", f"Content-Length: {len(response.body)}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        self.wfile.write("\r\n".join([*lines, "", ""]).encode() + response.body)

    def _line(self) -> str:
        line = self.rfile.readline(MAX_LINE)
        if line and not line.endswith(b"\n"):
            raise ValueError("a line without an end")
        return line.rstrip(b"\r\n").decode("latin-1")

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return self._exactly(int(headers.get("content-length", "0")))
        pieces = []
        while size := int(self._line().partition(";")[0], 16):
            pieces.append(self._exactly(size))
            self._line()
        while self._line():
            pass  # trailers
        return b"".join(pieces)

    def _exactly(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) != size:
            raise ConnectionResetError
        return data
