"""Which login a host gets, by docker's configuration."""

from __future__ import annotations

import base64
import json
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.oci.registry.credentials import Credentials
from lambdabuild.oci.registry.login import Login

from .asking import docker_config, settings_of

SECRET = "s3cr3t-of-me"


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Installs docker-credential-NAME, a shell script that finds the server in $server."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")

    def install(name: str, script: str) -> None:
        path = tmp_path / f"bin/docker-credential-{name}"
        path.write_text(f'#!/bin/sh\n[ "$1" = get ] || exit 9\nserver=$(cat)\n{script}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return install


def found(home: Path, host: str = "ghcr.io", **document: Any) -> tuple[str, str, str] | None:
    login = Credentials(settings_of(docker_config(home, **document))).login(host)
    return (login.user, login.password, login.identity_token) if login else None


def failure(kind: type[LambdaBuildError], home: Path, **document: Any) -> LambdaBuildError:
    with pytest.raises(kind) as caught:
        Credentials(settings_of(docker_config(home, **document), helper=0.5)).login("ghcr.io")
    error = caught.value
    assert error.at
    assert error.at.path == f"{home}/.docker/config.json"
    assert SECRET not in repr((error.message, error.hint, error.details))
    assert auth("me", SECRET) not in repr((error.message, error.hint, error.details))
    return error


JSON = f'{{"ServerURL": "x", "Username": "me", "Secret": "{SECRET}"}}'


def test_no_configuration_is_no_login(tmp_path: Path) -> None:
    assert Credentials(settings_of(tmp_path)).login("ghcr.io") is None


@given(
    st.text(min_size=1).filter(lambda text: ":" not in text), st.text().filter(lambda t: not t.endswith("\0"))
)
def test_a_user_and_a_password_come_back(user: str, password: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        assert found(Path(home), auths={"ghcr.io": {"auth": auth(user, password)}}) == (user, password, "")


@pytest.mark.parametrize(
    ("key", "host"),
    [
        ("ghcr.io", "ghcr.io"),
        ("https://ghcr.io", "ghcr.io"),
        ("https://ghcr.io/v1/", "ghcr.io"),
        ("http://ghcr.io:5000/v2/", "ghcr.io:5000"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
    ],
)
def test_keys_may_be_old_urls(tmp_path: Path, key: str, host: str) -> None:
    auths = {key: {"auth": auth("me", SECRET)}}
    assert found(tmp_path, host, auths=auths) == ("me", SECRET, "")
    for other in ("io", "ghcr.io.evil", "ghcr.io:1", "evil/ghcr.io"):
        assert found(tmp_path, other, auths=auths) is None


@pytest.mark.parametrize(
    ("entry", "login"),
    [
        ({}, None),
        ({"auth": ""}, None),
        ({"username": "me", "password": SECRET}, ("me", SECRET, "")),
        ({"auth": auth("me", SECRET + "\0\0")}, ("me", SECRET, "")),
        ({"auth": auth("me", "a:b")}, ("me", "a:b", "")),
        ({"auth": auth("me", "old"), "identitytoken": SECRET}, ("", "", SECRET)),
    ],
)
def test_entries_of_the_wild(tmp_path: Path, entry: object, login: object) -> None:
    assert found(tmp_path, auths={"ghcr.io": entry}) == login


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"auths": {"ghcr.io": {"auth": "%%" + SECRET}}}, "the login for ghcr.io is malformed"),
        ({"auths": {"ghcr.io": {"auth": base64.b64encode(SECRET.encode()).decode()}}}, "is malformed"),
        ({"auths": {"ghcr.io": {"auth": 7}}}, "is malformed"),
        ({"auths": {"ghcr.io": SECRET}}, "is no object"),
        ({"auths": [SECRET]}, "is no object"),
        ({"credsStore": 7}, "the credential helper for ghcr.io is no string"),
        ({"credsStore": "../../bin/sh"}, "cannot be the name of a credential helper"),
    ],
)
def test_what_cannot_be_used_is_told_without_quoting_it(tmp_path: Path, document: Any, told: str) -> None:
    assert told in failure(UserError, tmp_path, **document).message


@pytest.mark.parametrize("text", [f'{{"auths": {{"ghcr.io": "{SECRET}', "[]", "\xff"])
def test_a_file_that_is_no_json_object_is_told_without_quoting_it(tmp_path: Path, text: str) -> None:
    docker_config(tmp_path)
    (tmp_path / ".docker/config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match="docker's configuration is") as caught:
        Credentials(settings_of(tmp_path)).login("ghcr.io")
    assert SECRET not in repr((caught.value.message, caught.value.hint))


def test_a_helper_is_asked(tmp_path: Path, helper: Any) -> None:
    helper("own", f"echo '{JSON}'; echo \"$server\" >> {tmp_path}/asked")
    assert found(tmp_path, credHelpers={"ghcr.io": "own"}) == ("me", SECRET, "")
    assert found(tmp_path, "docker.io", credsStore="own") == ("me", SECRET, "")
    assert (tmp_path / "asked").read_text().split() == ["ghcr.io", "https://index.docker.io/v1/"]


def test_a_helper_is_asked_once(tmp_path: Path, helper: Any) -> None:
    helper("own", f"echo '{JSON}'; echo x >> {tmp_path}/asked")
    credentials = Credentials(settings_of(docker_config(tmp_path, credsStore="own")))
    first = credentials.login("ghcr.io")
    assert first == credentials.login("ghcr.io")
    assert first
    credentials.forget("ghcr.io", Login("another"))
    credentials.login("ghcr.io")
    assert (tmp_path / "asked").read_text() == "x\n"
    credentials.forget("ghcr.io", first)
    credentials.login("ghcr.io")
    assert (tmp_path / "asked").read_text() == "x\nx\n"


def test_a_hosts_own_helper_goes_before_the_common_one(tmp_path: Path, helper: Any) -> None:
    helper("own", f"echo '{JSON}'")
    helper("common", "exit 1")
    auths = {"ghcr.io": {"auth": auth("you", "x")}}
    login = found(tmp_path, credHelpers={"ghcr.io": "own"}, credsStore="common", auths=auths)
    assert login == ("me", SECRET, "")


def test_a_keychain_that_has_nothing_is_a_reason_to_look_further(tmp_path: Path, helper: Any) -> None:
    helper("empty", "echo 'credentials not found in native keychain'; exit 1")
    assert found(tmp_path, credsStore="empty") is None
    auths = {"ghcr.io": {"auth": auth("me", SECRET)}}
    assert found(tmp_path, credsStore="empty", auths=auths) == ("me", SECRET, "")


def test_a_helper_may_give_an_identity_token(tmp_path: Path, helper: Any) -> None:
    helper("own", "echo '" + json.dumps({"Username": "<token>", "Secret": SECRET}) + "'")
    assert found(tmp_path, credsStore="own") == ("", "", SECRET)


def test_a_helper_that_fails_is_named_and_not_quoted(tmp_path: Path, helper: Any) -> None:
    helper("own", f"echo '{JSON}'; echo {SECRET} >&2; exit 3")
    error = failure(ExternalError, tmp_path, credsStore="own")
    assert error.message == "docker-credential-own failed for ghcr.io: exit status 3"
    assert error.hint == "see what it says: echo ghcr.io | docker-credential-own get"


@pytest.mark.parametrize("output", [SECRET, "{}", "[]", f'{{"Username": 1, "Secret": "{SECRET}"}}'])
def test_a_helper_that_talks_nonsense_is_named_and_not_quoted(
    tmp_path: Path, helper: Any, output: str
) -> None:
    helper("own", f"echo '{output}'")
    error = failure(ExternalError, tmp_path, credsStore="own")
    assert error.message == "what docker-credential-own prints for ghcr.io is no login"


def test_a_helper_that_never_ends_is_given_up(tmp_path: Path, helper: Any) -> None:
    helper("own", "exec sleep 60")
    error = failure(ExternalError, tmp_path, credsStore="own")
    assert error.message == "docker-credential-own gave no login for ghcr.io within 0.5 s"


def test_a_helper_that_is_not_installed_is_named(tmp_path: Path, helper: Any) -> None:
    error = failure(UserError, tmp_path, credsStore="own")
    assert error.message == "docker-credential-own, which is configured for ghcr.io, is not installed"


def test_logins_do_not_show_their_secrets() -> None:
    login = Login("here", "me", SECRET, SECRET)
    assert SECRET not in repr(login)
    assert SECRET not in str(login)
