"""How one registry lets us in: what it asked for last, and the tokens that it took.

A registry says with its first 401 which way it wants, Basic or Bearer; from
then on requests carry what is needed before they are asked for it. Tokens are
kept for each set of scopes until shortly before they expire.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from lambdabuild.oci.registry.challenges import Challenge, parse_challenges
from lambdabuild.oci.registry.credentials import Credentials
from lambdabuild.oci.registry.login import Login
from lambdabuild.oci.registry.refusals import login_hint
from lambdabuild.oci.registry.tokens import fetch_token
from lambdabuild.oci.registry.transport import Transport
from lambdabuild.oci.registry.trouble import Trouble

Scopes = tuple[str, ...]

MARGIN: Final = 20.0
"""Seconds before its end at which a token is not used any more, or a third of its life if that is less."""


class Auth:
    """What lets us in at one host, for any thread.

    clock: seconds, only differences count.
    """

    def __init__(
        self,
        host: str,
        credentials: Credentials,
        transport: Transport,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self._credentials, self._transport, self._clock = credentials, transport, clock
        self._login: Login | None = None
        self._basic = False
        self._tokens: dict[Scopes, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._fetching: dict[Scopes, threading.Lock] = {}
        self._bearer: Challenge | None = None

    def header(self, scopes: Scopes) -> str | None:
        """Returns the Authorization for a request that needs `scopes`, as far as it is known how to ask."""
        bearer = self._bearer
        if bearer is not None:
            return self._token(bearer, scopes, None)
        return self._login.basic if self._basic and self._login else None

    def answer(self, challenge: str, scopes: Scopes, used: str | None) -> str:
        """Returns an Authorization to try next, after a 401 to a request that had `used`.

        challenge: the WWW-Authenticate of the 401.

        Raises Trouble if there is none, and what finding a login raises.
        """
        wanted = self._choose(challenge)
        if wanted.scheme == "bearer":
            self._bearer = wanted
            return self._token(wanted, scopes, used)
        return self._basic_header(used)

    def hide(self, text: str) -> str:
        """Returns `text` without anything secret that this host was sent."""
        with self._lock:
            secrets = [header.rpartition(" ")[2] for header, _ in self._tokens.values()]
        for secret in (*secrets, *(self._login.secrets if self._login else ())):
            text = text.replace(secret, "…")
        return text

    @property
    def source(self) -> str | None:
        """Where the login comes from that was used last; None for no login."""
        return self._login.source if self._login else None

    def _choose(self, text: str) -> Challenge:
        try:
            challenges = parse_challenges(text)
        except ValueError as error:
            raise Trouble(
                self.host, f"answered 401 with a WWW-Authenticate that cannot be read: {error}"
            ) from None
        for scheme in ("bearer", "basic"):
            for challenge in challenges:
                if challenge.scheme == scheme:
                    return challenge
        names = ", ".join(challenge.scheme for challenge in challenges) or "nothing"
        raise Trouble(self.host, f"answered 401 and asks for {names:.60}, not for Basic or Bearer")

    def _basic_header(self, used: str | None) -> str:
        login = self._find_login()
        if login and login.basic == used:  # perhaps a keychain has got another since
            self._credentials.forget(self.host, login)
            login = self._find_login()
        if login is None or login.identity_token:
            raise Trouble(
                self.host, "wants a login, and there is none", users=True, hint=login_hint(self.host)
            )
        if login.basic == used:
            reason = f"does not accept the login from {login.source}"
            raise Trouble(self.host, reason, users=True, hint=login_hint(self.host))
        self._basic = True
        return login.basic

    def _find_login(self) -> Login | None:
        self._login = self._credentials.login(self.host)
        return self._login

    def _token(self, challenge: Challenge, scopes: Scopes, used: str | None) -> str:
        """Returns a token other than `used`, from those that are kept or from the service."""
        with self._lock:
            lock = self._fetching.setdefault(scopes, threading.Lock())
        with lock:
            kept, until = self._tokens.get(scopes, ("", 0.0))
            now = self._clock()
            if kept and kept != used and now < until:
                return kept
            try:
                token = fetch_token(self._transport, challenge.parameters, scopes, self._find_login())
            except Trouble as trouble:
                trouble.hint = trouble.hint or (login_hint(self.host) if trouble.users else None)
                raise
            header = f"Bearer {token.text}"
            with self._lock:
                self._tokens[scopes] = header, now + token.lifetime - min(MARGIN, token.lifetime / 3)
            return header
