"""Fetching a file: where it is found, and which place is asked next."""

from __future__ import annotations

import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.python.index import Index
from tests.python.faulty_index import FaultyIndex, Reply, never, sha256
from tests.python.fetching import CONTENT, NAME, PAGE, PROJECT, failure, fetch, settings_of


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


def test_the_configured_index_gives_what_pip_gets(tmp_path: Path) -> None:
    from tests.python.real_wheels import SIX, real_wheel

    wheel = real_wheel(SIX)
    assert wheel.name == SIX.filename
    assert sha256(wheel.read_bytes()) == SIX.sha256
    assert [file.name for file in wheel.parent.iterdir() if file.name.endswith(".part")] == []
    assert os.access(wheel, os.R_OK)
