"""Bearer tokens: from the service that a 401 names.

Source: distribution, "Token Authentication Specification" (GET, with Basic or
without a login) and "OAuth2 Token Authentication" (POST, for identity tokens).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from lambdabuild.oci.registry.login import Login
from lambdabuild.oci.registry.transport import Answer, Request, Transport, origin
from lambdabuild.oci.registry.trouble import Trouble, host_of

MAX_ANSWER: Final = 1 << 20
LEAST: Final = 60.0
"""Seconds that a token lives if its service does not say."""

_SAFE: Final = re.compile(r"[!-~]+")  # what may stand in a header


@dataclass(frozen=True, slots=True)
class Token:
    """lifetime: seconds from when it was asked for."""

    text: str = field(repr=False)
    lifetime: float


def fetch_token(
    transport: Transport, parameters: Mapping[str, str], scopes: Sequence[str], login: Login | None
) -> Token:
    """Returns a token for `scopes`.

    parameters: of the Bearer challenge: "realm", "service".
    scopes:     e.g. "repository:lambda/python:pull".

    Raises Trouble, with `users` set where the service does not take the login.
    """
    request = _request(parameters, scopes, login)

    def authorize(url: str) -> str | None:
        # To the realm itself, and nobody that it leads on to.
        ours = login is not None and not login.identity_token and url == request.url
        return login.basic if login and ours else None

    with transport.exchange(request, authorize) as answer:
        if answer.status != 200:
            raise _refusal(answer, login)
        return _parse(answer)


def _request(parameters: Mapping[str, str], scopes: Sequence[str], login: Login | None) -> Request:
    realm = parameters.get("realm", "")
    if origin(realm)[1] == "":
        raise Trouble(host_of(realm), "is named as the service that gives tokens")
    service = [("service", parameters["service"])] if parameters.get("service") else []
    if login is not None and login.identity_token:
        form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", login.identity_token),
            ("client_id", "lambdabuild"),
            ("scope", " ".join(scopes)),
        ]
        data = urlencode([*form, *service]).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", realm, headers, len(data), lambda: [data])
    parts = urlsplit(realm)
    query = urlencode([*service, *(("scope", scope) for scope in scopes)])
    return Request(
        "GET", urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, query))), fragment=""))
    )


def _refusal(answer: Answer, login: Login | None) -> Trouble:
    host, status = answer.host, answer.status
    if status == 429 or status >= 500:
        return Trouble(host, f"answered {status} when asked for a token", again=True, after=answer.pause())
    if login is None:
        return Trouble(host, f"gives no token without a login (status {status})", users=True)
    return Trouble(host, f"does not accept the login from {login.source} (status {status})", users=True)


def _parse(answer: Answer) -> Token:
    try:
        document: Any = json.loads(answer.read(MAX_ANSWER))
        text = document.get("token") or document.get("access_token")
        lifetime = document.get("expires_in") or LEAST
    except (ValueError, AttributeError, RecursionError):
        text, lifetime = None, LEAST
    if not isinstance(text, str) or not _SAFE.fullmatch(text):
        raise Trouble(answer.host, "answered without a token when asked for one")
    if isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        lifetime = LEAST
    return Token(text, max(float(lifetime), 0.0))
