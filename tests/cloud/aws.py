"""AWS on this machine: moto, a CodeBuild that builds, and proxies that fail on demand.

Clients are known by their access keys: every process that gets `environment("alice")` is alice. The
builds are the client "worker". S3, CodeBuild, Lambda, Logs, STS and CloudFormation are reached through
proxies of their own, the rest of AWS directly.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.oci.registry import real

from . import moto_server
from .cloudformation import register
from .codebuild import Account, CodeBuild, Subprocess
from .dialects import Dialect
from .functions import Functions
from .guards import Denial, Guards
from .proxy import Proxy

ACCOUNT, REGION = moto_server.ACCOUNT, moto_server.REGION
WORKER = "worker"

_THROUGH_MOTO: dict[str, Dialect] = {"s3": "s3", "logs": "json", "sts": "query", "cloudformation": "query"}
# What this machine needs to reach its package index.
_PASSED_ON = ("PIP_", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")


def access_key(client: str) -> str:
    """Returns the access key of a client, which Asked, Denial and Rule know it by."""
    return f"AKIA{client.upper()}"


@dataclass(frozen=True)
class Place:
    """Where one test works: nobody else knows its bucket and project."""

    bucket: str
    prefix: str
    project: str

    @property
    def store(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


class Cloud:
    """Runs from entry to exit. One a process: it shares moto's server with the tests of this process.

    s3, codebuild_gate, lambda_gate, logs, sts, cloudformation: the proxies.
    codebuild, functions: the services behind codebuild_gate and lambda_gate, for their controls.
    guards: what all proxies refuse.
    build_variables: more environment variables for every build; "" takes one away.
    """

    def __init__(self) -> None:
        self.guards = Guards(ACCOUNT)
        upstream = urlsplit(moto_server.moto_url()).netloc
        self.proxies = {
            name: Proxy(name, dialect, upstream, self.guards) for name, dialect in _THROUGH_MOTO.items()
        }
        self.codebuild = CodeBuild(
            Account(ACCOUNT, REGION), Subprocess(), cache(moto_server.client), self._build_environment
        )
        self.proxies["codebuild"] = Proxy("codebuild", "json", self.codebuild.host, self.guards)
        self._stack = ExitStack()
        layers = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lambdabuild-functions-"))
        self.functions = Functions(ACCOUNT, REGION, Path(layers), upstream)
        self.proxies["lambda"] = Proxy("lambda", "json", self.functions.host, self.guards)
        self.build_variables: dict[str, str] = {}
        self._registries: list[Proxy] = []
        # Making one takes longer than most tests: botocore reads its models each time.
        self._clients: dict[tuple[str, str, int], Any] = {}
        self._numbers = itertools.count(1)

    @property
    def s3(self) -> Proxy:
        return self.proxies["s3"]

    @property
    def codebuild_gate(self) -> Proxy:
        return self.proxies["codebuild"]

    @property
    def lambda_gate(self) -> Proxy:
        return self.proxies["lambda"]

    @property
    def logs(self) -> Proxy:
        return self.proxies["logs"]

    @property
    def sts(self) -> Proxy:
        return self.proxies["sts"]

    @property
    def cloudformation(self) -> Proxy:
        return self.proxies["cloudformation"]

    def __enter__(self) -> Self:
        self._stack.enter_context(self.codebuild)
        self._stack.enter_context(self.functions)
        for proxy in self.proxies.values():
            self._stack.enter_context(proxy)
        register(self.codebuild, moto_server.client("s3"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reset()
        self._stack.close()

    def environment(self, client: str = "alice") -> dict[str, str]:
        """Returns the variables that make every AWS client of a process this client of this cloud."""
        names = {name: "CLOUDWATCH_LOGS" if name == "logs" else name.upper() for name in self.proxies}
        endpoints = {f"AWS_ENDPOINT_URL_{names[name]}": proxy.url for name, proxy in self.proxies.items()}
        return {
            "AWS_ENDPOINT_URL": moto_server.moto_url(),
            **endpoints,
            "AWS_ACCESS_KEY_ID": access_key(client),
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, client: str = "alice", attempts: int = 1) -> Any:
        """Returns a boto3 client of a service, as a client of this cloud.

        attempts: how often it tries in all.
        """
        wanted = (service, client, attempts)
        if wanted not in self._clients:
            self._clients[wanted] = self._new_client(*wanted)
        return self._clients[wanted]

    def _new_client(self, service: str, client: str, attempts: int) -> Any:
        import boto3
        from botocore.config import Config

        session = boto3.session.Session(access_key(client), "secret", region_name=REGION)
        url = self.proxies[service].url if service in self.proxies else moto_server.moto_url()
        retries = {"total_max_attempts": attempts, "mode": "standard"}
        config = Config(s3={"addressing_style": "path"}, retries=retries)
        return session.client(service, endpoint_url=url, config=config)

    def place(self) -> Place:
        """Returns a new, empty bucket, and the name of a project that is not there yet."""
        return Place(moto_server.new_bucket(), "lambdabuild", f"project-{os.getpid()}-{next(self._numbers)}")

    def create_project(self, place: Place, buildspec: str, **changes: Any) -> None:
        """Makes the project of `place`, without source, with this buildspec; changes: of CreateProject."""
        project = {
            "name": place.project,
            "source": {"type": "NO_SOURCE", "buildspec": buildspec},
            "artifacts": {"type": "NO_ARTIFACTS"},
            "environment": {
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/amazonlinux-x86_64-standard:5.0",
                "computeType": "BUILD_GENERAL1_SMALL",
                "environmentVariables": [
                    {"name": "LAMBDABUILD_STORE", "value": place.store},
                    {"name": "LAMBDABUILD_OWNER", "value": ACCOUNT},
                ],
            },
            "serviceRole": f"arn:aws:iam::{ACCOUNT}:role/worker",
            **changes,
        }
        self.client("codebuild", "admin").create_project(**project)

    def restrict(self, place: Place, client: str = "alice") -> None:
        """Gives a client no more rights to write than the client policy does."""
        folders = ("results/", "keys/", "outcomes/", "worker/", "store.json")
        self._deny(client, place, folders, ("PUT", "POST", "DELETE"))
        self._deny(client, place, ("cas/", "orders/", "leases.json"), ("DELETE",))

    def restrict_worker(self, place: Place) -> None:
        """Gives builds no more rights to write than the worker's role has."""
        self._deny(
            WORKER, place, ("orders/", "leases.json", "worker/", "store.json"), ("PUT", "POST", "DELETE")
        )

    def registry(self, directory: Path) -> Proxy:
        """Starts Debian's registry, with its files in `directory`, for as long as the cloud is there.

        Returns the proxy before it; its `host` is what images are pushed to.
        """
        running = self._stack.enter_context(real.running(directory))
        proxy = self._stack.enter_context(Proxy("registry", "registry", running.host, self.guards))
        self._registries.append(proxy)
        return proxy

    def reset(self) -> None:
        """Ends what runs, and forgets rules, records, denials. Buckets and projects stay: take new ones."""
        self.codebuild.reset()
        self.functions.reset()
        self.guards.reset()
        self.build_variables.clear()
        for proxy in (*self.proxies.values(), *self._registries):
            proxy.reset()

    def _deny(self, client: str, place: Place, names: tuple[str, ...], methods: tuple[str, ...]) -> None:
        key = access_key(client)
        self.guards.denials += [Denial(key, f"{place.prefix}/{name}", methods) for name in names]

    def _build_environment(self) -> Mapping[str, str]:
        passed = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        variables = {**self.environment(WORKER), **passed, **self.build_variables}
        return {name: value for name, value in variables.items() if value}
