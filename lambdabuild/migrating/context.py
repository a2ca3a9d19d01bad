"""The build context of a Dockerfile: which directory its COPY lines are relative to, and what they take.

Nothing says which directory people hand to `docker build`. It is guessed: the
outermost directory, from the workspace's root to the Dockerfile's own, in which
all sources of COPY and ADD are.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lambdabuild.dockerfile import Dockerfile, Instruction
from lambdabuild.migrating.runs import InTheWayError
from lambdabuild.sources import Kind, SourceError, View

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Taken:
    """What one source of a COPY names in the workspace.

    path:    of a file, or of a directory; "" is the workspace's root.
    tree:    whether it is a directory, of which what is inside is taken.
    pattern: which of its files are taken, of a directory: "**" for all below.
    """

    path: str
    tree: bool = False
    pattern: str = "**"


def directories_above(path: str) -> Iterator[str]:
    """Yields the directories in which `path` lies, the workspace's root first."""
    yield ""
    parts = path.split("/")[:-1]
    for count in range(1, len(parts) + 1):
        yield "/".join(parts[:count])


def taken(view: View, context: str, source: str) -> tuple[Taken, ...]:
    """Returns what a source of COPY names in `context`; () if there is no such thing.

    Raises InTheWayError for one that leaves the context.
    """
    path = posixpath.normpath(f"./{source}".replace("//", "/"))
    if path.split("/")[0] == "..":
        raise InTheWayError(f"{source} leaves the build context")
    if _WILD.search(path):
        return tuple(_matches(view, context, path))
    where = _joined(context, "" if path == "." else path)
    found = _kind(view, where)
    if found is Kind.DIRECTORY:
        return (Taken(where, tree=True),)
    return (Taken(where),) if found is Kind.FILE else ()


def guess(view: View, dockerfile: Dockerfile) -> str | None:
    """Returns the context of a Dockerfile; None if its sources are in no one directory.

    "." is everywhere: a Dockerfile that takes nothing else is taken to mean its own directory.
    """
    sources = [source for each in copies(dockerfile) for source in each.words[:-1]]
    plain = [source for source in sources if "$" not in source and not is_remote(source)]
    candidates = list(directories_above(dockerfile.path))
    if plain and all(source in (".", "./") for source in plain):
        return candidates[-1]
    return next((each for each in candidates if all(_is_in(view, each, source) for source in plain)), None)


def lacking(view: View, dockerfile: Dockerfile) -> tuple[int, str] | None:
    """Returns line and source of the first COPY that takes what is neither at the root nor beside it."""
    own = dockerfile.path.rpartition("/")[0]
    for each in copies(dockerfile):
        for source in each.words[:-1]:
            if "$" not in source and not is_remote(source) and not _is_in(view, own, source):
                return each.start, source
    return None


def copies(dockerfile: Dockerfile) -> Sequence[Instruction]:
    """Returns the instructions that take something from the context."""
    return [
        each
        for each in dockerfile.instructions
        if each.name in ("COPY", "ADD") and "from" not in each.flags and not each.words[0].startswith("<<")
    ]


def is_remote(source: str) -> bool:
    """Tells whether ADD would fetch it from elsewhere."""
    return source.startswith(("http://", "https://", "git@", "git://", "ssh://"))


def _is_in(view: View, context: str, source: str) -> bool:
    try:
        return bool(taken(view, context, source))
    except InTheWayError:
        return False


def _kind(view: View, path: str) -> Kind | None:
    try:
        return view.kind(path)
    except SourceError:
        return None  # a link out of the workspace, which no build takes


def _matches(view: View, context: str, path: str) -> Iterator[Taken]:
    """Yields what a pattern names: as a pattern where only the file's name is one."""
    parent, _, last = path.rpartition("/")
    if _WILD.search(parent):
        for above in _matches(view, context, parent):
            if above.tree and above.pattern == "**":
                yield from _matches_in(view, above.path, last)
        return
    directory = _joined(context, parent)
    found = list(_matches_in(view, directory, last))
    if found and not any(each.tree for each in found) and "[" not in last:
        yield Taken(directory, tree=True, pattern=last)
    else:
        yield from found


def _matches_in(view: View, directory: str, pattern: str) -> Iterator[Taken]:
    from fnmatch import translate

    regex = re.compile(translate(pattern))
    if _kind(view, directory) is not Kind.DIRECTORY:
        return
    for name in view.listing(directory):
        path = _joined(directory, name)
        kind = _kind(view, path) if regex.match(name) else None
        if kind in (Kind.FILE, Kind.DIRECTORY):
            yield Taken(path, tree=kind is Kind.DIRECTORY)


def _joined(directory: str, path: str) -> str:
    return "/".join(filter(None, (directory, path)))
