"""One exchange over HTTP: ask, follow redirects, hand over the answer while it comes.

Redirects are followed here, not by urllib3, so that each hop gets the
Authorization of its own server, and no other: blobs mostly lie with somebody
else. Nothing is tried again here; `retries` does that around whole attempts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.exceptions import ConnectTimeoutError, HTTPError, InvalidHeader

from lambdabuild.oci.registry.connections import Connections
from lambdabuild.oci.registry.settings import Settings
from lambdabuild.oci.registry.trouble import Trouble, connection_trouble, host_of

PIECE: Final = 1 << 16
REDIRECTS: Final = 10
SLOWEST: Final = 4096
"""Bytes a second, on the whole. A server that sends less counts as silent."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask.

    headers: without Authorization.
    size:    count of the bytes in `body`.
    body:    gives them anew, in pieces, each time it is called.
    silence: seconds to wait for the answer, if other than the settings say.
    """

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    body: Callable[[], Iterable[bytes]] | None = None
    silence: float | None = None


class Answer:
    """An answer whose body is on its way.

    url:     where it comes from in the end.
    headers: without regard to case.
    """

    def __init__(self, url: str, response: urllib3.BaseHTTPResponse, silence: float) -> None:
        self.url, self.host = url, host_of(url)
        self.status: int = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response, self._silence = response, silence

    def pieces(self) -> Iterator[bytes]:
        """Yields the body. Raises Trouble when the connection fails, or crawls."""
        count, seconds = 0, 0.0
        while True:
            since = time.monotonic()
            try:
                # read1, not read: that waits for as many bytes as it was asked for.
                piece = self._response.read1(PIECE, decode_content=False)
            except HTTPError as error:
                raise connection_trouble(self.host, error, self._silence) from None
            if not piece:
                return
            count += len(piece)
            seconds += time.monotonic() - since  # not what whoever gets the pieces does with them
            if seconds > self._silence + count / SLOWEST:
                raise Trouble(self.host, f"sent only {count} bytes in {seconds:.1f} s", again=True)
            yield piece

    def read(self, limit: int) -> bytes:
        """Returns the body; Trouble if it has more than `limit` bytes."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
            if len(body) > limit:
                raise Trouble(self.host, f"sent more than {limit} bytes where that many are the most")
        return bytes(body)

    def pause(self) -> float:
        """Returns the seconds that the server asks to wait (RFC 9110, Retry-After), or 0."""
        try:
            return urllib3.Retry().get_retry_after(self._response) or 0.0
        except InvalidHeader:
            return 0.0


class Transport:
    """Exchanges with any server, from any thread."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._connections = Connections(settings)

    @contextmanager
    def exchange(self, request: Request, authorize: Callable[[str], str | None]) -> Iterator[Answer]:
        """Gives the answer to `request`, whatever its status, and lets go of it at the end.

        authorize: the Authorization for a URL's server, or None.

        Raises Trouble, and UserError for settings that cannot be used.
        """
        url, hops = request.url, 0
        while True:
            response = self._send(request, url, authorize(url))
            try:
                onward = response.get_redirect_location() if request.method in ("GET", "HEAD") else None
                if not onward:
                    yield Answer(url, response, self._silence(request))
                # A connection that is read to its end goes back to the pool.
                with suppress(HTTPError):
                    response.read(PIECE, decode_content=False)
            finally:
                response.close()
            if not onward:
                return
            url, hops = join(url, onward), hops + 1
            if hops > REDIRECTS:
                raise Trouble(host_of(url), f"comes after more than {REDIRECTS} redirects")

    def _silence(self, request: Request) -> float:
        return self.settings.silence if request.silence is None else request.silence

    def _send(self, request: Request, url: str, authorization: str | None) -> urllib3.BaseHTTPResponse:
        headers = {"User-Agent": "lambdabuild", "Accept-Encoding": "identity", **request.headers}
        if authorization:
            headers["Authorization"] = authorization
        if request.body or request.method in ("POST", "PUT"):
            headers["Content-Length"] = str(request.size)
        connect, silence = self.settings.connect, self._silence(request)
        body = _Body(request.body) if request.body else None
        try:
            parts = self._checked(url)
            return self._connections.pool(parts).request(
                request.method,
                parts._replace(fragment="").geturl(),
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=connect, read=silence),
            )
        except (HTTPError, ValueError, OSError) as error:
            if body and body.error:
                raise body.error from None
            seconds = connect if isinstance(error, ConnectTimeoutError) else silence
            raise connection_trouble(host_of(url), error, seconds) from None

    def _checked(self, url: str) -> SplitResult:
        """Returns the parts of a URL that may be asked: TLS, but for loopback and insecure hosts."""
        parts = urlsplit(url)
        host = host_of(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise Trouble(host, "was named by a URL that cannot be used")
        if parts.scheme == "http" and not self.settings.is_plain(parts.netloc):
            hint = f'if this is meant, add "{host}" to [registry] insecure in WORKSPACE.toml'
            raise Trouble(host, "would be spoken to without TLS", users=True, hint=hint)
        return parts


def join(base: str, location: str) -> str:
    """Returns where a Location leads, seen from `base`; Trouble if it is no URL."""
    try:
        return urljoin(base, location)
    except ValueError as error:
        raise connection_trouble(host_of(base), error, 0) from None


def origin(url: str) -> tuple[str, str, int | None]:
    """Returns what makes two URLs one server's: scheme, host, port; of a malformed URL nobody's."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", "", None


class _Body:
    """What is sent, in pieces of at most PIECE bytes: each has to go out within `Settings.connect`.

    error: what the pieces' own source raised, which urllib3 would take for a lost connection.
    """

    def __init__(self, pieces: Callable[[], Iterable[bytes]]) -> None:
        self.error: Exception | None = None
        self._pieces = pieces

    def __iter__(self) -> Iterator[bytes]:
        source = iter(self._pieces())
        while True:
            try:
                piece = next(source)
            except StopIteration:
                return
            except Exception as error:
                self.error = error
                raise
            for start in range(0, len(piece), PIECE):
                yield piece[start : start + PIECE]
