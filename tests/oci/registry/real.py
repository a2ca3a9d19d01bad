"""Debian's docker-registry on a free port of this machine: plain, with htpasswd, with a token service."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.require import require

from .server import Reply, Request, Server

USER, PASSWORD = "me", "open:sésame"
LOGIN = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass(frozen=True)
class RealRegistry:
    """host: "127.0.0.1:port". storage: what it keeps. tokens: its token service, if it has one."""

    host: str
    storage: Path
    tokens: TokenService | None = None


@contextmanager
def running(directory: Path, auth: dict[str, Any] | None = None) -> Iterator[RealRegistry]:
    """Runs a registry whose files are in `directory`."""
    program = require("docker-registry")
    directory.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "data")},
            "delete": {"enabled": True},
            "maintenance": {"uploadpurging": {"enabled": False}},
        },
        "http": {"addr": host, "secret": "x"},
        **({"auth": auth} if auth else {}),
    }
    (directory / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", str(directory / "config.yml")],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    try:
        _wait(host, process, directory / "log")
        yield RealRegistry(host, directory / "data")
    finally:
        process.terminate()
        process.wait()


def _wait(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(300):
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{host}/v2/").close()
            return
        except urllib.error.HTTPError as answer:  # 401 is one
            answer.close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(log.read_text())


@contextmanager
def with_htpasswd(directory: Path) -> Iterator[RealRegistry]:
    """Runs a registry that lets USER in with PASSWORD (Basic)."""
    htpasswd = require("htpasswd")
    directory.mkdir()
    file = directory / "htpasswd"
    subprocess.run([htpasswd, "-B", "-c", "-i", str(file), USER], input=PASSWORD.encode(), check=True)
    with running(directory, {"htpasswd": {"realm": "test", "path": str(file)}}) as registry:
        yield registry


@contextmanager
def with_tokens(directory: Path) -> Iterator[RealRegistry]:
    """Runs a registry that asks for Bearer tokens, and the service that gives them."""
    directory.mkdir()
    service = TokenService(directory)
    with service:
        auth = {
            "realm": f"{service.url}/token?extra=1",
            "service": "registry.test",
            "issuer": "issuer.test",
            "rootcertbundle": str(service.certificate),
        }
        with running(directory, {"token": auth}) as registry:
            yield RealRegistry(registry.host, registry.storage, service)


class TokenService(Server):
    """Signs tokens as the registry wants them (distribution, "Token Authentication Implementation").

    Anybody may pull what is below "public/"; USER may do everything, with PASSWORD
    or the identity token `identity`.

    lifetime: of the next tokens, in seconds.
    """

    identity = "identity-token-of-me"

    def __init__(self, directory: Path) -> None:
        super().__init__(self._respond)
        self.certificate, self._key = directory / "certificate.pem", directory / "key.pem"
        self.lifetime = 300
        command = [require("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        files = ["-subj", "/CN=issuer.test", "-keyout", str(self._key), "-out", str(self.certificate)]
        subprocess.run([*command, *files], check=True, capture_output=True)

    def _respond(self, request: Request) -> Reply:
        if request.method == "POST":
            form = parse_qs(request.body().decode())
            if form["refresh_token"] != [self.identity] or form["grant_type"] != ["refresh_token"]:
                return Reply(401, b'{"error": "invalid_grant"}')
            return self._give(form["scope"][0].split(), known=True, name="access_token")
        authorization = request.headers.get("authorization")
        if authorization not in (None, f"Basic {LOGIN}"):
            return Reply(401, b"wrong password")
        assert request.query["service"] == ["registry.test"]
        assert request.query["extra"] == ["1"]
        return self._give(request.query.get("scope", []), known=authorization is not None, name="token")

    def _give(self, scopes: list[str], *, known: bool, name: str) -> Reply:
        access = []
        for scope in scopes:
            kind, repository, actions = scope.split(":")
            allowed = [each for each in actions.split(",") if known or self._public(repository, each)]
            access.append({"type": kind, "name": repository, "actions": allowed})
        document = {name: self._sign(access), "expires_in": self.lifetime}
        return Reply(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    @staticmethod
    def _public(repository: str, action: str) -> bool:
        return action == "pull" and repository.startswith("public/")

    def _sign(self, access: list[dict[str, Any]]) -> str:
        now = int(time.time())
        pem = self.certificate.read_text()
        x5c = "".join(line for line in pem.splitlines() if not line.startswith("-----"))
        header = {"typ": "JWT", "alg": "RS256", "x5c": [x5c]}
        claims = {
            "iss": "issuer.test",
            "sub": "",
            "aud": "registry.test",
            "iat": now - 10,
            "nbf": now - 10,
            "exp": now + self.lifetime,
            "jti": str(time.monotonic_ns()),
            "access": access,
        }
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self._key)]
        done = subprocess.run(command, input=signed.encode(), capture_output=True, check=True)
        return f"{signed}.{_base64(done.stdout)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
