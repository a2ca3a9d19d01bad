"""Directory: a Merkle node in the Remote Execution API's encoding.

A Directory lists its files, sub-directories and symlinks, each sorted by name,
and is encoded as the `Directory` message of the Remote Execution API v2
(build/bazel/remote/execution/v2/remote_execution.proto), in proto3's wire
format with fields in the order of their numbers. So its digest is what any
REAPI tool with the BLAKE3 digest function computes. Modes other than the
executable bit, times and owners are not in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from lambdabuild.digest import Digest, digest_of


class FileNode(NamedTuple):
    """A regular file: its bytes, and whether it may be executed."""

    digest: Digest
    executable: bool = False


class SymlinkNode(NamedTuple):
    """A symlink; occurs only in what actions put out, never among sources."""

    target: str


@dataclass(frozen=True)
class Directory:
    """An immutable directory, built bottom-up by `directory_of`.

    message: the encoded Directory message.
    digest:  of `message`.
    """

    files: Mapping[str, FileNode]
    directories: Mapping[str, Directory]
    symlinks: Mapping[str, SymlinkNode]
    message: bytes = field(repr=False)
    digest: Digest

    def walk(self, prefix: str = "") -> Iterator[tuple[str, Node]]:
        """Yields (path, node) of all files and symlinks, in path order by component."""
        names: dict[str, Node | Directory] = {**self.files, **self.symlinks, **self.directories}
        for name in sorted(names):
            node = names[name]
            if isinstance(node, Directory):
                yield from node.walk(f"{prefix}{name}/")
            else:
                yield prefix + name, node

    def messages(self) -> Iterator[tuple[Digest, bytes]]:
        """Yields (digest, encoded message) of this Directory and all below it."""
        for child in self.directories.values():
            yield from child.messages()
        yield self.digest, self.message


Node: TypeAlias = FileNode | SymlinkNode
_Tree: TypeAlias = "dict[str, Node | Directory | _Tree]"


class PathConflictError(ValueError):
    """Two entries want one path, or one wants a directory where the other has a file."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


def directory_of(entries: Mapping[str, Node | Directory]) -> Directory:
    """Returns the Directory that holds `entries` at their relative POSIX paths.

    Raises PathConflictError where a path is a file and a directory at once,
    and ValueError for an unsafe path.
    """
    root: _Tree = {}
    for path, node in entries.items():
        parent = root
        *above, name = path.split("/")
        if not name or path.startswith("/") or {"", ".", ".."} & {*above, name}:
            raise ValueError(f"not a relative path: {path!r}")
        for part in above:
            below = parent.setdefault(part, {})
            if not isinstance(below, dict):
                raise PathConflictError(path, "a directory on its way is a file")
            parent = below
        if name in parent:
            raise PathConflictError(path, "it is a file and a directory at once")
        parent[name] = node
    return _build(root)


def _build(tree: _Tree) -> Directory:
    files: dict[str, FileNode] = {}
    directories: dict[str, Directory] = {}
    symlinks: dict[str, SymlinkNode] = {}
    for name in sorted(tree):
        node = tree[name]
        if isinstance(node, FileNode):
            files[name] = node
        elif isinstance(node, SymlinkNode):
            symlinks[name] = node
        else:
            directories[name] = _build(node) if isinstance(node, dict) else node
    below = {name: directory.digest for name, directory in directories.items()}
    message = encode_directory(files, below, symlinks)
    return Directory(files, directories, symlinks, message, digest_of(message))


def encode_directory(
    files: Mapping[str, FileNode], directories: Mapping[str, Digest], symlinks: Mapping[str, SymlinkNode]
) -> bytes:
    """Returns the Directory message of what lies in one directory, by name."""
    return b"".join(
        [_field(1, _text(1, name) + _file_fields(files[name])) for name in sorted(files)]
        + [_field(2, _text(1, name) + _field(2, _digest(directories[name]))) for name in sorted(directories)]
        + [_field(3, _text(1, name) + _text(2, symlinks[name].target)) for name in sorted(symlinks)]
    )


def _file_fields(node: FileNode) -> bytes:
    return _field(2, _digest(node.digest)) + (b"\x20\x01" if node.executable else b"")


def _digest(digest: Digest) -> bytes:
    # proto3 leaves a zero out: an empty file's digest has no size_bytes.
    return _text(1, digest.hash) + (b"\x10" + _varint(digest.size) if digest.size else b"")


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode()) if value else b""


def _field(number: int, payload: bytes) -> bytes:
    return bytes((number << 3 | 2,)) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
