"""Servers that are slow, busy or gone, bytes that do not fit, and being stopped."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.python.index import Index, search
from tests.python.faulty_index import FaultyIndex, Reply, sha256, stop_after
from tests.python.fetching import CONTENT, NAME, PAGE, PROJECT, failure, fetch, settings_of


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
