"""An HTTP server on this machine for tests, with TLS if they want it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class Handler(BaseHTTPRequestHandler):
    """A connection that stays, and says nothing on the terminal."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up in the middle are what the tests are about."""


class Loopback:
    """Serves on a free port of 127.0.0.1 from entry to exit.

    certificate: file with a certificate and its key, for https.
    """

    def __init__(self, handler: type[Handler], certificate: str | None = None) -> None:
        self._server = _Server(("127.0.0.1", 0), handler)
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            scheme = "https"
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{scheme}://{self.host}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ending = threading.Thread(target=self._server.shutdown)
        ending.start()
        while ending.is_alive():  # a connection wakes it, where it would look up now and then
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._server.server_port)).close()
            ending.join(0.01)
        self._server.server_close()
        self._thread.join()
