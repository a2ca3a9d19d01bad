"""Which login a host gets: docker's config.json, its helpers, AWS for ECR.

Format: the docker CLI's manual, "Configuration files" and "Credential stores".
For one host, first to last: `credHelpers`, `credsStore`, `auths`; then AWS, if
the host is ECR's. A keychain that has nothing is a reason to look further, one
that fails is an error.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final
from urllib.parse import urlsplit

from lambdabuild.errors import Location, UserError
from lambdabuild.oci.registry.ecr import ecr_login
from lambdabuild.oci.registry.helpers import ask_helper
from lambdabuild.oci.registry.login import Login
from lambdabuild.oci.registry.reference import DOCKER_HUB, DOCKER_HUB_API
from lambdabuild.oci.registry.settings import Settings

_HUB_SERVER: Final = "https://index.docker.io/v1/"
"""What docker's configuration calls Docker Hub."""

_HUB_NAMES: Final = (DOCKER_HUB, "index.docker.io", DOCKER_HUB_API)


class Credentials:
    """Logins by host, each looked up once, from any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.docker_config
        self._known: dict[str, Login | None] = {}
        self._lock = threading.Lock()

    def login(self, host: str) -> Login | None:
        """Returns the login for `host` ("docker.io" for Docker Hub), or None: ask without one.

        Raises UserError for a configuration that cannot be used, and what
        `ask_helper` and `ecr_login` raise.
        """
        with self._lock:  # a keychain may ask the user, who wants to be asked once
            if host not in self._known:
                self._known[host] = self._find(host)
            return self._known[host]

    def forget(self, host: str, login: Login) -> None:
        """Makes the next call look again, if `login` is what is known for `host`."""
        with self._lock:
            if self._known.get(host) == login:
                del self._known[host]

    def _find(self, host: str) -> Login | None:
        at = Location(str(self._file))
        for helper in self._helpers(host):
            server = _HUB_SERVER if host == DOCKER_HUB else host
            login = ask_helper(helper, server, host, self._settings.helper, at)
            if login:
                return login
        entry = self._entry(host)
        login = _entry_login(entry, host, at) if entry else None
        return login or ecr_login(host)

    def _helpers(self, host: str) -> Iterator[str]:
        own = self._section("credHelpers").get(_HUB_SERVER if host == DOCKER_HUB else host)
        common = self._document.get("credsStore")
        for helper in (own, None if own else common):
            if helper:
                if not isinstance(helper, str):
                    raise self._wrong(f"the credential helper for {host} is no string")
                yield helper

    def _entry(self, host: str) -> Mapping[str, Any] | None:
        names = _HUB_NAMES if host == DOCKER_HUB else (host,)
        for server, entry in self._section("auths").items():
            if _host_of(server) in names:
                if not isinstance(entry, dict):
                    raise self._wrong(f"the entry for {host} is no object")
                return entry
        return None

    def _section(self, name: str) -> Mapping[str, Any]:
        section = self._document.get(name) or {}
        if not isinstance(section, dict):
            raise self._wrong(f'"{name}" is no object')
        return section

    @cached_property
    def _document(self) -> Mapping[str, Any]:
        try:
            document = json.loads(self._file.read_bytes())
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._wrong(f"docker's configuration cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):  # what it says may quote a password
            raise self._wrong("docker's configuration is not valid JSON") from None
        if not isinstance(document, dict):
            raise self._wrong("docker's configuration is no JSON object")
        return document

    def _wrong(self, message: str) -> UserError:
        return UserError(
            message,
            at=Location(str(self._file)),
            hint="mend the file, or name another directory with DOCKER_CONFIG",
        )


def _host_of(server: str) -> str:
    """Returns the host of a key of `auths`: "host", or an old URL like "https://host/v1/"."""
    try:
        return urlsplit(server if "://" in server else f"//{server}").netloc
    except ValueError:
        return ""


def _entry_login(entry: Mapping[str, Any], host: str, at: Location) -> Login | None:
    source = f"{at.path} for {host}"
    texts = {name: entry.get(name) or "" for name in ("auth", "identitytoken", "username", "password")}
    try:
        if not all(isinstance(text, str) for text in texts.values()):
            raise ValueError
        if texts["identitytoken"]:
            return Login(source, identity_token=texts["identitytoken"])
        user, password = texts["username"], texts["password"]
        if texts["auth"]:
            decoded = base64.b64decode(texts["auth"], validate=True).decode()
            user, colon, password = decoded.rstrip("\0").partition(":")
            if not colon:
                raise ValueError
    except (ValueError, binascii.Error):
        raise UserError(
            f"the login for {host} is malformed", at=at, hint=f"docker logout {host}; docker login {host}"
        ) from None
    return Login(source, user, password) if user else None
