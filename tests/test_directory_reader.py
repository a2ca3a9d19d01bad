from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.digest import Digest, digest_of
from lambdabuild.directory_reader import Limits, parse_directory, read_messages, read_tree
from lambdabuild.tree import Directory, FileNode, Node, SymlinkNode, directory_of, encode_directory

from .strategies import entries

FILE = FileNode(digest_of(b"a"))
sources = entries.map(lambda tree: {path: node for path, node in tree.items() if isinstance(node, FileNode)})
"""What an action's sources may be: trees without symlinks."""


def below(*trees: Directory) -> dict[Digest, bytes]:
    return {digest: message for tree in trees for digest, message in tree.messages()}


@given(entries)
@example({})
@example({"a": FileNode(Digest(FILE.digest.hash, (1 << 63) - 1), True), "b": SymlinkNode("")})
def test_parsing_is_a_left_inverse_of_encoding(tree: dict[str, Node]) -> None:
    directory = directory_of(tree)
    parsed = parse_directory(directory.message)
    assert (parsed.files, parsed.symlinks) == (directory.files, directory.symlinks)
    assert parsed.directories == {name: each.digest for name, each in directory.directories.items()}


@given(st.binary(max_size=200))
@example(b"\x0a\x02\x0a")
@example(b"\x80" * 20)
@example(b"\x0a\xff\xff\xff\xff\x0f")
def test_random_bytes_are_parsed_or_refused_with_a_value_error(data: bytes) -> None:
    check_parsing(data)


def check_parsing(data: bytes) -> None:
    try:
        parsed = parse_directory(data)
    except ValueError:
        return
    assert encode_directory(parsed.files, parsed.directories, parsed.symlinks) == data


@given(entries.filter(bool), st.randoms(use_true_random=False))
def test_a_mutated_message_is_another_directory_or_refused(
    tree: dict[str, Node], rand: random.Random
) -> None:
    message = bytearray(directory_of(tree).message)
    for _ in range(rand.randint(1, 3)):
        message[rand.randrange(len(message))] = rand.randrange(256)
    check_parsing(bytes(message))


def node(name: bytes, digest: Digest = FILE.digest, number: int = 0x0A) -> bytes:
    """Returns a field of a Directory message with any name."""
    inner = b"\x0a\x40" + digest.hash.encode() + b"\x10" + bytes((digest.size,))
    fields = b"\x0a" + bytes((len(name),)) + name + b"\x12" + bytes((len(inner),)) + inner
    return bytes((number, len(fields))) + fields


def test_the_messages_of_these_tests_are_such_as_are_accepted() -> None:
    assert parse_directory(node(b"a")).files == {"a": FILE}


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"/a", b"a\0b", b"\xff"])
def test_a_name_that_leaves_its_directory_is_refused(name: bytes) -> None:
    with pytest.raises(ValueError, match=r"name|utf-8|canonical"):
        parse_directory(node(name))
    with pytest.raises(ValueError, match=r"name|utf-8|canonical"):
        parse_directory(node(name, number=0x12))


@pytest.mark.parametrize(
    "message",
    [
        node(b"b") + node(b"a"),
        node(b"a") + node(b"a"),
        node(b"a") + node(b"a", number=0x12),
        node(b"a", number=0x12) + node(b"b"),
        node(b"a") + b"\x22\x00",
        node(b"a") + b"\x08\x01",
        node(b"a", Digest("A" * 64, 1)),
        node(b"a", Digest(FILE.digest.hash, 0)),  # a zero that proto3 leaves out
        node(b"a")[:-1],
    ],
    ids=["order", "twice", "file and directory", "kinds", "field", "wire type", "hash", "zero", "cut"],
)
def test_what_is_not_canonical_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"Directory|twice|digest"):
        parse_directory(message)


@given(sources)
def test_a_tree_is_read_back(tree: dict[str, FileNode]) -> None:
    directory = directory_of(tree)
    found = read_tree(directory.digest, below(directory).__getitem__, limits=Limits(size=1 << 70))
    assert found == tree


@given(st.lists(sources, min_size=1, max_size=4))
def test_all_messages_of_several_trees_come_once(trees: list[dict[str, FileNode]]) -> None:
    directories = [directory_of(tree) for tree in trees]
    messages, asked = below(*directories), []

    def read_all(digests: Iterable[Digest]) -> Iterable[tuple[Digest, bytes]]:
        for digest in digests:
            asked.append(digest)
            yield digest, messages[digest]

    assert read_messages([each.digest for each in directories], read_all) == messages
    assert len(asked) == len({*asked})


def test_messages_that_are_missing_are_left_out() -> None:
    directory = directory_of({"a/b": FILE})
    assert read_messages([directory.digest], lambda digests: []) == {}


def test_a_symlink_among_sources_is_refused() -> None:
    tree = directory_of({"a/b": SymlinkNode("/etc/passwd")})
    with pytest.raises(ValueError, match="symlink 'b'"):
        read_tree(tree.digest, below(tree).__getitem__)


def test_a_message_with_other_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="other bytes"):
        read_tree(directory_of({"a": FILE}).digest, lambda digest: directory_of({"b": FILE}).message)


def bomb(levels: int, width: int) -> tuple[Digest, dict[Digest, bytes]]:
    """Returns a tree that has `width` ** `levels` files in `levels` + 1 messages."""
    message = directory_of({"f": FILE}).message
    messages = {digest_of(message): message}
    for _ in range(levels):
        at = digest_of(message)
        message = encode_directory({}, {f"{number:04}": at for number in range(width)}, {})
        messages[digest_of(message)] = message
    return digest_of(message), messages


@pytest.mark.parametrize(("levels", "width"), [(30, 100), (1, 10_001), (65, 1), (64, 2)])
def test_a_tree_that_unfolds_to_more_than_there_can_be_is_refused(levels: int, width: int) -> None:
    root, messages = bomb(levels, width)
    with pytest.raises(ValueError, match="too many"):
        read_tree(root, messages.__getitem__, limits=Limits(entries=10_000))


def test_a_tree_as_deep_as_the_limit_is_read() -> None:
    root, messages = bomb(64, 1)
    assert len(read_tree(root, messages.__getitem__)) == 1


def test_declared_sizes_are_bounded() -> None:
    tree = directory_of(
        {"a": FileNode(Digest(FILE.digest.hash, 600)), "b": FileNode(Digest(FILE.digest.hash, 600))}
    )
    with pytest.raises(ValueError, match="too many entries, bytes or levels"):
        read_tree(tree.digest, below(tree).__getitem__, limits=Limits(size=1000))


def test_long_names_cannot_fill_the_memory() -> None:
    message = directory_of({"x" * 3000: FILE}).message
    messages = {digest_of(message): message}
    root = directory_of({"y" * 3000: FILE})
    message = encode_directory({}, {"y" * 3000: digest_of(message)}, {})
    messages[digest_of(message)] = message
    with pytest.raises(ValueError, match="too long"):
        read_tree(digest_of(message), messages.__getitem__)
    assert read_tree(root.digest, below(root).__getitem__)


def test_a_huge_message_is_not_asked_for() -> None:
    def read(*_: Any) -> Any:
        raise AssertionError

    huge = Digest(FILE.digest.hash, 1 << 40)
    with pytest.raises(ValueError, match="too large"):
        read_tree(huge, read)
    with pytest.raises(ValueError, match="too"):
        read_messages([huge], read)
