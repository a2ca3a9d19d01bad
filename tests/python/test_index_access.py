"""Logins, redirects, proxies and certificates."""

from __future__ import annotations

import logging
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from tests.python.faulty_index import FaultyIndex, Reply, basic
from tests.python.fetching import CONTENT, NAME, PAGE, PLAIN, SECRET, failure, fetch, settings_of
from tests.require import unavailable


def test_a_login_in_the_url_opens_page_and_file(server: FaultyIndex, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    for each in (PAGE, path):
        server.replies[each] = [replace(server.replies[each][0], login=f"me:{PLAIN}")]
    url = server.url.replace("://", f"://me:{SECRET}@")
    assert fetch(settings_of(f"{url}/simple"), target) == CONTENT


def test_a_login_in_netrc_opens_page_and_file(server: FaultyIndex, tmp_path: Path, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    for each in (PAGE, path):
        server.replies[each] = [replace(server.replies[each][0], login="me:opensesame")]
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password opensesame\n")
    assert fetch(settings_of(f"{server.url}/simple", home=str(tmp_path)), target) == CONTENT


def test_a_login_goes_to_no_other_host(server: FaultyIndex, other: FaultyIndex, target: Path) -> None:
    server.offer("demo-pkg", NAME, CONTENT, page={"url": "/moved"})
    server.replies["/moved"] = [Reply().to(f"{other.url}/elsewhere")]
    other.replies["/elsewhere"] = [Reply(CONTENT)]
    url = server.url.replace("://", f"://me:{SECRET}@")
    assert fetch(settings_of(f"{url}/simple"), target) == CONTENT
    assert server.asked("/moved")[0].headers["authorization"] == basic(f"me:{PLAIN}")
    assert "authorization" not in other.requests[0].headers


def test_a_page_may_be_moved_too(server: FaultyIndex, other: FaultyIndex, target: Path) -> None:
    other.offer("demo-pkg", NAME, CONTENT)
    server.replies[PAGE] = [Reply().to(f"{other.url}{PAGE}")]
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT


@pytest.mark.parametrize(
    ("location", "told"), [(PAGE, "more than 10 redirects"), ("ftp://x/y", "'ftp'"), ("http://[", "URL")]
)
def test_redirects_that_lead_nowhere_are_an_error(
    server: FaultyIndex, target: Path, location: str, told: str
) -> None:
    server.replies[PAGE] = [Reply().to(location)]
    assert told in failure(settings_of(f"{server.url}/simple"), target)


@pytest.mark.parametrize("status", [401, 500, 302])
def test_nothing_secret_is_told(
    server: FaultyIndex, target: Path, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    url = server.url.replace("://", f"://me:{SECRET}@")
    login = url.replace("me:", "you:")
    server.replies[PAGE] = [Reply(status=status, headers={"Location": f"{login}/there"})]
    server.replies["/there"] = [Reply(status=500)]
    settings = settings_of(f"{url}/simple", f"{url}/more", PIP_PROXY="")
    with caplog.at_level(logging.DEBUG):
        said = failure(settings, target)
    everything = said + repr(settings) + str(settings.places[0].login) + caplog.text
    assert caplog.text  # what the HTTP library logs was looked at
    for secret in (SECRET, PLAIN, "me:", "you:", basic(f"me:{PLAIN}")[6:]):
        assert secret not in everything
    assert server.host in said


def test_a_proxy_is_used_unless_the_host_is_excepted(server: FaultyIndex, target: Path) -> None:
    index = "http://index.invalid"
    server.offer("demo-pkg", NAME, CONTENT)
    for path, replies in [*server.replies.items()]:
        server.replies[index + path] = replies
    proxy = server.url.replace("://", f"://me:{SECRET}@")
    settings = settings_of(f"{index}/simple", HTTP_PROXY=proxy)
    assert fetch(settings, target) == CONTENT
    assert server.requests[0].headers["proxy-authorization"] == basic(f"me:{PLAIN}")
    assert PLAIN not in repr(settings)
    assert SECRET not in repr(settings)
    target.unlink()
    server.requests.clear()
    failure(settings_of(f"{index}/simple", http_proxy=proxy, no_proxy="other, .invalid"), target)
    assert server.requests == []


def test_a_proxy_that_cannot_be_is_the_users_error(target: Path) -> None:
    settings = settings_of("http://index.invalid/simple", PIP_PROXY=f"socks9://me:{SECRET}@x")
    with pytest.raises(UserError, match="proxy") as caught:
        fetch(settings, target)
    assert SECRET not in caught.value.message


def test_certificates_to_trust_come_from_pips_configuration(tmp_path: Path, target: Path) -> None:
    if shutil.which("openssl") is None:
        unavailable("needs openssl: apt-get install openssl")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=x"
    subprocess.run(
        [*command.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True,
        capture_output=True,
    )
    both = tmp_path / "both.pem"
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    with FaultyIndex(str(both)) as server:
        server.offer("demo-pkg", NAME, CONTENT)
        for variable in ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            assert fetch(settings_of(f"{server.url}/simple", **{variable: str(cert)}), target) == CONTENT
            target.unlink()
        said = failure(settings_of(f"{server.url}/simple"), target)
        assert f"{server.host} cannot be trusted" in said
        assert "PIP_CERT" in said
        with pytest.raises(UserError, match=r"certificates in .*absent\.pem cannot be read"):
            fetch(settings_of(f"{server.url}/simple", PIP_CERT=str(tmp_path / "absent.pem")), target)
