"""A file's name, size and sha256 -> the file, from the first place that has it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urljoin, urlsplit

from lambdabuild.errors import ExternalError
from lambdabuild.python.index.files import Wanted, write
from lambdabuild.python.index.pages import ACCEPT, Link, links_in, links_of
from lambdabuild.python.index.problem import Kind, Problem, host_of
from lambdabuild.python.index.settings import Place, Settings

if TYPE_CHECKING:
    from lambdabuild.python.index.transport import Answer, Transport

MAX_PAGE: Final = 64 << 20
"""Bytes of a page. The longest public ones have a tenth."""

_HINTS: Final = {
    Kind.ABSENT: "lambdabuild lock picks what the index has; python -m pip config list shows which index",
    Kind.TROUBLE: "try again; python -m pip config list shows which index is asked",
    Kind.WRONG: "if its publisher really replaced the file, lambdabuild lock --upgrade {project}",
}


class Index:
    """Where package files come from. One instance serves any number of threads."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def fetch(
        self,
        project: str,
        filename: str,
        size: int,
        sha256: str,
        target: Path,
        check: Callable[[], None],
    ) -> None:
        """Writes the file called `filename`, of `size` bytes with `sha256`, to `target`.

        Each configured place is asked in turn. One that fails for a reason that
        may pass is asked again, with growing pauses; one that has other bytes is
        not. `target` is written in one go at the end, or not at all.

        check: is called between pieces and while waiting, to end all by an
               exception; not while a server is silent, which it may be for
               `settings.timeout`.

        Raises ExternalError that says what was wrong at which place, without
        anything secret; UserError for settings that cannot be used.
        """
        wanted = Wanted(project, filename, size, sha256.lower())
        problems: list[tuple[Place, Problem]] = []
        for place in self.settings.places:
            try:
                return self._fetch_from(place, wanted, target, check)
            except Problem as problem:
                problems.append((place, problem))
        raise _failure(wanted, problems)

    def size_of(self, project: str, filename: str, sha256: str) -> int:
        """Returns the bytes that the file has, as a page or its server says; raises as `fetch` does."""
        wanted = Wanted(project, filename, 0, sha256.lower())
        problems: list[tuple[Place, Problem]] = []
        for place in self.settings.places:
            try:
                for link in self._links(place, _page_url(place, project), _go_on):
                    if link.filename == filename and link.sha256 in (None, wanted.sha256):
                        return link.size or self._announced(place, link.url)
                raise Problem(place.name, "does not have it", Kind.ABSENT)
            except Problem as problem:
                problems.append((place, problem))
        raise _failure(wanted, problems)

    def _announced(self, place: Place, url: str) -> int:
        """Returns the size of what `url` would give, without reading it."""
        if urlsplit(url).scheme == "file":
            return _path(url).stat().st_size
        return self._transport.get(url, place, {"Accept-Encoding": "identity"}, _content_length, _go_on)

    @cached_property
    def _transport(self) -> Transport:
        from lambdabuild.python.index.transport import Transport  # a local index needs no HTTP

        return Transport(self.settings)

    def _fetch_from(self, place: Place, wanted: Wanted, target: Path, check: Callable[[], None]) -> None:
        url = _page_url(place, wanted.project)
        named = [link for link in self._links(place, url, check) if link.filename == wanted.filename]
        if not named:
            raise Problem(place.name, "does not have it", Kind.ABSENT)
        fitting = [
            link
            for link in named
            if link.sha256 in (None, wanted.sha256) and link.size in (None, wanted.size)
        ]
        if not fitting:
            host, sha256 = place.name, named[0].sha256
            wanted.refuse_size(host, named[0].size or wanted.size)
            raise Problem(host, f"has it with sha256 {sha256} instead of {wanted.sha256}", Kind.WRONG)
        self._download(place, fitting[0].url, wanted, target, check)

    def _links(self, place: Place, url: str, check: Callable[[], None]) -> Sequence[Link]:
        if urlsplit(url).scheme != "file":
            return self._transport.get(
                url, place, {"Accept": ACCEPT, "Accept-Encoding": "gzip"}, _page, check
            )
        path = _path(url)
        try:
            page = path / "index.html" if path.is_dir() else path
            if not page.exists():
                return list(links_in(path))
            # A page in a directory has the directory for its base, with or without a slash.
            base = path.absolute().as_uri() + ("/" if path.is_dir() else "")
            return list(links_of(page.read_bytes(), "text/html", base))
        except FileNotFoundError:
            raise Problem(place.name, "does not have it", Kind.ABSENT) from None
        except OSError as error:
            raise _unreadable(path, error) from None

    def _download(
        self, place: Place, url: str, wanted: Wanted, target: Path, check: Callable[[], None]
    ) -> None:
        if urlsplit(url).scheme != "file":
            identity = {"Accept-Encoding": "identity"}
            return self._transport.get(url, place, identity, partial(_receive, wanted, target), check)
        if urlsplit(place.url).scheme != "file":
            raise Problem(place.name, "names a file of this machine")
        path = _path(url)
        return write(wanted, _read(path, check), str(path), target)


def _page_url(place: Place, project: str) -> str:
    """Returns where `place` lists the files of a project."""
    return urljoin(place.url, re.sub(r"[-_.]+", "-", project).lower() + "/") if place.simple else place.url


def _go_on() -> None:
    """Never ends anything."""


def _content_length(answer: Answer) -> int:
    length = answer.headers.get("Content-Length", "")
    if not length.isascii() or not length.isdecimal():
        raise Problem(host_of(answer.url), "does not say how large the file is")
    return int(length)


def _page(answer: Answer) -> Sequence[Link]:
    host, body = host_of(answer.url), bytearray()
    for piece in answer.pieces:
        body += piece
        if len(body) > MAX_PAGE:
            raise Problem(host, f"sent a page of more than {MAX_PAGE} bytes")
    try:
        return list(links_of(bytes(body), answer.headers.get("Content-Type", ""), answer.url))
    except ValueError as error:
        raise Problem(host, f"sent a page that cannot be read: {error}") from None


def _receive(wanted: Wanted, target: Path, answer: Answer) -> None:
    host, length = host_of(answer.url), answer.headers.get("Content-Length", "")
    if length.isdecimal():
        wanted.refuse_size(host, int(length))
    write(wanted, answer.pieces, host, target)


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


def _read(path: Path, check: Callable[[], None]) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                check()
                yield piece
    except FileNotFoundError:
        raise Problem(str(path), "does not exist", Kind.ABSENT) from None
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: OSError) -> Problem:
    return Problem(str(path), f"cannot be read: {error.strerror}")


def _failure(wanted: Wanted, problems: Sequence[tuple[Place, Problem]]) -> ExternalError:
    """Returns one error for all places; what tells most stands first."""
    what = f"cannot get {wanted.filename} of {wanted.project}"
    if not problems:
        hint = "set PIP_FIND_LINKS, or unset PIP_NO_INDEX"
        return ExternalError(f"{what}: pip's configuration names no index and no links", hint=hint)
    worst = max(problems, key=lambda each: each[1].kind)
    hint = worst[1].hint or _HINTS[worst[1].kind].format(project=wanted.project)
    if worst[1].kind is Kind.ABSENT and len(problems) > 1:
        details = tuple(_told(*each) for each in problems)
        return ExternalError(f"{what}: no configured place has it", hint=hint, details=details)
    details = tuple(_told(*each) for each in problems if each is not worst)
    return ExternalError(f"{what}: {_told(*worst)}", hint=hint, details=details)


def _told(place: Place, problem: Problem) -> str:
    """A file may lie on another host than the page that names it."""
    by = "" if problem.host.startswith(place.name) else f" (for {place.name})"
    return f"{problem.host} {problem.reason}{by}"
