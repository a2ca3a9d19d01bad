"""Directory messages that somebody else wrote -> names and nodes, and trees of files.

What `tree.directory_of` encodes is read back; all else is refused: a message is
encoded again, and has to be the same bytes. So one tree has one digest, and no name
leads out of its directory. Trees are bounded before they are unfolded, since a
directory can hold another one many times, and that one another.

Absent: symlinks in trees of sources. A source that is a link counts as the bytes
it leads to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from lambdabuild.digest import Digest, digest_of
from lambdabuild.tree import FileNode, SymlinkNode, encode_directory

MAX_MESSAGE: Final = 64 << 20
"""Bytes of one Directory message: some 500,000 names."""

MAX_PATH: Final = 4096
"""Characters of a path in a tree."""

MAX_LEVEL: Final = 1 << 30
"""Bytes of all messages that are read at once."""

_VARINT, _BYTES = 0, 2
_MAX_SIZE = 1 << 63

_Value: TypeAlias = "int | bytes"


@dataclass(frozen=True, slots=True)
class ParsedDirectory:
    """What lies in one directory, by name."""

    files: Mapping[str, FileNode]
    directories: Mapping[str, Digest]
    symlinks: Mapping[str, SymlinkNode]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tree may be.

    entries: files and directories, each as often as it occurs.
    depth:   directories below each other, the root not counted.
    size:    bytes of all files together, as their digests declare them.
    """

    entries: int = 1_000_000
    depth: int = 64
    size: int = 1 << 40


def parse_directory(message: bytes) -> ParsedDirectory:
    """Returns what `message` encodes; raises ValueError unless `directory_of` would encode it so."""
    found: tuple[dict[str, FileNode], dict[str, Digest], dict[str, SymlinkNode]] = ({}, {}, {})
    for number, value in _fields(message):
        if not isinstance(value, bytes) or not 1 <= number <= 3:
            raise ValueError(f"a Directory has no such field {number}")
        fields = dict(_fields(value))
        name = _name(fields)
        if any(name in kind for kind in found):
            raise ValueError(f"the name {name!r} is there twice")
        if number == 1:
            found[0][name] = FileNode(_digest(fields.get(2)), fields.get(4) == 1)
        elif number == 2:
            found[1][name] = _digest(fields.get(2))
        else:
            found[2][name] = SymlinkNode(_text(fields.get(2, b"")))
    if encode_directory(*found) != message:
        raise ValueError("a Directory message is not in its canonical form")
    return ParsedDirectory(*found)


def read_tree(
    root: Digest, read: Callable[[Digest], bytes], *, limits: Limits = Limits()
) -> Mapping[str, FileNode]:
    """Returns the files of a tree of sources, by path from its root.

    read: gives the message of a digest, and raises what it likes.

    Raises ValueError for a tree with symlinks, one that is larger than `limits`, and
    messages that are none or have another digest.
    """
    parsed: dict[Digest, ParsedDirectory] = {}
    files: dict[str, FileNode] = {}
    entries = size = 0
    todo = [("", root, 0)]
    while todo:
        prefix, digest, depth = todo.pop()
        if digest not in parsed:
            parsed[digest] = _read(digest, read)
        directory = parsed[digest]
        entries += len(directory.files) + len(directory.directories)
        size += sum(node.digest.size for node in directory.files.values())
        deeper = depth + bool(directory.directories)
        if entries > limits.entries or deeper > limits.depth or size > limits.size:
            raise ValueError(f"the tree {root} has too many entries, bytes or levels")
        if any(len(prefix) + len(name) > MAX_PATH for name in (*directory.files, *directory.directories)):
            raise ValueError(f"the tree {root} has a path that is too long")
        files |= {prefix + name: node for name, node in directory.files.items()}
        todo += [(f"{prefix}{name}/", each, depth + 1) for name, each in directory.directories.items()]
    return files


def read_messages(
    roots: Iterable[Digest],
    read_all: Callable[[Iterable[Digest]], Iterable[tuple[Digest, bytes]]],
    *,
    limits: Limits = Limits(),
) -> dict[Digest, bytes]:
    """Returns the messages of trees, each once, read a level at a time.

    read_all: gives the messages that it can; what it leaves out is left out here.

    Raises ValueError for messages that are none, or more of them or larger than `limits`.
    """
    found: dict[Digest, bytes] = {}
    asked = level = _bounded(set(roots), limits, 0)
    for _ in range(limits.depth + 1):
        below: set[Digest] = set()
        for digest, message in read_all(sorted(level)):
            found[digest] = message
            below |= {*parse_directory(message).directories.values()}
        level = below - asked
        asked = asked | _bounded(level, limits, len(asked))
        if not level:
            break
    return found


def _bounded(digests: set[Digest], limits: Limits, before: int) -> set[Digest]:
    """Returns `digests` of messages that are going to be read; raises ValueError if that is too much."""
    if before + len(digests) > limits.entries or sum(digest.size for digest in digests) > MAX_LEVEL:
        raise ValueError("the trees have too many directories")
    if any(digest.size > MAX_MESSAGE for digest in digests):
        raise ValueError("a Directory message is too large")
    return digests


def _read(digest: Digest, read: Callable[[Digest], bytes]) -> ParsedDirectory:
    if digest.size > MAX_MESSAGE:
        raise ValueError(f"the Directory message {digest} is too large")
    message = read(digest)
    if digest_of(message) != digest:
        raise ValueError(f"the Directory message {digest} has other bytes")
    directory = parse_directory(message)
    if directory.symlinks:
        raise ValueError(f"the tree has the symlink {min(directory.symlinks)!r}, which sources cannot have")
    return directory


def _fields(message: bytes) -> Iterator[tuple[int, _Value]]:
    """Yields (number, value) of the fields of a message in proto3's wire format."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == _VARINT:
            value, at = _varint(message, at)
            yield tag >> 3, value
            continue
        if tag & 7 != _BYTES:
            raise ValueError(f"a Directory has no field of wire type {tag & 7}")
        count, at = _varint(message, at)
        if count > len(message) - at:
            raise ValueError("a Directory message ends too early")
        yield tag >> 3, message[at : at + count]
        at += count


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """Returns the number at `at`, and what comes after it."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a Directory message has a number that does not end")


def _name(fields: Mapping[int, _Value]) -> str:
    name = _text(fields.get(1, b""))
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name within a directory")
    return name


def _text(value: _Value) -> str:
    if not isinstance(value, bytes):
        raise ValueError("a Directory has a number for a text")
    return value.decode()


def _digest(value: _Value | None) -> Digest:
    if not isinstance(value, bytes):
        raise ValueError("a Directory has a node without digest")
    fields = dict(_fields(value))
    size = fields.get(2, 0)
    if not isinstance(size, int) or size >= _MAX_SIZE:
        raise ValueError("a digest has no size that there can be")
    return Digest.parse(f"{_text(fields.get(1, b''))}/{size}")
