"""Who we are to a registry."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Login:
    """A user and password, or an identity token; only `source` may be shown.

    source: where it comes from, e.g. "docker-credential-pass for ghcr.io".
    """

    source: str
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        """The Authorization of user and password (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def secrets(self) -> tuple[str, ...]:
        """All that must not be shown, longest first."""
        found = (self.basic.removeprefix("Basic "), self.password, self.identity_token)
        return tuple(sorted(filter(None, found), key=len, reverse=True))
