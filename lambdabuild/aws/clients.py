"""Clients of AWS services, made once each, all counted by one Meter.

Credentials, profiles and endpoints are found by botocore in its own places;
nothing here reads, keeps or prints them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lambdabuild import __version__
from lambdabuild.aws.errors import aws_errors
from lambdabuild.aws.meter import Meter

if TYPE_CHECKING:
    from botocore.config import Config

ATTEMPTS = 8
CONNECT_SECONDS = 10
READ_SECONDS = 60
CONNECTIONS = 32


class Aws:
    """One account and region of AWS, as this process speaks to it.

    region:  None means what the environment or the profile says.
    account: the 12 digits that buckets and roles have to belong to; None means not known.
    """

    def __init__(
        self, region: str | None, account: str | None, meter: Meter, profile: str | None = None
    ) -> None:
        self.region = region
        self.account = account
        self.meter = meter
        self._profile = profile
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Returns the boto3 client of a service, such as "s3"; raises UserError or ExternalError.

        Clients are for any thread; making one is not, and is done by one thread at a time.
        """
        with self._lock:
            if service not in self._clients:
                with aws_errors(f"cannot prepare to speak to {service}", service=service):
                    self._clients[service] = self._made(service)
            return self._clients[service]

    def _made(self, service: str) -> Any:
        if self._session is None:
            import boto3

            self._session = boto3.session.Session(profile_name=self._profile, region_name=self.region)
        client = self._session.client(service, config=_config())
        if service == "s3" and not _is_aws(client.meta.endpoint_url):
            # A stand-in has no host name for each bucket.
            client = self._session.client(service, config=_config({"addressing_style": "path"}))
        self.meter.watch(service, client.meta.events)
        client.meta.events.register("needs-retry", again_if_cut)
        return client


def again_if_cut(
    *,
    response: tuple[Any, Any] | None,
    operation: Any,
    attempts: int,
    caught_exception: Exception | None,
    **others: object,
) -> float | None:
    """Returns for how many seconds botocore has to wait before it repeats a request; None: it has not to.

    botocore takes a body that a connection cut short for a whole one: what is lacking is then absent
    from the answer. Bodies that it hands over as streams, it watches itself.
    """
    from botocore.parsers import ResponseParserError

    if isinstance(caught_exception, ResponseParserError):
        cut = True
    elif response is None or operation.has_streaming_output or operation.http.get("method") == "HEAD":
        return None
    else:
        length = response[0].headers.get("Content-Length")
        cut = length is not None and int(length) > len(response[0].content)
    return 0.05 * 2.0**attempts if cut and attempts < ATTEMPTS else None


def _config(s3: dict[str, str] | None = None) -> Config:
    from botocore.config import Config

    return Config(
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        max_pool_connections=CONNECTIONS,
        user_agent_extra=f"lambdabuild/{__version__}",
        s3=s3,
    )


def _is_aws(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
