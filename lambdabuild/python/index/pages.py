"""A page that lists files -> links.

Sources: PEP 503 (HTML), PEP 691 (JSON), PEP 700 (sizes); for `find-links`, any
page with links. Yanked files and those for another Python count: a lock has
chosen already.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urljoin, urlsplit

JSON = "application/vnd.pypi.simple.v1+json"
ACCEPT = f"{JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


@dataclass(frozen=True, slots=True)
class Link:
    """A file as a page names it.

    url:    absolute.
    sha256: hex digits; None where the page does not say.
    size:   bytes, or None.
    """

    url: str
    filename: str
    sha256: str | None = None
    size: int | None = None


def links_of(body: bytes, content_type: str, url: str) -> Iterator[Link]:
    """Yields the links of a page. Raises ValueError for one that is not as the standards say.

    url: where it came from in the end; relative links are relative to it.
    """
    if content_type.partition(";")[0].strip().lower().endswith("json"):
        return _json_links(json.loads(body), url)
    return _html_links(body.decode("utf-8", errors="replace"), url)


def links_in(directory: Path) -> Iterator[Link]:
    """Yields the files of a directory."""
    for path in sorted(directory.iterdir()):
        yield Link(path.absolute().as_uri(), path.name)


def _json_links(document: Any, url: str) -> Iterator[Link]:
    try:
        version = str(document["meta"]["api-version"])
        if version.partition(".")[0] != "1":
            raise ValueError(f"version {version!r} of the simple API is not known")
        for each in document["files"]:
            sha256, size = each["hashes"].get("sha256"), each.get("size")
            yield Link(
                urljoin(url, each["url"]),
                each["filename"],
                sha256.lower() if isinstance(sha256, str) else None,
                size if type(size) is int else None,
            )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a part is missing or of another type: {error}") from None


def _html_links(text: str, url: str) -> Iterator[Link]:
    from html.parser import HTMLParser  # few indexes speak HTML alone

    base, hrefs = url, []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            nonlocal base
            href = dict(attrs).get("href")
            if tag == "base" and href:
                base = urljoin(url, href)
            elif tag == "a" and href:
                hrefs.append(href)

    parser = Parser()
    parser.feed(text)
    parser.close()
    for href in hrefs:
        try:
            parts = urlsplit(urljoin(base, href.strip()))
        except ValueError:
            continue  # what it leads to has no name, so nobody asks for it
        sha256 = parse_qs(parts.fragment).get("sha256", [None])[0]
        yield Link(
            parts._replace(fragment="").geturl(),
            unquote(parts.path.rpartition("/")[2]),
            sha256.lower() if sha256 else None,
        )
