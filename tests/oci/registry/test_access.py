"""Redirects, proxies, certificates, strange challenges, and that secrets stay where they belong."""

from __future__ import annotations

import base64
import json
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.registry.settings import is_loopback, read_settings
from tests.require import require

from .asking import BLOB, DIGEST, docker_config, push_blob, repository, settings_of
from .server import Reply, Request, Server, error

SECRET = "s3cr3t-of-me"
BASIC = base64.b64encode(f"me:{SECRET}".encode()).decode()
WHERE = "/elsewhere?signature=s3cr3t"


class Storage(Server):
    """Where the blobs of `Registry` are: another server, which is shown no login."""

    def __init__(self, certificate: str | None = None) -> None:
        super().__init__(self._respond, certificate)
        self.head = Reply(403)

    def _respond(self, request: Request) -> Reply:
        return self.head if request.method == "HEAD" else Reply(200, BLOB)


class Registry(Server):
    """Wants `challenge` answered, and sends all questions about blobs to `target`."""

    def __init__(self, challenge: str = "Basic", target: str = "") -> None:
        super().__init__(self._respond)
        self.challenge, self.target = challenge, target
        self.authorizations: list[str] = []

    def _respond(self, request: Request) -> Reply:
        if "authorization" not in request.headers:
            return Reply(401, headers={"WWW-Authenticate": self.challenge})
        self.authorizations.append(request.headers["authorization"])
        return Reply(307, headers={"Location": self.target or request.target})


@pytest.fixture
def storage() -> Iterator[Storage]:
    with Storage() as running:
        yield running


@pytest.fixture
def registry(storage: Storage) -> Iterator[Registry]:
    with Registry(target=storage.url + WHERE) as running:
        yield running


def home_for(home: Path, host: str) -> Path:
    return docker_config(home, auths={host: {"auth": BASIC}})


def test_a_login_goes_to_no_other_server(registry: Registry, storage: Storage, tmp_path: Path) -> None:
    there = repository(registry.host, settings=settings_of(home_for(tmp_path, registry.host)))
    assert b"".join(there.blob(DIGEST, len(BLOB))) == BLOB
    assert registry.authorizations == [f"Basic {BASIC}"]
    assert "authorization" not in storage.requests[0].headers
    assert storage.requests[0].target == WHERE


@pytest.mark.parametrize(("status", "there"), [(200, True), (403, True), (405, True), (404, False)])
def test_a_blob_elsewhere_is_there_unless_it_is_denied(
    registry: Registry, storage: Storage, tmp_path: Path, status: int, there: bool
) -> None:
    storage.head = Reply(status)
    settings = settings_of(home_for(tmp_path, registry.host))
    assert repository(registry.host, settings=settings).has_blob(DIGEST) is there


def test_redirects_without_end_are_an_error(registry: Registry, tmp_path: Path) -> None:
    registry.target = ""
    there = repository(registry.host, settings=settings_of(home_for(tmp_path, registry.host)))
    with pytest.raises(ExternalError, match="comes after more than 10 redirects"):
        there.has_blob(DIGEST)


def test_a_redirect_that_leaves_tls_is_refused(registry: Registry, tmp_path: Path) -> None:
    registry.target = "http://storage.invalid/x?signature=s3cr3t"
    there = repository(registry.host, settings=settings_of(home_for(tmp_path, registry.host)))
    with pytest.raises(UserError, match=r"storage\.invalid would be spoken to without TLS") as caught:
        list(there.blob(DIGEST, len(BLOB)))
    assert '"storage.invalid" to [registry] insecure' in (caught.value.hint or "")
    assert "s3cr3t" not in str(caught.value)


def test_an_upload_to_another_server_is_shown_no_login(tmp_path: Path) -> None:
    with Server(lambda request: Reply(201)) as elsewhere:

        def respond(request: Request) -> Reply:
            if "authorization" not in request.headers:
                return Reply(401, headers={"WWW-Authenticate": "Basic"})
            return Reply(202, headers={"Location": elsewhere.url + WHERE})

        with Server(respond) as server:
            push_blob(repository(server.host, settings=settings_of(home_for(tmp_path, server.host))))
    (put,) = elsewhere.requests
    assert put.query == {"signature": ["s3cr3t"], "digest": [DIGEST]}
    assert "authorization" not in put.headers


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = (
        f"{require('openssl')} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    )
    names = ["-subj", "/CN=x", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command.split(), *names, "-keyout", str(file), "-out", str(file.with_suffix(".crt"))],
        check=True,
        capture_output=True,
    )
    with file.open("a") as both:
        both.write(file.with_suffix(".crt").read_text())
    return str(file)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_certificates_to_trust_come_from_the_environment(certificate: str, tmp_path: Path, name: str) -> None:
    with Storage(certificate) as storage, Registry(target=storage.url + WHERE) as registry:
        home = home_for(tmp_path, registry.host)
        trusted = read_settings({name: certificate, "DOCKER_CONFIG": str(home / ".docker")}, tmp_path)
        assert b"".join(repository(registry.host, settings=trusted).blob(DIGEST, len(BLOB))) == BLOB
        with pytest.raises(UserError, match=rf"{storage.host} cannot be trusted") as caught:
            list(repository(registry.host, settings=settings_of(home)).blob(DIGEST, len(BLOB)))
    assert "SSL_CERT_FILE" in (caught.value.hint or "")


def test_a_server_without_tls_where_tls_is_due_is_told(
    registry: Registry, storage: Storage, tmp_path: Path
) -> None:
    registry.target = storage.url.replace("http:", "https:") + WHERE
    there = repository(registry.host, settings=settings_of(home_for(tmp_path, registry.host)))
    with pytest.raises(UserError, match=rf"{storage.host} does not speak TLS as we do") as caught:
        list(there.blob(DIGEST, len(BLOB)))
    assert f'"{storage.host}" to [registry] insecure' in (caught.value.hint or "")


def test_certificates_that_are_none_are_named(tmp_path: Path) -> None:
    settings = settings_of(certificates=str(tmp_path / "absent.pem"))
    with pytest.raises(UserError, match=r"certificates in .*absent\.pem cannot be read"):
        repository("registry.invalid", settings=settings).head("1")


@pytest.mark.parametrize("host", ["registry.invalid", "registry.invalid:5000"])
def test_an_insecure_host_is_spoken_to_plainly_and_through_the_proxy(host: str) -> None:
    with Server(lambda request: Reply(404)) as proxy:
        environ = {"http_proxy": f"http://me:{SECRET}@{proxy.host}", "NO_PROXY": "other.invalid"}
        settings = read_settings(environ, Path("/nowhere"), insecure=["registry.invalid"])
        assert repository(host, "x", settings).head("1") is None
        assert proxy.requests[0].target == f"http://{host}/v2/x/manifests/1"
        assert proxy.requests[0].headers["proxy-authorization"] == f"Basic {BASIC}"
    assert SECRET not in repr(settings)


def test_any_other_host_is_asked_with_tls_through_the_proxy() -> None:
    with Server(lambda request: Reply(404)) as proxy:
        settings = settings_of(proxies={"https": proxy.url}, retries=0)
        with pytest.raises(ExternalError, match="cannot be reached through the proxy"):
            repository("registry.invalid", settings=settings).head("1")
    # CONNECT is no method of the server, so all that it can do is to refuse.
    assert proxy.requests == []


@pytest.mark.parametrize("no", ["registry.invalid", ".invalid", "*", "a,registry.invalid:5000"])
def test_hosts_without_a_proxy_are_asked_directly(no: str) -> None:
    with Server(lambda request: Reply(404)) as proxy:
        environ = {"HTTP_PROXY": proxy.url, "no_proxy": no}
        settings = read_settings(environ, Path("/nowhere"), insecure=["registry.invalid:5000"])
        with pytest.raises(ExternalError, match="is not known by that name"):
            repository("registry.invalid:5000", settings=settings).head("1")
    assert proxy.requests == []


def test_this_machine_is_never_asked_through_a_proxy() -> None:
    with Server(lambda request: Reply(404)) as server:
        settings = settings_of(proxies={"all": "http://127.0.0.1:1"})
        assert repository(server.host, settings=settings).head("1") is None


@pytest.mark.parametrize("proxy", ["ftp://x", "http://[", "http://x:y"])
def test_a_proxy_that_cannot_be_used_is_told_without_quoting_it(proxy: str) -> None:
    with pytest.raises(UserError, match="the configured proxy is none that can be used"):
        repository("registry.invalid", settings=settings_of(proxies={"all": proxy})).head("1")


@pytest.mark.parametrize("bad", ["https://registry.local", "a b", "", "registry.local/x"])
def test_what_is_no_host_cannot_be_insecure(bad: str) -> None:
    with pytest.raises(UserError, match="is no host to list as insecure"):
        read_settings({}, Path("/nowhere"), insecure=[bad])


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("128.0.0.1", False),
        ("localhost.evil", False),
        ("127.0.0.1.evil", False),
        ("", False),
        ("10.0.0.1", False),
    ],
)
def test_loopback_is_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("challenge", "told"),
    [
        ("", "asks for nothing, not for Basic or Bearer"),
        ("Negotiate, Digest x=1", "asks for negotiate, digest, not for Basic or Bearer"),
        ('Bearer realm="', "WWW-Authenticate that cannot be read"),
        ("Bearer", "is named as the service that gives tokens"),
        ('Bearer realm="/token"', "is named as the service that gives tokens"),
        ('Bearer realm="ftp://x/token"', "was named by a URL that cannot be used"),
        ('Bearer realm="http://[/token"', "is named as the service that gives tokens"),
        ('Bearer realm="http://127.0.0.1:99999/"', "is named as the service that gives tokens"),
    ],
)
def test_a_challenge_that_cannot_be_answered_is_told(challenge: str, told: str) -> None:
    with Registry(challenge) as registry, pytest.raises(ExternalError) as caught:
        repository(registry.host).head("1")
    assert told in caught.value.message


def test_a_token_service_without_tls_gets_no_password(tmp_path: Path) -> None:
    with Registry('Bearer realm="http://tokens.invalid/"') as registry:
        settings = settings_of(home_for(tmp_path, registry.host))
        with pytest.raises(UserError, match=r"tokens\.invalid would be spoken to without TLS"):
            repository(registry.host, settings=settings).head("1")


@pytest.mark.parametrize(
    "answer",
    [
        Reply(200, b"no json"),
        Reply(200, b"[]"),
        Reply(200, b'{"token": ""}'),
        Reply(200, b'{"token": 1}'),
        Reply(200, b'{"token": "a\\r\\nX-Injected: 1"}'),
        Reply(200, b" " * (2 << 20)),
    ],
)
def test_a_token_service_that_gives_none_is_told(answer: Reply) -> None:
    with Server(lambda request: answer) as service, Registry(f'Bearer realm="{service.url}/t"') as registry:
        with pytest.raises(ExternalError, match=rf"{service.host} (answered without a token|sent more than)"):
            repository(registry.host).head("1")
        assert registry.authorizations == []


def test_a_token_service_in_trouble_is_asked_again() -> None:
    replies = [
        Reply(503),
        Reply(429),
        Reply(200, json.dumps({"access_token": "t", "expires_in": "x"}).encode()),
    ]
    with (
        Server(lambda request: replies.pop(0)) as service,
        Server(lambda request: Reply(404)) as target,
        Registry(f'Bearer realm="{service.url}/t"', target.url) as registry,
    ):
        assert repository(registry.host).has_blob(DIGEST) is False
        assert registry.authorizations == ["Bearer t"]


def test_a_password_follows_no_redirect_of_the_token_service(tmp_path: Path) -> None:
    answer = Reply(200, b'{"token": "t"}')
    with (
        Server(lambda request: answer) as other,
        Server(lambda request: Reply(302, headers={"Location": other.url})) as service,
        Registry(f'Bearer realm="{service.url}/t"', other.url) as registry,
    ):
        there = repository(registry.host, settings=settings_of(home_for(tmp_path, registry.host)))
        assert there.has_blob(DIGEST)
    assert service.requests[0].headers["authorization"] == f"Basic {BASIC}"
    assert "authorization" not in other.requests[0].headers


def test_secrets_that_a_registry_repeats_are_not_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def respond(request: Request) -> Reply:
        said = request.headers.get("authorization", "")
        if not said:
            return Reply(401, headers={"WWW-Authenticate": "Basic"})
        return error(403, "DENIED", f"{said} is me:{SECRET}")

    caplog.set_level(logging.DEBUG)
    with Server(respond) as server:
        there = repository(server.host, settings=settings_of(home_for(tmp_path, server.host)))
        with pytest.raises(UserError) as caught:
            there.manifest("1")
    said = repr((caught.value.message, caught.value.hint, caught.value.details)) + caplog.text
    assert caught.value.details == ("DENIED: Basic … is me:…",)
    assert SECRET not in said
    assert BASIC not in said


def test_tokens_and_addresses_are_not_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = Reply(200, b'{"token": "t0k3n"}')
    with (
        Storage() as storage,
        Server(lambda request: token) as service,
        Registry(f'Bearer realm="{service.url}/t"', storage.url + WHERE) as registry,
    ):
        there = repository(registry.host, settings=settings_of(home_for(tmp_path, registry.host)))
        list(there.blob(DIGEST, len(BLOB)))
        assert registry.authorizations == ["Bearer t0k3n"]
    for secret in ("t0k3n", SECRET, BASIC):
        assert secret not in caplog.text
