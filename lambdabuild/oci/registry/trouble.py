"""What can go wrong between us and a registry, told without URLs: they may hold secrets."""

from __future__ import annotations

import os
import ssl
from urllib.parse import urlsplit

from urllib3 import exceptions as e

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError


class Trouble(Exception):
    """Why one attempt failed. Becomes an error once it is known what was attempted.

    host:    who is to blame.
    reason:  the rest of a sentence that begins with `host`.
    again:   whether another attempt may do better.
    after:   seconds that the server asks to wait before it.
    users:   whether the user has to act, rather than to try again.
    details: what else the server says.
    """

    def __init__(
        self,
        host: str,
        reason: str,
        *,
        again: bool = False,
        after: float = 0.0,
        users: bool = False,
        hint: str | None = None,
        details: tuple[str, ...] = (),
    ) -> None:
        super().__init__(f"{host} {reason}")
        self.host, self.reason = host, reason
        self.again, self.after, self.users = again, after, users
        self.hint, self.details = hint, details

    def error(self, attempted: str) -> LambdaBuildError:
        """Returns the error of a call that could not do what it `attempted`, e.g. "list the tags of …"."""
        kind = UserError if self.users else ExternalError
        hint = self.hint
        if hint is None and not self.users:
            hint = "try again" if self.again else f"ask who runs {self.host}"
        return kind(f"cannot {attempted}: {self.host} {self.reason}", hint=hint, details=self.details)


def host_of(url: str) -> str:
    """Returns how a message may call the host of `url`: without login, path and query."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2] or "a URL without a host"
    except ValueError:
        return "a malformed URL"


def connection_trouble(host: str, error: Exception, seconds: float) -> Trouble:
    """Returns what an exception of urllib3, or a ValueError for a URL, means.

    seconds: what was waited for at most.
    """
    if isinstance(error, e.ProxyError):
        reason = f"cannot be reached through the proxy: {_system_reason(error.original_error)}"
        return Trouble(host, reason, again=True, hint="see HTTPS_PROXY and NO_PROXY")
    if isinstance(error, e.SSLError):
        return _tls_trouble(host, error)
    if isinstance(error, e.NameResolutionError):
        return Trouble(host, "is not known by that name", again=True, hint="is the name right?")
    if isinstance(error, e.NewConnectionError):
        return Trouble(host, f"took no connection: {_system_reason(error)}", again=True)
    if isinstance(error, e.ConnectTimeoutError):
        return Trouble(host, f"took no connection within {seconds:g} s", again=True)
    if isinstance(error, e.ReadTimeoutError | TimeoutError):
        return Trouble(host, f"was silent for {seconds:g} s", again=True)
    if isinstance(error, e.DecodeError):
        return Trouble(host, "sent a body that is not compressed as it says", again=True)
    if isinstance(error, e.ProtocolError):
        return Trouble(host, "cut the connection", again=True)
    return Trouble(host, "has a URL that cannot be used")


def _tls_trouble(host: str, error: e.SSLError) -> Trouble:
    cause = error.args[0] if error.args else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        hint = "name the certificates to trust with SSL_CERT_FILE"
        return Trouble(host, f"cannot be trusted: {cause.verify_message}", users=True, hint=hint)
    if isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Trouble(host, "cut the connection", again=True)
    hint = f'if it has none, add "{host}" to [registry] insecure in WORKSPACE.toml'
    return Trouble(host, f"does not speak TLS as we do: {cause}", users=True, hint=hint)


def _system_reason(error: BaseException | None) -> str:
    """Returns the system's word for why: no address, no URL, no object."""
    while error is not None:
        if isinstance(error, OSError):
            return os.strerror(error.errno).lower() if error.errno else str(error)
        error = error.__cause__ or error.__context__
    return "it gives no reason"
