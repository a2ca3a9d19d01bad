"""Labels that begin as somebody has typed them, for shells.

Up to the colon they are directories with packages in them, which are listed and
not evaluated; after it the targets of one package, which is. So a completion
costs one directory, or one BUILD file. Absent: what a shell does with them.
"""

from __future__ import annotations

from collections.abc import Iterator

from lambdabuild.errors import UserError
from lambdabuild.label import package_problem
from lambdabuild.query.answer import Query, ask
from lambdabuild.query.parser import parse
from lambdabuild.sources import BUILD_FILES, Kind, WorkingTree, walk_directories
from lambdabuild.workspace import FILE_NAME, Workspace


def complete_label(workspace: Workspace, package: str, typed: str) -> list[str]:
    """Returns the labels and beginnings of labels that begin with `typed`, sorted.

    package: the package in which a relative label is meant. What ends with ":" or
    "/" goes on. Raises UserError where a BUILD file cannot be evaluated.
    """
    if typed.startswith("@"):
        return sorted(f"@{name}" for name in workspace.images if name.startswith(typed[1:]))
    where, colon, name = typed.partition(":")
    absolute = where.startswith("//") or not typed
    if colon:
        start = where[2:] if absolute else "/".join(filter(None, (package, where)))
        names = _targets(workspace, start)
        return [f"{where}:{each}" for each in names if each.startswith(name)]
    root = "//" if absolute else ""
    below = "" if absolute or not package else f"{package}/"
    return [root + path.removeprefix(below) for path in _places(workspace, below + where.removeprefix("//"))]


def _targets(workspace: Workspace, package: str) -> list[str]:
    """Returns the names of the package's targets, and `all`."""
    text = f'"//{package}:all"'
    answer = ask(workspace, Query(text, parse(text)), lambda text, at: None)
    return ["all", *(node.label.name for node in answer.nodes)]


def _places(workspace: Workspace, typed: str) -> Iterator[str]:
    """Yields the packages (`a/b:`) and the directories with packages below (`a/b/`) that begin so."""
    tree = WorkingTree(workspace.root, workspace.ignore)
    parent, slash, beginning = typed.rpartition("/")
    if package_problem(parent):
        return
    try:
        listing = tree.listing(parent)
    except UserError:
        return
    if not beginning:
        yield f"{parent}{slash}..."
        if not parent and _has_build_file(tree, parent):
            yield ":"  # of other packages it is offered with their names
    for name, kind in listing.items():
        if kind is Kind.DIRECTORY and name.startswith(beginning) and tree.enters(name):
            yield from _directory(tree, f"{parent}{slash}{name}")


def _directory(tree: WorkingTree, path: str) -> Iterator[str]:
    if tree.listing(path).get(FILE_NAME) in (Kind.FILE, Kind.LINK):
        return  # a workspace of its own
    if _has_build_file(tree, path):
        yield f"{path}:"
    if any(below != path and _has_build_file(tree, below) for below in walk_directories(tree, path)):
        yield f"{path}/"


def _has_build_file(tree: WorkingTree, path: str) -> bool:
    listing = tree.listing(path)
    return any(listing.get(name) in (Kind.FILE, Kind.LINK) for name in BUILD_FILES)
