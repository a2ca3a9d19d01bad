"""What somebody saw of a view, question by question, so that another view can be held against it.

What is a function of the files is the same for two views that answer alike all
that was asked. Where it is known who asks, only what these have made has to be
made again when an answer is another one. Absent: what a refusal says; after one
nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from lambdabuild.digest import Digest, digest_of
from lambdabuild.sources.view import Kind, SourceError, View
from lambdabuild.tree import FileNode

Seen: TypeAlias = Mapping[tuple[str, str], Any]
"""(what was asked, path) -> the answer; of bytes that were read, their digest."""

Asker: TypeAlias = str | None
"""The package that an answer is for; EVERYBODY where others may be told as well."""

EVERYBODY: Asker = None

Askers: TypeAlias = Mapping[tuple[str, str], tuple[Asker, ...]]
"""(what was asked, path) -> who asked."""

_ASK: Mapping[str, Callable[[View, str], Any]] = {
    "listing": lambda view, path: _entered(view, view.listing(path)),
    "outline": lambda view, path: view.outline(path),
    "kind": lambda view, path: view.kind(path),
    "leads_to_file": lambda view, path: view.leads_to_file(path),
    "read": lambda view, path: digest_of(view.read(path)),
    "node": lambda view, path: view.node(path),
}


_asker: ContextVar[Asker] = ContextVar("asker", default=EVERYBODY)


@contextmanager
def asking(asker: Asker) -> Iterator[None]:
    """Says that the answers of the block are used for one package alone, or by EVERYBODY.

    Whoever keeps what is made of an answer for other packages has to ask for EVERYBODY.
    """
    token = _asker.set(asker)
    try:
        yield
    finally:
        _asker.reset(token)


class Watched:
    """A View that notes what `view` answers, and to whom.

    seen:   None once it has refused something.
    askers: of each question, who asked it.
    """

    def __init__(self, view: View) -> None:
        self.askers: dict[tuple[str, str], tuple[Asker, ...]] = {}
        self._view = view
        self._seen: dict[tuple[str, str], Any] = {}
        self._refused = False

    @property
    def seen(self) -> Seen | None:
        return None if self._refused else self._seen

    @property
    def root(self) -> Path:
        return self._view.root

    @property
    def listings(self) -> Mapping[str, Mapping[str, Kind]]:
        return self._view.listings

    def enters(self, name: str) -> bool:
        """Tells it unnoted: this is a setting, and no file."""
        return self._view.enters(name)

    def listing(self, directory: str) -> Mapping[str, Kind]:
        found: Mapping[str, Kind] = self._asked(
            "listing", directory, self._view.listing, lambda entries: _entered(self._view, entries)
        )
        return found

    def outline(self, directory: str) -> Mapping[str, Kind]:
        found: Mapping[str, Kind] = self._asked("outline", directory, self._view.outline)
        return found

    def kind(self, path: str) -> Kind | None:
        found: Kind | None = self._asked("kind", path, self._view.kind)
        return found

    def leads_to_file(self, path: str) -> bool:
        found: bool = self._asked("leads_to_file", path, self._view.leads_to_file)
        return found

    def read(self, path: str) -> bytes:
        data: bytes = self._asked("read", path, self._view.read, digest_of)
        return data

    def node(self, path: str) -> FileNode:
        found: FileNode = self._asked("node", path, self._view.node)
        return found

    def hashing(self, paths: Sequence[str]) -> AbstractContextManager[None]:
        """Learns unnoted: what is asked for is noted then."""
        return self._view.hashing(paths)

    def place(self, digest: Digest) -> str | None:
        return self._view.place(digest)

    def _asked(
        self,
        what: str,
        path: str,
        ask: Callable[[str], Any],
        noted: Callable[[Any], Any] = lambda found: found,
    ) -> Any:
        try:
            found = ask(path)
        except SourceError:
            self._refused = True
            raise
        question, asker = (what, path), _asker.get()
        known = self.askers.get(question)
        if known is None:
            self._seen[question] = noted(found)
            self.askers[question] = _alone(asker)
        elif asker not in known:
            self.askers[question] = (*known, asker)
        return found


@cache
def _alone(asker: Asker) -> tuple[Asker, ...]:
    """Returns a tuple of one, the same one each time: there are very many."""
    return (asker,)


def _entered(view: View, entries: Mapping[str, Kind]) -> Mapping[str, Kind]:
    """Returns `entries` without directories that nobody goes into, such as .git, which git itself lacks."""
    return {name: kind for name, kind in entries.items() if kind is not Kind.DIRECTORY or view.enters(name)}


def answers_alike(view: View, seen: Seen) -> bool:
    """Tells whether `view` answers all that was seen of another one in the same way."""
    return all(answers(view, question, answer) for question, answer in seen.items())


def answers(view: View, question: tuple[str, str], answer: object) -> bool:
    """Tells whether `view` gives that answer to a question."""
    what, path = question
    try:
        return bool(_ASK[what](view, path) == answer)
    except SourceError:
        return False
