"""One entry of a layer: what may be wrong with it, and what it does to the tree.

A rule looks at an entry before it is applied to the tree of all that came
before. What layers that are not held here could change about it is a doubt, not
a failure.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from lambdabuild.oci.conformance.finding import Verdict
from lambdabuild.oci.conformance.tree import Kind, Path, Tree
from lambdabuild.oci.rootfs import MAX_DEPTH
from lambdabuild.oci.unpack import OPAQUE, WHITEOUT, WHITEOUT_META

MAX_NAME: Final = 4096
"""Bytes of a name or a link's target; PATH_MAX of Linux."""

EntryKind: TypeAlias = Literal["file", "directory", "symlink", "hardlink", "device", "fifo"]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as the tar has it.

    name:   as it stands in the tar; `path` has its components, without "" and ".".
    target: of a symlink or hardlink, as it stands in the tar.
    """

    name: str
    path: Path
    kind: EntryKind
    mode: int
    target: str

    @property
    def is_whiteout(self) -> bool:
        """Whether it hides something, or is one of AUFS's own files."""
        return any(part.startswith(WHITEOUT) for part in self.path)


@dataclass(frozen=True, slots=True)
class Note:
    """What a rule has against an entry. Not `certain`: lower layers that are not held could make it right."""

    text: str
    certain: bool = True


Rule: TypeAlias = Callable[[Entry, Tree, bool], Note | None]
"""(entry, tree so far, whether all lower layers are in that tree) -> what is wrong."""


def entry_of(member: tarfile.TarInfo) -> Entry:
    """Returns the entry of a tar's header."""
    return Entry(member.name, components(member.name), _kind(member), member.mode & 0o7777, member.linkname)


def components(name: str) -> Path:
    """Returns the parts of a name, ".." among them."""
    return tuple(part for part in name.split("/") if part not in ("", "."))


def judge(entry: Entry, tree: Tree, whole: bool, verdicts: Mapping[str, Verdict]) -> None:
    """Adds what the rules have against an entry to their verdicts, and applies it to the tree."""
    for check, rule in RULES.items():
        note = rule(entry, tree, whole)
        if note is not None and note.certain:
            verdicts[check].fail(note.text)
        elif note is not None:
            verdicts[check].unknown(note.text)
    if _usable(entry):
        _apply(entry, tree)


def _parents(entry: Entry, tree: Tree, whole: bool) -> Note | None:
    missing = None if entry.is_whiteout or not _usable(entry) else tree.missing_parent(entry.path)
    if missing is None:
        return None
    path, node = missing
    if node is not None:
        return Note(f"{entry.name!r} lies below {_shown(path)}, which is not a directory")
    text = f"{entry.name!r} comes before any entry for the directory {_shown(path)}"
    return Note(text, certain=whole)


def _hardlinks(entry: Entry, tree: Tree, _: bool) -> Note | None:
    target = _within(entry.target) if entry.kind == "hardlink" else None
    if target is None:
        return None
    node, text = tree.find(target), f"{entry.name!r} is a hardlink to {entry.target!r}, "
    if node is None or node.layer != tree.layer:
        return Note(text + "which the layer does not have before it")
    return Note(text + "which is a directory") if node.kind == "directory" else None


def _links(entry: Entry, _: Tree, __: bool) -> Note | None:
    start: Path = ()
    if entry.kind == "symlink" and not entry.target.startswith("/"):
        start = entry.path[:-1]
    elif entry.kind not in ("symlink", "hardlink"):
        return None
    if _within("/".join((*start, entry.target))) is not None:
        return None
    return Note(f"{entry.name!r} is a {entry.kind} to {entry.target!r}, which leaves the image")


def _names(entry: Entry, _: Tree, __: bool) -> Note | None:
    name = entry.name
    for text in (name, entry.target):
        if _bytes(text) > MAX_NAME:
            return Note(f"{text[:40]!r}… is a name of more than {MAX_NAME} bytes")
    if len(entry.path) > MAX_DEPTH:
        return Note(f"{name[:40]!r}… is more than {MAX_DEPTH} directories deep")
    if ".." in entry.path or "\0" in name:
        return Note(f"{name!r} is not a name within the image")
    if name.startswith("/"):
        return Note(f"{name!r} is an absolute name")
    if entry.path and entry.path[-1] in (WHITEOUT, f"{WHITEOUT}.", f"{WHITEOUT}.."):
        return Note(f"{name!r} is a whiteout of nothing")
    return None


def _devices(entry: Entry, _: Tree, __: bool) -> Note | None:
    if entry.kind != "device" or entry.path[:1] == ("dev",):
        return None
    return Note(f"{entry.name!r} is a device file")


RULES: Final[Mapping[str, Rule]] = {
    "parents": _parents,
    "hardlinks": _hardlinks,
    "links": _links,
    "names": _names,
    "devices": _devices,
}
"""By the name of the check that reports what the rule finds."""


_KEPT: Final[Mapping[str, Kind]] = {"file": "file", "directory": "directory", "symlink": "symlink"}


def _usable(entry: Entry) -> bool:
    return (
        ".." not in entry.path
        and "\0" not in entry.name
        and len(entry.path) <= MAX_DEPTH
        and max(_bytes(entry.name), _bytes(entry.target)) <= MAX_NAME
    )


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode(errors="surrogateescape"))


def _apply(entry: Entry, tree: Tree) -> None:
    path = entry.path
    if entry.is_whiteout:
        _hide(path, tree)
    elif entry.kind == "hardlink":
        tree.link(path, _within(entry.target) or ())
    elif entry.kind == "directory" or path:  # the root stays a directory
        tree.put(path, _KEPT.get(entry.kind, "other"), entry.mode, entry.target)


def _hide(path: Path, tree: Tree) -> None:
    if path[-1] == OPAQUE:
        tree.hide_contents(path[:-1])
    elif not any(part.startswith(WHITEOUT_META) for part in path) and path[-1].startswith(WHITEOUT):
        tree.hide((*path[:-1], path[-1].removeprefix(WHITEOUT)))


def _within(name: str) -> Path | None:
    """Returns a name's components with ".." worked out by text alone; None if it leaves the root."""
    parts: list[str] = []
    for part in components(name):
        if part != "..":
            parts.append(part)
        elif not parts:
            return None
        else:
            parts.pop()
    return tuple(parts)


def _kind(member: tarfile.TarInfo) -> EntryKind:
    if member.isdir():
        return "directory"
    if member.issym():
        return "symlink"
    if member.islnk():
        return "hardlink"
    if member.ischr() or member.isblk():
        return "device"
    return "fifo" if member.isfifo() else "file"


def _shown(path: Path) -> str:
    return repr("/".join(path))
