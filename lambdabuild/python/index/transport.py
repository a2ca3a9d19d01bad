"""URL -> bytes, from servers that may be slow, busy, or elsewhere.

One exchange is: ask, follow redirects, look at the status, read the body. What
may pass by itself (a lost connection, silence, 429, 5xx) is tried again with
urllib3's back-off, however far the exchange had come; nothing else is.

Redirects are followed here, not by urllib3, so that each hop gets the login
that belongs to its own host, and no other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, MaxRetryError

from lambdabuild.python.index.connections import PORTS, Connections
from lambdabuild.python.index.problem import Problem, bare, connection_problem, host_of, status_problem
from lambdabuild.python.index.settings import Place, Settings

T = TypeVar("T")

PIECE: Final = 1 << 16
REDIRECTS: Final = 10
LONGEST_BACKOFF: Final = 10.0
LONGEST_WAIT: Final = 60.0
"""Seconds. A server that asks for a longer pause gets this one."""

SLOWEST: Final = 4096
"""Bytes a second, on the whole. A server that sends less counts as silent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A body that is on its way.

    url:     where it comes from in the end.
    headers: of the answer, without regard to case.
    pieces:  reading them raises Problem when the connection fails.
    """

    url: str
    headers: Mapping[str, str]
    pieces: Iterator[bytes]


class Transport:
    """Gets URLs, from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connections = Connections(settings)

    def get(
        self,
        url: str,
        place: Place,
        headers: Mapping[str, str],
        receive: Callable[[Answer], T],
        check: Callable[[], None],
    ) -> T:
        """Returns what `receive` makes of the answer to GET `url`.

        place:   its login goes to its own host alone.
        headers: with "Accept-Encoding: identity" the pieces are as they came.
        receive: is called once an attempt; a Problem that it raises counts as the server's.
        check:   is called before each attempt and piece, and while waiting; what
                 it raises ends all.

        Raises Problem, and UserError for settings that cannot be used.
        """
        settings = self._settings
        retry = urllib3.Retry(settings.retries, backoff_factor=settings.backoff, backoff_max=LONGEST_BACKOFF)
        while True:
            check()
            try:
                return self._attempt(url, place, headers, receive, check)
            except Problem as problem:
                if not problem.again:
                    raise
                try:
                    retry = retry.increment(error=problem)
                except MaxRetryError:
                    raise problem from None
                pause = max(retry.get_backoff_time(), min(problem.after, LONGEST_WAIT))
            _wait(pause, check)

    def _attempt(
        self,
        url: str,
        place: Place,
        headers: Mapping[str, str],
        receive: Callable[[Answer], T],
        check: Callable[[], None],
    ) -> T:
        for _ in range(REDIRECTS + 1):
            response = self._ask(url, place, headers)
            try:
                onward = response.get_redirect_location()
                if not onward:
                    host = host_of(url)
                    if response.status != 200:
                        raise status_problem(host, response.status, _asked_pause(response))
                    decode = headers.get("Accept-Encoding") != "identity"
                    return receive(Answer(url, response.headers, self._pieces(response, host, decode, check)))
            finally:
                response.close()  # a connection that has been read to its end is back in the pool by now
            try:
                url = urljoin(url, onward)
            except ValueError as error:
                raise connection_problem(host_of(url), error, 0) from None
        raise Problem(host_of(url), f"comes after more than {REDIRECTS} redirects")

    def _ask(self, url: str, place: Place, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        timeout = self._settings.timeout
        try:
            parts = urlsplit(url)
            if parts.scheme not in PORTS:
                raise Problem(host_of(url), f"cannot be reached by {parts.scheme!r}, only by http and https")
            login = self._connections.login(parts, place)
            asked = {**headers, **urllib3.make_headers(basic_auth=":".join(login) if login else None)}
            return self._connections.pool(parts).request(
                "GET",
                parts._replace(netloc=bare(parts), fragment="").geturl(),
                headers=asked,
                redirect=False,
                retries=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=timeout, read=timeout),
            )
        except (HTTPError, ValueError) as error:
            raise connection_problem(host_of(url), error, timeout) from None

    def _pieces(
        self, response: urllib3.BaseHTTPResponse, host: str, decode: bool, check: Callable[[], None]
    ) -> Iterator[bytes]:
        count, since = 0, time.monotonic()
        while True:
            check()
            try:
                # read1, not read: that waits for as many bytes as it was asked for.
                piece = response.read1(PIECE, decode_content=decode)
            except HTTPError as error:
                raise connection_problem(host, error, self._settings.timeout) from None
            if not piece:
                return
            count += len(piece)
            seconds = time.monotonic() - since
            if seconds > self._settings.timeout + count / SLOWEST:
                raise Problem(host, f"sent only {count} bytes in {seconds:.1f} s", again=True)
            yield piece


def _asked_pause(response: urllib3.BaseHTTPResponse) -> float:
    try:
        return urllib3.Retry().get_retry_after(response) or 0.0
    except InvalidHeader:
        return 0.0


def _wait(seconds: float, check: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        check()
        time.sleep(min(left, 0.1))
