from __future__ import annotations

import datetime
import io
import tarfile
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError
from lambdabuild.oci.config import CREATED
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.tar import MTIME, Dir, Entry, File, Symlink, arrange, header, write_tar

from .strategies import entries, file


def tar_of(some: Sequence[Entry]) -> bytes:
    out = io.BytesIO()
    write_tar(arrange(some), out)
    return out.getvalue()


def members(some: Sequence[Entry]) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(tar_of(some))) as tar:
        return tar.getmembers()


@given(st.data())
def test_a_tar_does_not_depend_on_the_order_of_its_entries(data: st.DataObject) -> None:
    some = data.draw(entries)
    assert tar_of(data.draw(st.permutations(some))) == tar_of(some)


@given(entries)
def test_every_parent_is_explicit_and_comes_before_its_children(some: list[Entry]) -> None:
    seen: set[str] = set()
    for member in members(some):
        parent, slash, _ = member.name.rpartition("/")
        assert not slash or parent in seen
        if member.isdir():
            seen.add(member.name)


@given(entries)
def test_siblings_come_in_the_order_of_their_bytes_and_each_with_its_contents(some: list[Entry]) -> None:
    paths = [member.name.encode().split(b"/") for member in members(some)]
    assert paths == sorted(paths)


@given(entries)
def test_a_tar_holds_what_it_was_given_and_nothing_of_who_made_it(some: list[Entry]) -> None:
    found = {member.name: member for member in members(some)}
    for entry in some:
        member = found[entry.path]
        match entry:
            case File():
                assert member.isreg()
                assert (member.size, member.mode) == (entry.size, 0o755 if entry.executable else 0o644)
            case Dir():
                assert member.isdir()
                assert member.mode == entry.mode
            case Symlink():
                assert member.issym()
                assert member.linkname == entry.target
    for member in found.values():
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert member.mtime == MTIME


@given(entries)
def test_a_tar_ends_after_two_empty_blocks(some: list[Entry]) -> None:
    tar = tar_of(some)
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        archive.getmembers()
        assert len(tar) == archive.offset + 1024
    assert tar.endswith(bytes(1024))


def test_the_digest_and_size_that_writing_gives_are_the_tars() -> None:
    some = arrange([file("a/b", b"x" * 700), Symlink("c", "a")])
    out = io.BytesIO()
    assert write_tar(some, out) == (sha256_of(out.getvalue()), len(out.getvalue()))


def test_the_times_in_tars_and_configs_are_one_moment() -> None:
    assert datetime.datetime.fromisoformat(CREATED).timestamp() == MTIME


# The format once more, written from the docstring of lambdabuild.oci.tar alone.
def specified(entry: Entry) -> bytes:
    match entry:
        case File():
            name, kind, mode = entry.path, b"0", 0o755 if entry.executable else 0o644
            link, size = "", entry.size
        case Dir():
            name, kind, mode, link, size = entry.path + "/", b"5", entry.mode, "", 0
        case Symlink():
            name, kind, mode, link, size = entry.path, b"2", 0o777, entry.target, 0
    pax = b"".join(record(key, text) for key, text in (("path", name), ("linkpath", link)) if not fits(text))
    if size >= 8 << 30:
        pax, size = pax + record("size", str(size)), 0
    block = ustar(name, mode, size, MTIME, kind, link)
    if not pax:
        return block
    return ustar("././@PaxHeader", 0, len(pax), 0, b"x", "") + pax + bytes(-len(pax) % 512) + block


def fits(text: str) -> bool:
    return text.isascii() and len(text) <= 100


def record(key: str, text: str) -> bytes:
    rest = f" {key}={text}\n".encode()
    length = len(rest)
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def ustar(name: str, mode: int, size: int, mtime: int, kind: bytes, link: str) -> bytes:
    block = bytearray(512)
    short_name, short_link = (text[:100].encode("ascii", "replace") for text in (name, link))
    for offset, value in (
        (0, short_name),
        (100, b"%07o" % mode),
        (108, b"%07o" % 0),
        (116, b"%07o" % 0),
        (124, b"%011o" % size),
        (136, b"%011o" % mtime),
        (148, b" " * 8),
        (156, kind),
        (157, short_link),
        (257, b"ustar\x0000"),
    ):
        block[offset : offset + len(value)] = value
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@given(entries)
def test_headers_are_as_the_docstring_specifies(some: list[Entry]) -> None:
    for entry in arrange(some):
        assert header(entry) == specified(entry)


@pytest.mark.parametrize("size", [(8 << 30) - 1, 8 << 30])
def test_sizes_beyond_the_header_field_are_as_the_docstring_specifies(size: int) -> None:
    huge = File("huge", size, False, list)
    assert header(huge) == specified(huge)


@pytest.mark.parametrize("length", [99, 100, 101])
def test_names_about_the_header_fields_length_are_as_the_docstring_specifies(length: int) -> None:
    for entry in (file("n" * length, b""), Dir("n" * length), Symlink("n", "t" * length)):
        assert header(entry) == specified(entry)


@pytest.mark.parametrize("path", ["", "/", "/a", "a/", "a//b", ".", "./a", "a/..", "../a", "a/./b"])
def test_a_path_that_is_not_plain_and_relative_is_refused(path: str) -> None:
    with pytest.raises(ImageError, match="is not a plain relative path: it has the component"):
        arrange([file(path, b"")])


@pytest.mark.parametrize(
    ("some", "message"),
    [
        ([file("a\0b", b"")], r"^the path 'a\\x00b' has a NUL in it$"),
        ([file("a\udc80", b"")], r"^the path 'a\\udc80' is not Unicode text$"),
        ([Symlink("a", "\ud800")], r"^the symlink target '\\ud800' is not Unicode text$"),
        ([Symlink("a", "x\0")], r"^the symlink target 'x\\x00' has a NUL in it$"),
        ([Symlink("a", "")], "^the symlink 'a' has an empty target$"),
        ([File("a", -1, False, list)], "^'a' has a negative size$"),
        ([Dir("a", 0o40755)], "^'a' has a mode beyond 7777: 40755$"),
        ([file("d/.wh.a", b"")], "^'d/.wh.a' would hide files of lower layers"),
        ([file("a", b""), file("a", b"")], "^two entries of a layer have the path 'a'$"),
        ([Dir("a"), Symlink("a", "b")], "^two entries of a layer have the path 'a'$"),
        ([file("a", b""), file("a/b/c", b"")], "^'a/b/c' lies below 'a', which is not a directory$"),
        ([file("a/b", b""), Symlink("a", "x")], "^'a/b' lies below 'a', which is not a directory$"),
    ],
)
def test_entries_that_make_no_layer_are_refused(some: list[Entry], message: str) -> None:
    with pytest.raises(ImageError, match=message):
        arrange(some)


def test_a_backslash_is_a_letter_like_any_other() -> None:
    assert [member.name for member in members([file("a\\b", b"")])] == ["a\\b"]


@pytest.mark.parametrize(("size", "word"), [(4, "more"), (6, "fewer"), (0, "more")])
def test_a_file_that_yields_another_size_than_it_said_is_not_packed(size: int, word: str) -> None:
    liar = File("a", size, False, lambda: [b"12", b"345"])
    with pytest.raises(ExternalError, match=rf"^'a' yields {word} than the {size} bytes"):
        write_tar(arrange([liar]), io.BytesIO())
