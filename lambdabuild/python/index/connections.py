"""Who we are to a host, and how we get there: logins, certificates, proxies."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3
from urllib3.exceptions import LocationValueError

from lambdabuild.errors import UserError
from lambdabuild.python.index.problem import bare
from lambdabuild.python.index.settings import Login, Place, Settings

PORTS: Final = {"http": 80, "https": 443}


class Connections:
    """Connections that are kept open and shared, for any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def pool(self, parts: SplitResult) -> urllib3.PoolManager:
        """Returns what connects to the host of a URL, through a proxy or not.

        Raises UserError for certificates or a proxy that cannot be used.
        """
        proxy = self._proxy(parts)
        if proxy not in self._pools:
            self._pools.setdefault(proxy, self._new_pool(proxy))
        return self._pools[proxy]

    def login(self, parts: SplitResult, place: Place) -> Login | None:
        """Returns the login for a URL: its own, that of `place` if it is the same server, or netrc's."""
        if parts.username is not None:
            return Login(unquote(parts.username), unquote(parts.password or ""))
        if place.login is not None and _same_server(urlsplit(place.url), parts):
            return place.login
        return self._netrc.get(parts.hostname or "") or self._netrc.get("default")

    @cached_property
    def _netrc(self) -> Mapping[str, Login]:
        from netrc import NetrcParseError, netrc

        try:
            hosts = netrc(str(self._settings.netrc)).hosts if self._settings.netrc else {}
        except (OSError, NetrcParseError, UnicodeDecodeError):
            return {}  # as pip: the file may be meant for others
        return {host: Login(user, password or "") for host, (user, _, password) in hosts.items()}

    def _proxy(self, parts: SplitResult) -> str | None:
        proxies = self._settings.proxies
        for each in proxies.get("no", "").split(","):
            name = each.strip().lstrip(".").lower()
            host = bare(parts).lower() if ":" in name else (parts.hostname or "")
            if name and (name == "*" or host == name or host.endswith(f".{name}")):
                return None
        return proxies.get(parts.scheme) or proxies.get("all")

    def _new_pool(self, proxy: str | None) -> urllib3.PoolManager:
        if proxy is None:
            return urllib3.PoolManager(ssl_context=self._tls, maxsize=16)
        try:
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            login = None
            if parts.username is not None:
                login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            return urllib3.ProxyManager(
                parts._replace(netloc=bare(parts)).geturl(),
                proxy_headers=urllib3.make_headers(proxy_basic_auth=login),
                ssl_context=self._tls,
                proxy_ssl_context=self._tls,
                maxsize=16,
            )
        except (LocationValueError, ValueError, AssertionError):
            raise UserError(
                "the configured proxy is none that can be used", hint="export HTTPS_PROXY=http://host:port"
            ) from None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # One for all connections: reading the certificates takes longer than a request.
        cert, own = self._settings.cert, self._settings.client_cert
        try:
            if cert is not None and os.path.isdir(cert):
                context = ssl.create_default_context(capath=cert)
            else:
                context = ssl.create_default_context(cafile=cert)
            if own is not None:
                context.load_cert_chain(own)
        except OSError as error:  # ssl.SSLError is one
            files = " or ".join(filter(None, (cert, own)))
            raise UserError(
                f"the certificates in {files} cannot be read: {error.strerror}",
                hint="see PIP_CERT, REQUESTS_CA_BUNDLE, SSL_CERT_FILE, or python -m pip config list",
            ) from None
        return context


def _same_server(home: SplitResult, here: SplitResult) -> bool:
    """Whether a login for `home` may go to `here`; http that became https is the same server."""

    def port(parts: SplitResult) -> int | None:
        return parts.port or PORTS.get(parts.scheme)

    ends = (home.scheme, port(home)), (here.scheme, port(here))
    same = ends[0] == ends[1] or ends == (("http", 80), ("https", 443))
    return same and home.hostname == here.hostname
