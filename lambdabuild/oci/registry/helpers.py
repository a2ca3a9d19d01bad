"""Credential helpers: programs that keep docker's logins in a keychain.

Protocol: docker-credential-helpers, "Development": `docker-credential-NAME get`
reads the server from stdin and prints {"ServerURL", "Username", "Secret"}; the
user name "<token>" says that the secret is an identity token.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Final

from lambdabuild.errors import ExternalError, Location, UserError
from lambdabuild.oci.registry.login import Login

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NOT_FOUND: Final = "credentials not found in native keychain"
_IDENTITY_TOKEN: Final = "<token>"  # noqa: S105 - a user's name


def ask_helper(name: str, server: str, host: str, seconds: float, at: Location) -> Login | None:
    """Returns the login that the helper `name` has for `server`, or None if it has none.

    host: what messages call the server.
    at:   where the helper is configured.

    Raises UserError for a helper that does not exist, ExternalError for one that
    fails, takes longer than `seconds`, or says what is no login.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"{name!r} cannot be the name of a credential helper", at=at)
    program = f"docker-credential-{name}"
    try:
        done = subprocess.run(
            [program, "get"], input=server.encode(), capture_output=True, timeout=seconds, check=False
        )
    except FileNotFoundError:
        raise UserError(
            f"{program}, which is configured for {host}, is not installed",
            at=at,
            hint=f"install {program}, or take it out of {at.path}",
        ) from None
    except OSError as error:
        raise ExternalError(f"cannot run {program} for {host}: {error.strerror}", at=at) from None
    except subprocess.TimeoutExpired:
        raise ExternalError(
            f"{program} gave no login for {host} within {seconds:g} s",
            at=at,
            hint=f"echo {server} | {program} get",
        ) from None
    if done.returncode:
        if _NOT_FOUND in done.stdout.decode(errors="replace"):
            return None
        # Not what it prints: that may be a part of the login.
        raise ExternalError(
            f"{program} failed for {host}: exit status {done.returncode}",
            at=at,
            hint=f"see what it says: echo {server} | {program} get",
        )
    return _login(done.stdout, program, host, at)


def _login(output: bytes, program: str, host: str, at: Location) -> Login | None:
    try:
        document = json.loads(output)
        user, secret = document["Username"], document["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        user = secret = None
    if not isinstance(user, str) or not isinstance(secret, str):
        raise ExternalError(f"what {program} prints for {host} is no login", at=at)
    source = f"{program} for {host}"
    if user == _IDENTITY_TOKEN:
        return Login(source, identity_token=secret)
    return Login(source, user, secret) if user or secret else None
