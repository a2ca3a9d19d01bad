"""What can be wrong with a place, told without URLs: they may hold passwords."""

from __future__ import annotations

import http
import os
from enum import IntEnum
from urllib.parse import SplitResult, urlsplit


class Kind(IntEnum):
    """What kind of problem, the most telling last."""

    ABSENT = 1
    TROUBLE = 2
    WRONG = 3


class Problem(Exception):
    """Why a place did not give a file.

    host:   who is to blame; a local path for a file.
    reason: the rest of a sentence that begins with `host`.
    again:  whether another attempt may do better.
    after:  seconds that the server asks to wait before it.
    """

    def __init__(
        self,
        host: str,
        reason: str,
        kind: Kind = Kind.TROUBLE,
        *,
        again: bool = False,
        after: float = 0.0,
        hint: str | None = None,
    ) -> None:
        super().__init__(f"{host} {reason}")
        self.host, self.reason, self.kind = host, reason, kind
        self.again, self.after, self.hint = again, after, hint


def bare(parts: SplitResult) -> str:
    """Returns host and port, without login."""
    return parts.netloc.rpartition("@")[2]


def host_of(url: str) -> str:
    """Returns how a message may call the host of `url`."""
    try:
        return bare(urlsplit(url)) or "a URL without a host"
    except ValueError:
        return "a malformed URL"


def status_problem(host: str, status: int, after: float) -> Problem:
    """Returns what an answer with `status` means; 429 and 5xx may pass."""
    try:
        phrase = f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    hint = None
    if status in (401, 403):
        hint = f"put a login for {host} into ~/.netrc or into the URL of the index in pip's configuration"
    elif status == 407:
        hint = "put the proxy's login into its URL"
    kind = Kind.ABSENT if status in (404, 410) else Kind.TROUBLE
    return Problem(
        host, f"answered {phrase}", kind, again=status == 429 or status >= 500, after=after, hint=hint
    )


def connection_problem(host: str, error: Exception, timeout: float) -> Problem:
    """Returns what an exception of urllib3, or a ValueError for a URL, means."""
    from urllib3 import exceptions as e

    if isinstance(error, e.ProxyError):
        return Problem(
            host, f"cannot be reached through the proxy: {_system_reason(error.original_error)}", again=True
        )
    if isinstance(error, e.SSLError):
        hint = "name the certificates to trust with PIP_CERT, or cert = … in pip's configuration"
        return Problem(host, f"cannot be trusted: {error}", hint=hint)
    if isinstance(error, e.NameResolutionError):
        return Problem(host, "is not known by that name", again=True)
    if isinstance(error, e.NewConnectionError):
        return Problem(host, f"took no connection: {_system_reason(error)}", again=True)
    if isinstance(error, e.ConnectTimeoutError):
        return Problem(host, f"took no connection within {timeout:g} s", again=True)
    if isinstance(error, e.ReadTimeoutError):
        return Problem(host, f"was silent for {timeout:g} s", again=True)
    if isinstance(error, e.DecodeError):
        return Problem(host, "sent a body that is not compressed as it says", again=True)
    if isinstance(error, e.ProtocolError):
        return Problem(host, "cut the connection", again=True)
    return Problem(host, "has a URL that cannot be used")


def _system_reason(error: BaseException | None) -> str:
    """Returns the system's word for why: no address, no URL, no object."""
    while error is not None:
        if isinstance(error, OSError):
            return os.strerror(error.errno).lower() if error.errno else str(error)
        error = error.__cause__ or error.__context__
    return "it gives no reason"
