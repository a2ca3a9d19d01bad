"""Pages of the simple API -> links."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.python.index.pages import Link, links_in, links_of

URL = "https://host/simple/demo/"
DIGEST = "ab" * 32


def html(text: str) -> list[Link]:
    return list(links_of(text.encode(), "text/html; charset=utf-8", URL))


def test_html_and_json_say_the_same() -> None:
    name = "demo-1.0-py3-none-any.whl"
    page = f'<a href="../../f/{name}#sha256={DIGEST}" data-yanked="" data-requires-python="&lt;3">{name}</a>'
    document = {
        "meta": {"api-version": "1.0"},
        "files": [{"filename": name, "url": f"../../f/{name}", "hashes": {"sha256": DIGEST}, "yanked": True}],
    }
    said = list(links_of(json.dumps(document).encode(), "application/vnd.pypi.simple.v1+json", URL))
    assert html(page) == said == [Link(f"https://host/f/{name}", name, DIGEST)]


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("a.whl", Link(f"{URL}a.whl", "a.whl")),
        (" /x/a.whl ", Link("https://host/x/a.whl", "a.whl")),
        ("//other/a.whl", Link("https://other/a.whl", "a.whl")),
        ("http://other/a%2B1.whl?token=x&amp;y=z", Link("http://other/a%2B1.whl?token=x&y=z", "a+1.whl")),
        (f"a.whl#md5=1&amp;sha256={DIGEST.upper()}", Link(f"{URL}a.whl", "a.whl", DIGEST)),
        ("a.whl#md5=abc", Link(f"{URL}a.whl", "a.whl")),
    ],
)
def test_a_link_in_html_is_read_as_pip_does(href: str, expected: Link) -> None:
    assert html(f'<html><body><A HREF="{href}">whatever</A></body></html>') == [expected]


def test_links_that_are_none_are_passed_over() -> None:
    page = '<a name="x">x</a><a href="">x</a><a href="http://[">x</a><link href="y.whl"><a href="a.whl">'
    assert [link.filename for link in html(page)] == ["a.whl"]


@given(st.binary(max_size=300))
def test_any_html_at_all_gives_links_or_none(body: bytes) -> None:
    assert all(link.url for link in links_of(body, "text/html", URL))


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda each: (
            st.lists(each, max_size=3)
            | st.dictionaries(
                st.sampled_from(["meta", "api-version", "files", "url", "hashes"]), each, max_size=3
            )
        ),
    )
)
def test_any_json_at_all_gives_links_or_a_value_error(document: object) -> None:
    with contextlib.suppress(ValueError):
        assert all(link.url for link in links_of(json.dumps(document).encode(), "application/json", URL))


def test_a_size_counts_only_if_it_is_a_number() -> None:
    sizes: list[object] = [5, "5", None, True]
    files = [{"filename": "a", "url": "a", "hashes": {}, "size": size} for size in sizes]
    document = {"meta": {"api-version": "1.1"}, "files": files}
    said = links_of(json.dumps(document).encode(), "application/json", URL)
    assert [link.size for link in said] == [5, None, None, None]


def test_a_directory_names_its_files(tmp_path: Path) -> None:
    (tmp_path / "b c.whl").touch()
    (tmp_path / "a.whl").touch()
    assert [(link.filename, link.url) for link in links_in(tmp_path)] == [
        ("a.whl", f"file://{tmp_path}/a.whl"),
        ("b c.whl", f"file://{tmp_path}/b%20c.whl"),
    ]
