"""Being let in by real registries: Basic, and Bearer with a token service in front."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import LambdaBuildError, UserError
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.registry.auth import Auth
from lambdabuild.oci.registry.credentials import Credentials
from lambdabuild.oci.registry.repository import Repository
from lambdabuild.oci.registry.transport import Transport

from .asking import BLOB, DIGEST, docker_config, new_name, push_blob, repository, settings_of
from .proxy import Proxy, change
from .real import LOGIN, PASSWORD, RealRegistry, TokenService


def told(error: LambdaBuildError) -> str:
    return "\n".join([error.message, *error.details, error.hint or "", repr(error), str(error.at)])


def logged_in(home: Path, host: str, name: str | None = None, auth: str = LOGIN) -> Repository:
    docker_config(home, auths={host: {"auth": auth}})
    return repository(host, name, settings_of(home))


@pytest.fixture
def tokens(token_registry: RealRegistry) -> TokenService:
    assert token_registry.tokens
    token_registry.tokens.requests.clear()
    return token_registry.tokens


@pytest.fixture
def service_lifetime(tokens: TokenService) -> Iterator[TokenService]:
    yield tokens
    tokens.lifetime = 300


def test_a_password_opens(basic_registry: RealRegistry, tmp_path: Path) -> None:
    there = logged_in(tmp_path, basic_registry.host)
    push_blob(there)
    assert b"".join(there.blob(DIGEST, len(BLOB))) == BLOB


def test_a_password_is_sent_unasked_after_the_first_time(
    basic_registry: RealRegistry, tmp_path: Path
) -> None:
    with Proxy(basic_registry.host) as proxy:
        there = logged_in(tmp_path, proxy.host)
        push_blob(there)
        there.has_blob(DIGEST)
        sent = ["authorization" in each.headers for each in proxy.requests]
    assert sent == [False, True, True, True]


def test_without_a_login_the_user_is_told_how_to_get_one(basic_registry: RealRegistry) -> None:
    with pytest.raises(UserError) as caught:
        repository(basic_registry.host).head("1")
    assert f"{basic_registry.host} wants a login, and there is none" in caught.value.message
    assert caught.value.hint == f"docker login {basic_registry.host}"


def test_a_wrong_password_is_not_told(basic_registry: RealRegistry, tmp_path: Path) -> None:
    wrong = base64.b64encode(b"me:opensesame").decode()
    with pytest.raises(UserError) as caught:
        push_blob(logged_in(tmp_path, basic_registry.host, auth=wrong))
    said = told(caught.value)
    source = f"the login from {tmp_path}/.docker/config.json for {basic_registry.host}"
    assert f"{basic_registry.host} answered 401 Unauthorized to {source}" in said
    assert f"docker login {basic_registry.host}" in said
    assert wrong not in said
    assert "opensesame" not in said


def test_a_keychain_is_asked_again_when_its_password_is_refused(
    basic_registry: RealRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = docker_config(tmp_path, credsStore="test")
    helper, answer = tmp_path / "docker-credential-test", tmp_path / "answer"
    helper.write_text(f"#!/bin/sh\ncat {answer}\n")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    there = repository(basic_registry.host, settings=settings_of(home))
    answer.write_text(json.dumps({"Username": "me", "Secret": "opensesame"}))
    with pytest.raises(UserError, match="401 Unauthorized to the login from docker-credential-test for 127"):
        there.head("1")
    answer.write_text(json.dumps({"Username": "me", "Secret": PASSWORD}))
    assert there.head("1") is None
    assert there.head("2") is None


def test_what_is_public_needs_no_login(token_registry: RealRegistry, tmp_path: Path) -> None:
    name = new_name("public")
    push_blob(logged_in(tmp_path, token_registry.host, name))
    there = repository(token_registry.host, name)
    assert b"".join(there.blob(DIGEST, len(BLOB))) == BLOB
    with pytest.raises(
        UserError, match=rf"cannot send the blob .* to {there.name}: .* answered 401"
    ) as caught:
        push_blob(there)
    assert f"docker login {token_registry.host}" in (caught.value.hint or "")


def test_an_identity_token_opens(token_registry: RealRegistry, tmp_path: Path) -> None:
    docker_config(tmp_path, auths={token_registry.host: {"identitytoken": TokenService.identity}})
    push_blob(repository(token_registry.host, settings=settings_of(tmp_path)))


def test_a_wrong_identity_token_is_not_told(token_registry: RealRegistry, tmp_path: Path) -> None:
    docker_config(tmp_path, auths={token_registry.host: {"identitytoken": "wrong-token"}})
    with pytest.raises(UserError, match="does not accept the login from") as caught:
        push_blob(repository(token_registry.host, settings=settings_of(tmp_path)))
    assert "wrong-token" not in told(caught.value)


def test_a_password_that_the_token_service_refuses_is_not_told(
    token_registry: RealRegistry, tokens: TokenService, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        push_blob(logged_in(tmp_path, token_registry.host, auth="bWU6b3BlbnNlc2FtZQ=="))
    said = told(caught.value)
    assert f"{tokens.host} does not accept the login from {tmp_path}/.docker/config.json" in said
    assert f"docker login {token_registry.host}" in said
    assert "opensesame" not in said
    assert "bWU6b3Blb" not in said


def test_one_token_does_for_all_requests_of_one_kind(
    token_registry: RealRegistry, tokens: TokenService, tmp_path: Path
) -> None:
    there = logged_in(tmp_path, token_registry.host)
    push_blob(there)
    push_blob(there, b"another")
    assert [each.query["scope"][0].rpartition(":")[2] for each in tokens.requests] == ["pull,push"]
    there.head("1")
    there.head("2")
    assert [each.query["scope"][0].rpartition(":")[2] for each in tokens.requests] == ["pull,push", "pull"]


def test_a_mount_asks_for_the_right_to_read_its_source(
    token_registry: RealRegistry, tokens: TokenService, tmp_path: Path
) -> None:
    source, there = logged_in(tmp_path, token_registry.host), logged_in(tmp_path, token_registry.host)
    data = b"to be mounted with a token"
    digest = push_blob(source, data)
    name = source.name.partition("/")[2]
    assert there.mount(digest, name) is True
    assert tokens.requests[-1].query["scope"][1] == f"repository:{name}:pull"


def test_threads_that_are_refused_at_once_fetch_one_token(
    token_registry: RealRegistry, tokens: TokenService, tmp_path: Path
) -> None:
    there = logged_in(tmp_path, token_registry.host)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: push_blob(there, bytes([number]) * 1000), range(32)))
    assert len(tokens.requests) == 1


def test_a_token_is_renewed_before_it_expires(
    token_registry: RealRegistry, service_lifetime: TokenService, tmp_path: Path
) -> None:
    settings = settings_of(docker_config(tmp_path, auths={token_registry.host: {"auth": LOGIN}}))
    now = [0.0]
    auth = Auth(token_registry.host, Credentials(settings), Transport(settings), lambda: now[0])
    asked = f'Bearer realm="{service_lifetime.url}/token?extra=1",service="registry.test"'
    scopes = ("repository:a:pull",)
    first = auth.answer(asked, scopes, None)
    for now[0], same in ((1, True), (279, True), (281, False)):
        assert (auth.header(scopes) == first) is same
    service_lifetime.lifetime = 3  # a third of it is left out, not 20 s
    now[0] = 1000.0
    second = auth.header(scopes)
    now[0] = 1001.9
    assert auth.header(scopes) == second
    now[0] = 1002.1
    assert auth.header(scopes) != second


def test_a_token_that_the_registry_does_not_take_any_more_is_replaced(
    token_registry: RealRegistry, tokens: TokenService, tmp_path: Path
) -> None:
    with Proxy(token_registry.host) as proxy:
        there = logged_in(tmp_path, proxy.host)
        push_blob(there)
        asked = f'Bearer realm="{tokens.url}/token?extra=1",service="registry.test",error="invalid_token"'
        expired = change(
            lambda reply: replace(reply, status=401, headers={"WWW-Authenticate": asked}, body=b"")
        )
        proxy.plan("POST", "uploads", expired)
        push_blob(there, b"after the token expired")
        proxy.plan("PUT", "uploads", expired)  # in the middle of an upload
        assert push_blob(there, b"once more") == sha256_of(b"once more")
    assert len(tokens.requests) == 3
