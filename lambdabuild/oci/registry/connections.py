"""How we get to a host: certificates, proxies, connections kept open."""

from __future__ import annotations

import os
import ssl
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

import urllib3
from urllib3.exceptions import LocationValueError

from lambdabuild.errors import UserError
from lambdabuild.oci.registry.settings import Settings, is_loopback

MAX_KEPT: Final = 32
"""Connections kept open to one host. More threads may ask at once; theirs are closed again."""


class Connections:
    """Connections that are kept open and shared, for any thread."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pools: dict[tuple[str, str | None], urllib3.PoolManager] = {}

    def pool(self, parts: SplitResult) -> urllib3.PoolManager:
        """Returns what connects to the host of a URL, through a proxy or not.

        Raises UserError for certificates or a proxy that cannot be used.
        """
        key = parts.scheme, self._proxy(parts)
        if key not in self._pools:
            self._pools.setdefault(key, self._new_pool(*key))
        return self._pools[key]

    def _proxy(self, parts: SplitResult) -> str | None:
        host = (parts.hostname or "").lower()
        if is_loopback(host):  # as Go has it, and so docker
            return None
        proxies = self._settings.proxies
        for each in proxies.get("no", "").split(","):
            name = each.strip().lstrip(".").lower()
            here = parts.netloc.lower() if ":" in name else host
            if name and (name == "*" or here == name or here.endswith(f".{name}")):
                return None
        return proxies.get(parts.scheme) or proxies.get("all")

    def _new_pool(self, scheme: str, proxy: str | None) -> urllib3.PoolManager:
        if proxy is None and scheme == "http":
            return urllib3.PoolManager(maxsize=MAX_KEPT)
        if proxy is None:
            return urllib3.PoolManager(ssl_context=self._tls, maxsize=MAX_KEPT)
        try:
            parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
            login = None
            if parts.username is not None:
                login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            return urllib3.ProxyManager(
                parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(),
                proxy_headers=urllib3.make_headers(proxy_basic_auth=login),
                ssl_context=self._tls,
                proxy_ssl_context=self._tls,
                maxsize=MAX_KEPT,
            )
        except (LocationValueError, ValueError, AssertionError):
            raise UserError(
                "the configured proxy is none that can be used", hint="export HTTPS_PROXY=http://host:port"
            ) from None

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # One for all connections: reading the certificates takes longer than a request.
        trusted = self._settings.certificates
        try:
            if trusted is not None and os.path.isdir(trusted):
                return ssl.create_default_context(capath=trusted)
            return ssl.create_default_context(cafile=trusted)
        except OSError as error:  # ssl.SSLError is one
            raise UserError(
                f"the certificates in {trusted} cannot be read: {error.strerror}",
                hint="see REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE",
            ) from None
