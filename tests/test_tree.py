from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import blake3
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import assume, example, given
from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of
from lambdabuild.tree import Directory, FileNode, Node, PathConflictError, SymlinkNode, directory_of

from .strategies import components, entries, nodes

EMPTY = digest_of(b"")
FILE = FileNode(digest_of(b"a"))

# The messages of the Remote Execution API v2 that a Directory is made of:
# message -> field -> (number, type, message type).
_TYPES = descriptor_pb2.FieldDescriptorProto
_API: dict[str, dict[str, tuple[int, int, str]]] = {
    "Digest": {"hash": (1, _TYPES.TYPE_STRING, ""), "size_bytes": (2, _TYPES.TYPE_INT64, "")},
    "FileNode": {
        "name": (1, _TYPES.TYPE_STRING, ""),
        "digest": (2, _TYPES.TYPE_MESSAGE, "Digest"),
        "is_executable": (4, _TYPES.TYPE_BOOL, ""),
    },
    "DirectoryNode": {"name": (1, _TYPES.TYPE_STRING, ""), "digest": (2, _TYPES.TYPE_MESSAGE, "Digest")},
    "SymlinkNode": {"name": (1, _TYPES.TYPE_STRING, ""), "target": (2, _TYPES.TYPE_STRING, "")},
    "Directory": {
        "files": (1, _TYPES.TYPE_MESSAGE, "FileNode"),
        "directories": (2, _TYPES.TYPE_MESSAGE, "DirectoryNode"),
        "symlinks": (3, _TYPES.TYPE_MESSAGE, "SymlinkNode"),
    },
}


def _message_classes() -> Mapping[str, Any]:
    file = descriptor_pb2.FileDescriptorProto(name="tree.proto", package="tree", syntax="proto3")
    for message, fields in _API.items():
        described = file.message_type.add(name=message)
        for name, (number, kind, of) in fields.items():
            label = _TYPES.LABEL_REPEATED if message == "Directory" else _TYPES.LABEL_OPTIONAL
            field = described.field.add(name=name, number=number, type=kind, label=label)
            if of:
                field.type_name = f".tree.{of}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tree.{name}")) for name in _API
    }


API = _message_classes()


def _api_digest(digest: Digest) -> Any:
    return API["Digest"](hash=digest.hash, size_bytes=digest.size)


def by_the_api(tree: Mapping[str, Node]) -> tuple[Digest, list[bytes]]:
    """Returns the digest of the Directory and all encoded messages, as another tool would compute them."""
    directory, below = API["Directory"](), []
    for name in sorted({path.split("/")[0] for path in tree}, key=str.encode):
        node = tree.get(name)
        if isinstance(node, FileNode):
            directory.files.add(name=name, digest=_api_digest(node.digest), is_executable=node.executable)
        elif isinstance(node, SymlinkNode):
            directory.symlinks.add(name=name, target=node.target)
        else:
            inner = {
                path.removeprefix(f"{name}/"): n for path, n in tree.items() if path.startswith(f"{name}/")
            }
            digest, messages = by_the_api(inner)
            below += messages
            directory.directories.add(name=name, digest=_api_digest(digest))
    data = directory.SerializeToString(deterministic=True)
    return Digest(blake3.blake3(data).hexdigest(), len(data)), [*below, data]


@given(entries)
@example({})
@example({"a": FileNode(EMPTY)})
@example({"a": FileNode(Digest(EMPTY.hash, (1 << 63) - 1), True)})
@example({"a": FileNode(Digest(EMPTY.hash, 127)), "b": FileNode(Digest(EMPTY.hash, 128))})
@example({"a": SymlinkNode(""), "b": SymlinkNode("x" * 300)})
@example({"x" * 127: FILE, "y" * 128: FILE, "\uff5e": FILE, "\U0001f40d": FILE})
@example({"a/b/c": FILE, "a-b": FILE, "a/b-c": FILE, "a.b/c": FILE})
def test_a_directory_is_encoded_as_the_remote_execution_api_says(tree: dict[str, Node]) -> None:
    directory = directory_of(tree)
    digest, messages = by_the_api(tree)
    assert directory.message == messages[-1]
    assert directory.digest == digest
    assert sorted(directory.messages()) == sorted((digest_of(data), data) for data in messages)


@given(entries, st.randoms(use_true_random=False))
def test_a_digest_is_invariant_under_the_order_of_entries(tree: dict[str, Node], random: Any) -> None:
    shuffled = list(tree.items())
    random.shuffle(shuffled)
    assert directory_of(dict(shuffled)) == directory_of(tree)


@given(entries, entries)
@example({"a": FILE}, {"a": FileNode(FILE.digest, True)})
@example({"a": FILE}, {"b": FILE})
@example({"a": SymlinkNode("b")}, {"b": SymlinkNode("a")})
@example({"ab": SymlinkNode("c")}, {"a": SymlinkNode("bc")})
@example({"a/b": FILE}, {"a": FILE})
@example({"a/b": FILE, "c": FILE}, {"a/b": FILE, "a/c": FILE})
@example({"é": FILE}, {"e\u0301": FILE})
def test_digests_are_injective(one: dict[str, Node], other: dict[str, Node]) -> None:
    assert (directory_of(one).digest == directory_of(other).digest) == (one == other)


@given(entries.filter(bool), st.data())
def test_every_change_of_an_entry_changes_the_digest(tree: dict[str, Node], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(tree)))
    node = tree[path]
    changed: dict[str, Node] = dict(tree)
    if isinstance(node, SymlinkNode):
        changed[path] = SymlinkNode(node.target + "x")
    elif data.draw(st.booleans()):
        changed[path] = FileNode(node.digest, not node.executable)
    else:
        changed[path] = FileNode(digest_of(node.digest.hash.encode()), node.executable)
    assert directory_of(changed).digest != directory_of(tree).digest


@given(entries.filter(bool), components, st.data())
def test_every_change_of_a_name_changes_the_digest(
    tree: dict[str, Node], name: str, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(sorted(tree)))
    parts = path.split("/")
    parts[data.draw(st.integers(0, len(parts) - 1))] = name
    renamed = dict(tree)
    renamed["/".join(parts)] = renamed.pop(path)
    assume(renamed != tree)
    try:
        changed = directory_of(renamed)
    except PathConflictError:
        assume(False)
    assert changed.digest != directory_of(tree).digest


@given(entries)
def test_walking_gives_back_the_entries_in_path_order(tree: dict[str, Node]) -> None:
    walked = list(directory_of(tree).walk())
    assert walked == sorted(tree.items(), key=lambda entry: entry[0].split("/"))


@given(entries, components)
def test_a_directory_is_an_entry_like_any_other(tree: dict[str, Node], name: str) -> None:
    flat: dict[str, Node | Directory] = {f"{name}/{path}": node for path, node in tree.items()}
    assert directory_of({name: directory_of(tree)}) == directory_of(flat or {name: directory_of({})})


@given(entries.filter(bool), components, nodes, st.data())
@example({"a": FILE}, "b", SymlinkNode("x"), None)
def test_a_file_that_is_also_a_directory_is_refused(
    tree: dict[str, Node], name: str, node: Node, data: st.DataObject | None
) -> None:
    path = data.draw(st.sampled_from(sorted(tree))) if data else min(tree)
    below = f"{path}/{name}"
    with pytest.raises(PathConflictError) as last:
        directory_of({**tree, below: node})
    with pytest.raises(PathConflictError) as first:
        directory_of({below: node, **tree})
    assert {last.value.path, first.value.path} <= {path, below, *(p for p in tree if p.startswith(path))}


def test_a_path_cannot_lead_into_a_finished_directory() -> None:
    with pytest.raises(PathConflictError, match="a directory on its way is a file"):
        directory_of({"a": directory_of({"b": FILE}), "a/c": FILE})


@pytest.mark.parametrize("path", ["", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", "./a"])
def test_an_unsafe_path_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="not a relative path"):
        directory_of({path: FILE})


def test_the_digest_of_a_fixed_tree_never_changes() -> None:
    tree: dict[str, Node] = {
        "bin/run": FileNode(digest_of(b"#!/bin/sh\n"), True),
        "lib/__init__.py": FileNode(EMPTY),
        "lib/link": SymlinkNode("../bin/run"),
        "größe": FileNode(digest_of(b"x" * 300)),
    }
    assert str(directory_of(tree).digest) == GOLDEN_TREE


GOLDEN_TREE = "cad487aa2c15f6edaef3915bd2a69db5b7b59250a03f84b9eccb363f9828b08b/236"
