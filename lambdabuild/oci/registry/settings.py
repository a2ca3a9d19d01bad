"""The environment -> how registries are reached, and where logins are.

Nothing here reads the process's own environment: it is handed in. (Credential
helpers and boto3 do read it, as they do everywhere.)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from lambdabuild.errors import UserError
from lambdabuild.oci.registry.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to reach registries.

    docker_config: docker's config.json; need not exist.
    insecure:      hosts, with a port or for all ports, that are spoken to without TLS.
    certificates:  file or directory of certificates to trust; None: the system's.
    proxies:       "http", "https", "all" -> URL; "no" -> hosts to reach without one.
    connect:       seconds for a connection to be made, and for each 64 KiB to be sent.
    silence:       seconds without a byte before an answer counts as lost.
    commit:        seconds to wait for the answer to a whole blob: the registry may copy it first.
    helper:        seconds that a credential helper may take; some ask the user.
    retries:       attempts after the first that brought nothing.
    backoff:       seconds before the first retry; they double, up to 20, and vary by half.
    """

    docker_config: Path
    insecure: frozenset[str] = frozenset()
    certificates: str | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold passwords
    connect: float = 15.0
    silence: float = 60.0
    commit: float = 600.0
    helper: float = 60.0
    retries: int = 5
    backoff: float = 0.5

    def is_plain(self, netloc: str) -> bool:
        """Returns whether "host" or "host:port" is spoken to without TLS: loopback, or insecure."""
        host = urlsplit(f"//{netloc}").hostname or ""
        return is_loopback(host) or netloc in self.insecure or host in self.insecure


def read_settings(environ: Mapping[str, str], home: Path, insecure: Iterable[str] = ()) -> Settings:
    """Returns the settings that docker and curl would find in `environ`.

    insecure: "host" or "host:port" each; UserError for what is neither.
    """
    hosts = frozenset(insecure)
    for host in hosts:
        try:
            Reference(host, "any")
        except UserError:
            raise UserError(
                f"{host!r} is no host to list as insecure", hint='write it as "registry.local:5000"'
            ) from None
    named = (environ.get(name) for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"))
    return Settings(
        docker_config=Path(environ.get("DOCKER_CONFIG") or home / ".docker") / "config.json",
        insecure=hosts,
        certificates=next(filter(None, named), None),
        proxies=_proxies(environ),
    )


def is_loopback(host: str) -> bool:
    """Returns whether a host, without port or brackets, is this machine: localhost, 127.0.0.0/8, ::1."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _proxies(environ: Mapping[str, str]) -> Mapping[str, str]:
    found = {}
    for scheme in ("http", "https", "all", "no"):
        value = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme}_proxy".upper())
        if value:
            found[scheme] = value
    return found
