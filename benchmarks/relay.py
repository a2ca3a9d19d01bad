"""A relay before an HTTP server that counts requests and bytes, and makes each request wait.

Passes bytes on as they come, in both directions: no header is changed, and bodies
of any kind stream. Of what the client sends it understands just enough to see
where a request begins (RFC 9112: Content-Length and chunked).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import IO

_PIECE = 1 << 16
_TLS = b"\x16"
"""The first byte of a TLS handshake (RFC 8446, 5.1)."""


class Relay:
    """Listens on 127.0.0.1 from entry to exit.

    host:     "127.0.0.1:port".
    latency:  seconds that each request waits.
    requests, sent, received: since the last `reset`. Sent are bytes of bodies; received
              is counted with the heads of answers, so that no body can hide.
    """

    def __init__(self, upstream: str, latency: float = 0.0) -> None:
        name, _, port = upstream.partition(":")
        self._upstream = (name, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.latency = latency
        self.reset()

    def reset(self) -> None:
        self.requests, self.sent, self.received = 0, 0, 0

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError), client, socket.create_connection(self._upstream) as server:
            if client.recv(1, socket.MSG_PEEK) == _TLS:
                return  # docker and skopeo try that first; a registry without TLS hangs up as well
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
            with client.makefile("rb") as source:
                while head := _head(source):
                    with self._lock:
                        self.requests += 1
                    time.sleep(self.latency)
                    server.sendall(b"".join(head))
                    for piece, size in _body(head, source):
                        server.sendall(piece)
                        with self._lock:
                            self.sent += size

    def _answer(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(_PIECE):
                with self._lock:
                    self.received += len(piece)
                target.sendall(piece)
            target.shutdown(socket.SHUT_RDWR)


def _head(source: IO[bytes]) -> list[bytes]:
    """Returns the lines of the next request's head; [] if there is none."""
    lines = []
    while line := source.readline():
        lines.append(line)
        if line in (b"\r\n", b"\n"):
            return lines
    return []


def _body(head: list[bytes], source: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Yields the body in pieces, as they travel, each with how much of it is content."""
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:])}
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        size = 1
        while size:
            line = source.readline()
            size = int(line.split(b";")[0], 16)
            yield line + source.read(size + 2), size
        return
    left = int(fields.get(b"content-length", b"0"))
    while left and (piece := source.read(min(left, _PIECE))):
        left -= len(piece)
        yield piece, len(piece)
