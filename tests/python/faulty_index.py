"""A package index on this machine that can be told to misbehave."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler

from tests.loopback import Handler, Loopback

JSON = "application/vnd.pypi.simple.v1+json"
_NOTHING: Mapping[str, object] = {}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True)
class Reply:
    """An answer.

    cut:     bytes of the body after which the connection closes.
    length:  what Content-Length says; -1: it is chunked; -2: it ends with the connection.
    silence: seconds before the first byte.
    piece:   bytes sent at a time, with `pause` seconds after each.
    login:   "user:password" without which it is a 401.
    """

    body: bytes = b""
    status: int = 200
    kind: str = "application/octet-stream"
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    length: int | None = None
    silence: float = 0.0
    piece: int = 1 << 16
    pause: float = 0.0
    login: str | None = None

    def to(self, location: str) -> Reply:
        return replace(self, status=302, headers={"Location": location})


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]


class FaultyIndex(Loopback):
    """Serves `replies` on 127.0.0.1 from entry to exit.

    replies:  path -> what to answer, first to last; the last one stays.
    requests: what was asked for, in order.
    """

    def __init__(self, certificate: str | None = None) -> None:
        self.replies: dict[str, Sequence[Reply]] = {}
        self.requests: list[Request] = []
        self._lock = threading.Lock()
        index = self

        class Answering(Handler):
            def do_GET(self) -> None:
                index._answer(self)

        super().__init__(Answering, certificate)

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def offer(
        self,
        project: str,
        filename: str,
        content: bytes,
        *,
        html: bool = False,
        page: Mapping[str, object] = _NOTHING,
    ) -> str:
        """Puts a file into the index as an honest one would; returns the path of its bytes."""
        path = f"/files/{filename}"
        self.replies[path] = [Reply(content)]
        link = {
            "filename": filename,
            "url": f"../../files/{filename}",
            "hashes": {"sha256": sha256(content)},
            **page,
        }
        self.list(project, [link], html=html)
        return path

    def list(self, project: str, links: Sequence[Mapping[str, object]], *, html: bool = False) -> None:
        if html:
            lines = [
                f'<a href="{link["url"]}#sha256={link["hashes"]["sha256"]}">{link["filename"]}</a><br>'  # type: ignore[index]
                for link in links
            ]
            body = "\n".join(["<!DOCTYPE html><html><body>", *lines, "</body></html>"]).encode()
            reply = Reply(body, kind="text/html; charset=utf-8")
        else:
            document = {"meta": {"api-version": "1.1"}, "name": project, "files": links}
            reply = Reply(json.dumps(document).encode(), kind=JSON)
        self.replies[f"/simple/{project}/"] = [reply]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            path = handler.path
            headers = {name.lower(): value for name, value in handler.headers.items()}
            self.requests.append(Request(path, headers))
            first, *rest = self.replies.get(path, [Reply(b"no such page", status=404)])
            if rest:
                self.replies[path] = rest
        if first.login and headers.get("authorization") != basic(first.login):
            first = Reply(b"who are you?", status=401, headers={"WWW-Authenticate": "Basic"})
        try:
            _send(handler, first)
        except OSError:
            handler.close_connection = True


def basic(login: str) -> str:
    return "Basic " + base64.b64encode(login.encode()).decode()


def _send(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    time.sleep(reply.silence)
    handler.send_response(reply.status)
    handler.send_header("Content-Type", reply.kind)
    chunked = reply.length == -1
    if chunked:
        handler.send_header("Transfer-Encoding", "chunked")
    elif reply.length == -2:
        handler.send_header("Connection", "close")
    else:
        length = len(reply.body) if reply.length is None else reply.length
        handler.send_header("Content-Length", str(length))
    for name, value in reply.headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    body = reply.body if reply.cut is None else reply.body[: reply.cut]
    for piece in _pieces(body, reply.piece):
        handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        handler.wfile.flush()
        time.sleep(reply.pause)
    if reply.cut is not None:
        handler.close_connection = True
    elif chunked:
        handler.wfile.write(b"0\r\n\r\n")


def _pieces(body: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def never() -> None:
    """Nobody asks the build to stop."""


def stop_after(calls: int) -> Callable[[], None]:
    """Returns a check that asks to stop at the given call."""
    left = calls

    def check() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt

    return check
