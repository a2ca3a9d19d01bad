"""Fetching a file: from a well-behaved index, and from one that is anything but."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python.index import Index, Settings, read_settings, search
from tests.python.faulty_index import FaultyIndex, Reply, basic, never, sha256, stop_after
from tests.require import unavailable

NAME = "demo_pkg-1.0-py3-none-any.whl"
PROJECT = "Demo.Pkg"
PAGE = "/simple/demo-pkg/"
CONTENT = bytes(range(256)) * 1000
SECRET = "pa%3Ass+w%40rd"  # as it stands in a URL
PLAIN = "pa:ss+w@rd"


@pytest.fixture
def server() -> Iterator[FaultyIndex]:
    with FaultyIndex() as index:
        yield index


@pytest.fixture
def other() -> Iterator[FaultyIndex]:
    with FaultyIndex() as index:
        yield index


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch" / NAME


def settings_of(*urls: str, home: str = "/nowhere", **environ: str) -> Settings:
    variables = {"PIP_INDEX_URL": urls[0], "PIP_EXTRA_INDEX_URL": " ".join(urls[1:])} if urls else {}
    settings = read_settings({**variables, **environ}, Path(home), [])
    return replace(settings, retries=2, timeout=10, backoff=0.01)


def fetch(settings: Settings, target: Path, content: bytes = CONTENT, name: str = NAME) -> bytes:
    Index(settings).fetch(PROJECT, name, len(content), sha256(content), target, never)
    return target.read_bytes()


def failure(settings: Settings, target: Path, content: bytes = CONTENT) -> str:
    """Returns all that the error says, once it is known that nothing is left."""
    with pytest.raises(ExternalError) as caught:
        Index(settings).fetch(PROJECT, NAME, len(content), sha256(content), target, never)
    assert list(target.parent.iterdir()) == []
    assert caught.value.message.startswith(f"cannot get {NAME} of {PROJECT}: ")
    assert caught.value.hint
    return "\n".join([caught.value.message, *caught.value.details, caught.value.hint])


# Where a file is found


@pytest.mark.parametrize("html", [True, False])
def test_a_file_is_found_by_the_name_on_its_projects_page(
    server: FaultyIndex, target: Path, html: bool
) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT, html=html)
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT
    assert [request.path for request in server.requests] == [PAGE, path]
    assert "application/vnd.pypi.simple.v1+json" in server.requests[0].headers["accept"]


def test_links_are_relative_to_the_base_that_a_page_names(server: FaultyIndex, target: Path) -> None:
    body = f'<base href="/mirror/x/"><a href="{NAME}">any text</a>'.encode()
    server.replies = {PAGE: [Reply(body, kind="text/html")], f"/mirror/x/{NAME}": [Reply(CONTENT)]}
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT


def test_a_name_may_be_escaped_in_its_url(server: FaultyIndex, target: Path) -> None:
    name = "demo_pkg-1.0+local.1-py3-none-any.whl"
    body = f'<a href="/f/{name.replace("+", "%2B")}">{name}</a>'.encode()
    server.replies = {
        PAGE: [Reply(body, kind="text/html")],
        f"/f/{name.replace('+', '%2B')}": [Reply(CONTENT)],
    }
    assert fetch(settings_of(f"{server.url}/simple"), target, name=name) == CONTENT


def test_links_may_be_a_page_anywhere(server: FaultyIndex, target: Path) -> None:
    server.replies = {
        "/wheels.html": [Reply(f'<a href="w/{NAME}">x</a>'.encode(), kind="text/html")],
        f"/w/{NAME}": [Reply(CONTENT)],
    }
    settings = settings_of(PIP_FIND_LINKS=f"{server.url}/wheels.html", PIP_NO_INDEX="1")
    assert fetch(settings, target) == CONTENT


@pytest.mark.parametrize("link", ["{}", "file://{}", "{}/", "{}/page.html"])
def test_links_may_be_a_directory_or_a_page_on_disk(tmp_path: Path, target: Path, link: str) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / NAME).write_bytes(CONTENT)
    (wheels / "page.html").write_text(f'<a href="{NAME}#sha256={sha256(CONTENT)}">x</a>')
    settings = settings_of(PIP_FIND_LINKS=link.format(wheels), PIP_NO_INDEX="1")
    assert fetch(settings, target) == CONTENT


def test_an_index_may_be_a_directory(tmp_path: Path, target: Path) -> None:
    (tmp_path / "simple/demo-pkg").mkdir(parents=True)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / NAME).write_bytes(CONTENT)
    page = tmp_path / "simple/demo-pkg/index.html"
    page.write_text(f'<a href="../../files/{NAME}">x</a>')
    assert fetch(settings_of(f"file://{tmp_path}/simple"), target) == CONTENT


def test_a_page_from_afar_cannot_name_a_file_of_this_machine(
    server: FaultyIndex, tmp_path: Path, target: Path
) -> None:
    (tmp_path / NAME).write_bytes(CONTENT)
    server.offer("demo-pkg", NAME, CONTENT, page={"url": (tmp_path / NAME).as_uri()})
    assert "names a file of this machine" in failure(settings_of(f"{server.url}/simple"), target)


def test_one_index_serves_many_threads(server: FaultyIndex, target: Path) -> None:
    server.offer("demo-pkg", NAME, CONTENT)
    index = Index(settings_of(f"{server.url}/simple"))
    targets = [target.with_name(f"{number}.whl") for number in range(12)]

    def one(path: Path) -> bytes:
        index.fetch(PROJECT, NAME, len(CONTENT), sha256(CONTENT), path, never)
        return path.read_bytes()

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(one, targets)) == {CONTENT}


def test_a_file_is_never_in_memory_as_a_whole(server: FaultyIndex, target: Path) -> None:
    content = bytes(32 << 20)
    server.offer("demo-pkg", NAME, content)
    settings = settings_of(f"{server.url}/simple")
    tracemalloc.start()
    try:
        Index(settings).fetch(PROJECT, NAME, len(content), sha256(content), target, never)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
    assert target.stat().st_size == len(content)


# What may pass by itself is tried again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_again(server: FaultyIndex, target: Path, status: int) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[PAGE] = [Reply(status=status), *server.replies[PAGE]]
    server.replies[path] = [Reply(status=status), Reply(status=status), *server.replies[path]]
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT
    assert (len(server.asked(PAGE)), len(server.asked(path))) == (2, 3)


def test_a_server_that_stays_in_trouble_is_given_up(server: FaultyIndex, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(status=500)]
    said = failure(settings_of(f"{server.url}/simple"), target)
    assert f"{server.host} answered 500 Internal Server Error" in said
    assert len(server.asked(path)) == 3


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (400, "answered 400 Bad Request"),
        (401, "answered 401 Unauthorized"),
        (403, "answered 403 Forbidden"),
        (404, "answered 404 Not Found"),
        (410, "answered 410 Gone"),
    ],
)
def test_what_a_server_refuses_is_asked_for_once(
    server: FaultyIndex, target: Path, status: int, told: str
) -> None:
    server.replies[PAGE] = [Reply(status=status)]
    said = failure(settings_of(f"{server.url}/simple"), target)
    assert f"{server.host} {told}" in said
    assert ("netrc" in said) == (status in (401, 403))
    assert len(server.requests) == 1


def test_a_server_that_asks_for_a_pause_gets_it(server: FaultyIndex, target: Path) -> None:
    server.offer("demo-pkg", NAME, CONTENT)
    server.replies[PAGE] = [Reply(status=429, headers={"Retry-After": "1"}), *server.replies[PAGE]]
    since = time.monotonic()
    fetch(settings_of(f"{server.url}/simple"), target)
    assert time.monotonic() - since >= 1


@pytest.mark.parametrize("length", [None, -1], ids=["counted", "chunked"])
def test_a_connection_that_is_cut_is_made_again(
    server: FaultyIndex, target: Path, length: int | None
) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    cut = Reply(CONTENT, cut=100_000, length=length)
    server.replies[path] = [cut, cut, Reply(CONTENT, length=length)]
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT
    assert len(server.asked(path)) == 3


@pytest.mark.parametrize("length", [None, -1], ids=["counted", "chunked"])
def test_a_connection_that_is_always_cut_leaves_nothing(
    server: FaultyIndex, target: Path, length: int | None
) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(CONTENT, cut=100_000, length=length)]
    assert "cut the connection" in failure(settings_of(f"{server.url}/simple"), target)
    assert len(server.asked(path)) == 3


def test_a_silent_server_is_given_up(server: FaultyIndex, target: Path) -> None:
    server.offer("demo-pkg", NAME, CONTENT)
    server.replies[PAGE] = [Reply(silence=0.6)]
    settings = replace(settings_of(f"{server.url}/simple"), timeout=0.3)
    assert "was silent for 0.3 s" in failure(settings, target)


def test_a_server_that_drips_counts_as_silent(server: FaultyIndex, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(CONTENT, piece=1, pause=0.05)]
    since = time.monotonic()
    settings = replace(settings_of(f"{server.url}/simple"), timeout=0.3)
    assert "sent only" in failure(settings, target)
    assert time.monotonic() - since < 5


def test_a_slow_server_is_waited_for(server: FaultyIndex, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(CONTENT, piece=len(CONTENT) // 8, pause=0.1)]
    assert fetch(replace(settings_of(f"{server.url}/simple"), timeout=0.5), target) == CONTENT
    assert len(server.asked(path)) == 1


def test_a_server_that_is_not_there_is_named(target: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        assert f"{host} took no connection: connection refused" in failure(
            settings_of(f"http://{host}/simple"), target
        )


# Bytes that are not the wanted ones


def test_other_bytes_are_refused_loudly_and_not_asked_for_again(server: FaultyIndex, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    wrong = CONTENT[:-1] + b"!"
    server.replies[path] = [Reply(wrong)]
    said = failure(settings_of(f"{server.url}/simple"), target)
    assert f"{server.host} gave other bytes: sha256 {sha256(wrong)} instead of {sha256(CONTENT)}" in said
    assert "lambdabuild lock --upgrade Demo.Pkg" in said
    assert len(server.asked(path)) == 1


@pytest.mark.parametrize("length", [None, -1], ids=["counted", "chunked"])
def test_a_longer_file_is_refused_and_not_asked_for_again(
    server: FaultyIndex, target: Path, length: int | None
) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(CONTENT + b"!", length=length)]
    said = failure(settings_of(f"{server.url}/simple"), target)
    assert ("256001 bytes instead of 256000" if length is None else "more than its 256000 bytes") in said
    assert len(server.asked(path)) == 1


@pytest.mark.parametrize("page", [{"hashes": {"sha256": "0" * 64}}, {"size": 7}], ids=["sha256", "size"])
def test_a_file_that_its_page_says_is_another_is_not_asked_for(
    server: FaultyIndex, target: Path, page: dict[str, object]
) -> None:
    server.offer("demo-pkg", NAME, CONTENT, page=page)
    said = failure(settings_of(f"{server.url}/simple"), target)
    assert "instead of" in said
    assert [request.path for request in server.requests] == [PAGE]


@pytest.mark.parametrize("length", [-1, -2], ids=["chunked", "up to the end"])
def test_a_shorter_file_of_unknown_length_is_asked_for_again(
    server: FaultyIndex, target: Path, length: int
) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(CONTENT[:-1], length=length)]
    assert "gave only 255999 of its 256000 bytes" in failure(settings_of(f"{server.url}/simple"), target)
    assert len(server.asked(path)) == 3
    server.replies[path] = [Reply(CONTENT[:-1], length=length), Reply(CONTENT, length=length)]
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT


def test_a_shorter_file_is_refused_before_it_is_read(server: FaultyIndex, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(CONTENT[:-1])]
    said = failure(settings_of(f"{server.url}/simple"), target)
    assert "has it with 255999 bytes instead of 256000" in said
    assert len(server.asked(path)) == 1


def test_a_file_on_disk_must_fit_as_well(tmp_path: Path, target: Path) -> None:
    for content in (CONTENT[:-1], CONTENT + b"!", CONTENT[::-1]):
        (tmp_path / NAME).write_bytes(content)
        said = failure(settings_of(PIP_FIND_LINKS=str(tmp_path), PIP_NO_INDEX="1"), target)
        assert f"{tmp_path / NAME} gave" in said


def test_files_of_other_names_are_passed_over(server: FaultyIndex, target: Path) -> None:
    server.replies["/b"] = [Reply(CONTENT)]
    server.list(
        "demo-pkg",
        [
            {"filename": f"{NAME}.metadata", "url": "/a", "hashes": {}},
            {"filename": NAME, "url": "/b", "hashes": {}},
        ],
    )
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT
    assert server.asked("/a") == []


def test_the_right_one_of_two_files_of_a_name_is_taken(server: FaultyIndex, target: Path) -> None:
    server.replies["/b"] = [Reply(CONTENT)]
    server.list(
        "demo-pkg",
        [
            {"filename": NAME, "url": "/a", "hashes": {"sha256": "0" * 64}},
            {"filename": NAME, "url": "/b", "hashes": {"sha256": sha256(CONTENT)}},
        ],
    )
    assert fetch(settings_of(f"{server.url}/simple"), target) == CONTENT


@pytest.mark.parametrize(
    "page",
    [
        Reply(b"{", kind="application/vnd.pypi.simple.v1+json"),
        Reply(b"[]", kind="application/vnd.pypi.simple.v1+json"),
        Reply(b'{"meta":{"api-version":"2.0"},"files":[]}', kind="application/vnd.pypi.simple.v1+json"),
    ],
    ids=["cut", "list", "version 2"],
)
def test_a_page_that_makes_no_sense_is_an_error(server: FaultyIndex, target: Path, page: Reply) -> None:
    server.replies[PAGE] = [page]
    assert "sent a page that cannot be read" in failure(settings_of(f"{server.url}/simple"), target)


def test_a_page_without_end_is_given_up(
    server: FaultyIndex, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_PAGE", 10)
    server.offer("demo-pkg", NAME, CONTENT)
    assert "a page of more than 10 bytes" in failure(settings_of(f"{server.url}/simple"), target)


# The next place


@pytest.mark.parametrize(
    "trouble",
    ["absent", "no page", "server error", "wrong bytes", "wrong on page", "file gone", "no answer"],
)
def test_the_next_index_is_asked(server: FaultyIndex, other: FaultyIndex, target: Path, trouble: str) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    other.offer("demo-pkg", NAME, CONTENT)
    match trouble:
        case "absent":
            server.list("demo-pkg", [])
        case "no page":
            server.replies = {}
        case "server error":
            server.replies[PAGE] = [Reply(status=500)]
        case "wrong bytes":
            server.replies[path] = [Reply(CONTENT[::-1])]
        case "wrong on page":
            server.offer("demo-pkg", NAME, CONTENT, page={"hashes": {"sha256": "0" * 64}})
        case "file gone":
            server.replies[path] = [Reply(status=404)]
        case "no answer":
            server.replies[path] = [Reply(silence=0.6)]
    settings = settings_of(f"{server.url}/simple", f"{other.url}/simple")
    if trouble == "no answer":
        settings = replace(settings, timeout=0.3)
    assert fetch(settings, target) == CONTENT
    assert len(server.requests) > 0


def test_an_error_tells_of_every_place_and_first_of_the_worst(
    server: FaultyIndex, other: FaultyIndex, target: Path
) -> None:
    path = other.offer("demo-pkg", NAME, CONTENT)
    other.replies[path] = [Reply(CONTENT[::-1])]
    said = failure(settings_of(f"{server.url}/simple", f"{other.url}/simple"), target).splitlines()
    assert f"{other.host} gave other bytes" in said[0]
    assert said[1] == f"{server.host} answered 404 Not Found"


def test_no_place_at_all_is_an_error(target: Path) -> None:
    assert "names no index and no links" in failure(settings_of(PIP_NO_INDEX="1"), target)


# Logins


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


# Proxies and certificates


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


# Stopping


def test_a_download_that_is_stopped_leaves_nothing(server: FaultyIndex, target: Path) -> None:
    server.offer("demo-pkg", NAME, CONTENT)
    index = Index(settings_of(f"{server.url}/simple"))
    for calls in range(6):
        with pytest.raises(KeyboardInterrupt):
            index.fetch(PROJECT, NAME, len(CONTENT), sha256(CONTENT), target, stop_after(calls))
        assert list(target.parent.iterdir()) == []


def test_waiting_for_the_next_attempt_can_be_stopped(server: FaultyIndex, target: Path) -> None:
    server.replies[PAGE] = [Reply(status=503, headers={"Retry-After": "30"})]
    since = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Index(settings_of(f"{server.url}/simple")).fetch(PROJECT, NAME, 1, "0" * 64, target, stop_after(3))
    assert time.monotonic() - since < 5


def test_a_target_stays_as_it_was_until_all_is_there(server: FaultyIndex, target: Path) -> None:
    path = server.offer("demo-pkg", NAME, CONTENT)
    server.replies[path] = [Reply(CONTENT[::-1])]
    target.write_bytes(b"before")
    with pytest.raises(ExternalError):
        fetch(settings_of(f"{server.url}/simple"), target)
    assert {file.name: file.read_bytes() for file in target.parent.iterdir()} == {NAME: b"before"}


def test_a_disk_that_cannot_be_written_is_told_apart_from_the_index(
    server: FaultyIndex, target: Path
) -> None:
    server.offer("demo-pkg", NAME, CONTENT)
    with pytest.raises(ExternalError, match=f"cannot write {NAME}: No such file or directory"):
        fetch(settings_of(f"{server.url}/simple"), target.parent / "absent" / NAME)


# The index of this machine


def test_the_configured_index_gives_what_pip_gets(tmp_path: Path) -> None:
    from tests.python.real_wheels import SIX, real_wheel

    wheel = real_wheel(SIX)
    assert wheel.name == SIX.filename
    assert sha256(wheel.read_bytes()) == SIX.sha256
    assert [file.name for file in wheel.parent.iterdir() if file.name.endswith(".part")] == []
    assert os.access(wheel, os.R_OK)
