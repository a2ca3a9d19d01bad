"""Layers that somebody else wrote become ours: the same tree, in the one way in which we write it."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.foreign import read_entries, rewrite
from lambdabuild.oci.foreign_parents import directories
from lambdabuild.oci.layer import write_layer
from lambdabuild.oci.tar import CAPABILITY, MTIME, Dir, File, Owner, Symlink, arrange, write_tar

from .strategies import components, entries
from .tars import Member, directory, hardlink, member, symlink, tar_of

NET_RAW = b"\1\0\0\2\0\x20\0\0" + bytes(12)
SETUID = b"\1\0\0\2\x80\0\0\0" + bytes(12)
"""cap_setuid is bit 7: no UTF-8."""


def nothing_below(wanted: Collection[str]) -> Mapping[str, Dir]:
    return {}


def rewritten(
    path: Path, *members: Member, below: Any = nothing_below, **options: Any
) -> dict[str, tarfile.TarInfo]:
    """Returns the headers of what becomes of a layer with these members, in their order."""
    return headers(blob_of(path, tar_of(*members, **options), below))


def blob_of(path: Path, tar: bytes, below: Any = nothing_below) -> bytes:
    source, target = path / "foreign.tar", path / "ours.tar.gz"
    source.write_bytes(tar)
    layer = rewrite(source, target, below)
    assert layer is not None
    blob = target.read_bytes()
    assert (layer.digest, layer.diff_id) == (sha256_of(blob), sha256_of(gzip.decompress(blob)))
    return blob


def headers(blob: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(blob)) as tar:
        return {each.name: each for each in tar}


def test_modes_owners_and_links_stay_and_times_and_names_of_owners_go(tmp_path: Path) -> None:
    found = rewritten(
        tmp_path,
        directory("tmp", mode=0o1777, mtime=5, uname="me"),
        member("su", b"x", mode=0o4755, uid=3, gid=4, mtime=9.5, uname="me", gname="us"),
        member("secret", b"y", mode=0o600),
        symlink("link", "../../anywhere"),
        format=tarfile.PAX_FORMAT,
    )
    assert {name: (e.mode, e.uid, e.gid) for name, e in found.items()} == {
        "link": (0o777, 0, 0),
        "secret": (0o600, 0, 0),
        "su": (0o4755, 3, 4),
        "tmp": (0o1777, 0, 0),
    }
    assert found["link"].linkname == "../../anywhere"
    assert {(e.mtime, e.uname, e.gname) for e in found.values()} == {(MTIME, "", "")}


def test_hardlinks_become_copies_wherever_their_files_stand(tmp_path: Path) -> None:
    found = rewritten(
        tmp_path,
        hardlink("a", "c"),
        hardlink("b", "a"),
        member("c", b"content", mode=0o4711, uid=9),
        symlink("s", "t"),
        hardlink("u", "s"),
    )
    assert [(e.isreg(), e.size, e.mode, e.uid) for e in map(found.get, "abc") if e] == [
        (True, 7, 0o4711, 9)
    ] * 3
    assert (found["u"].issym(), found["u"].linkname) == (True, "t")


@pytest.mark.parametrize("links", [[("a", "gone")], [("a", "b"), ("b", "a")], [("a", "a")], [("a", "d")]])
def test_a_hardlink_to_no_file_of_the_layer_is_refused(tmp_path: Path, links: list[tuple[str, str]]) -> None:
    with pytest.raises(ImageError, match=r"'a' is a hardlink to .*, which is no file of the same layer"):
        rewritten(tmp_path, directory("d"), *(hardlink(*link) for link in links))


def test_whiteouts_stay_and_come_before_all_that_is_beside_them(tmp_path: Path) -> None:
    found = rewritten(
        tmp_path,
        directory("d"),
        member("d/-x"),
        member("d/.wh.-x", mode=0),
        member("d/.wh..wh..opq", mode=0o755),
        member("d/.wh..wh.plnk"),
    )
    assert list(found) == ["d", "d/.wh.-x", "d/.wh..wh..opq", "d/-x"]
    assert all((e.size, e.uid, e.mode) == (0, 0, 0o644) for e in found.values() if ".wh." in e.name)


@pytest.mark.parametrize("capability", [NET_RAW, SETUID])
def test_file_capabilities_stay_and_other_attributes_go(tmp_path: Path, capability: bytes) -> None:
    attributes = {
        CAPABILITY: capability.decode(errors="surrogateescape"),
        "SCHILY.xattr.security.selinux": "system_u:object_r:etc_t",
        "SCHILY.xattr.user.note": "mine",
    }
    tar = tar_of(member("ping", b"x", pax_headers=attributes), format=tarfile.PAX_FORMAT)
    found = dict(headers(blob_of(tmp_path, tar))["ping"].pax_headers)
    assert found.pop(CAPABILITY).encode(errors="surrogateescape") == capability
    assert not [name for name in found if name.startswith("SCHILY")]


def test_capabilities_of_a_user_namespace_are_refused(tmp_path: Path) -> None:
    value = (b"\1\0\0\3" + bytes(20)).decode()
    with pytest.raises(ImageError, match="'ping' has capabilities that hold in one user namespace only"):
        rewritten(tmp_path, member("ping", pax_headers={CAPABILITY: value}), format=tarfile.PAX_FORMAT)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (member("null", kind=tarfile.CHRTYPE), "'null' is a device"),
        (member("disk", kind=tarfile.BLKTYPE), "'disk' is a device"),
        (member("pipe", kind=tarfile.FIFOTYPE), "'pipe' is a FIFO"),
        (member("../x"), "is not a name within the image"),
        (member("a/../../x"), "is not a name within the image"),
        (member("/etc/x"), "is not a name within the image"),
        (hardlink("a", "../x"), "is not a name within the image"),
        (member(".wh."), "is a whiteout that hides nothing"),
        (member(".wh.."), "is a whiteout that hides nothing"),
        (directory(".wh.a"), "is a whiteout that hides nothing"),
        (member("a", uid=1 << 40), "impossible owner"),
        (member(".wh.d/a"), "is a whiteout"),
    ],
)
def test_what_has_no_place_in_a_layer_is_an_error(tmp_path: Path, bad: Member, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        rewritten(tmp_path, bad, format=tarfile.GNU_FORMAT)
    assert not (tmp_path / "ours.tar.gz").exists()


def test_a_layer_without_entries_is_none(tmp_path: Path) -> None:
    (tmp_path / "tar").write_bytes(tar_of(directory("."), directory("./")))
    assert rewrite(tmp_path / "tar", tmp_path / "out", nothing_below) is None
    assert not (tmp_path / "out").exists()


def test_a_layer_of_directories_alone_stays(tmp_path: Path) -> None:
    assert list(rewritten(tmp_path, directory("a"))) == ["a"]


def test_a_directory_without_an_entry_is_as_lower_layers_have_it(tmp_path: Path) -> None:
    asked: list[Collection[str]] = []

    def below(wanted: Collection[str]) -> Mapping[str, Dir]:
        asked.append(wanted)
        lower = tar_of(directory("tmp", mode=0o1777, uid=7), directory("tmp/x", mode=0o700))
        return directories([lambda: io.BytesIO(lower)], wanted)

    found = rewritten(tmp_path, member("tmp/x/a"), member("new/b"), below=below)
    assert asked == [["new", "tmp", "tmp/x"]]
    assert {name: (e.mode, e.uid) for name, e in found.items() if e.isdir()} == {
        "tmp": (0o1777, 7),
        "tmp/x": (0o700, 0),
        "new": (0o755, 0),
    }


def test_lower_layers_are_not_read_for_a_layer_that_names_all_directories(tmp_path: Path) -> None:
    def below(wanted: Collection[str]) -> Mapping[str, Dir]:
        raise AssertionError

    assert list(rewritten(tmp_path, directory("d"), member("d/a"), below=below)) == ["d", "d/a"]


def test_an_entry_below_a_symlink_of_a_lower_layer_does_not_replace_it() -> None:
    lower = tar_of(symlink("lib", "usr/lib"))
    with pytest.raises(ImageError, match="below 'lib', which is a link or a file of a lower layer"):
        directories([lambda: io.BytesIO(lower)], ["lib"])


def test_of_lower_layers_the_last_word_counts() -> None:
    layers = [
        tar_of(directory("a", mode=0o700), directory("b", mode=0o700), symlink("c", "x"), directory("d/e")),
        tar_of(member(".wh.a"), directory("b", mode=0o711), member(".wh.c"), member("d/.wh..wh..opq")),
    ]
    found = directories([lambda tar=tar: io.BytesIO(tar) for tar in layers], ["a", "b", "c", "d/e"])  # type: ignore[misc]
    assert found == {"b": Dir("b", 0o711)}


def test_of_two_entries_with_one_path_the_last_counts(tmp_path: Path) -> None:
    found = rewritten(tmp_path, symlink("a", "b"), member("a", b"xy"))
    assert (found["a"].isreg(), found["a"].size) == (True, 2)


@given(tree=entries)
def test_rewriting_a_layer_of_ours_changes_nothing(
    tree: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not tree:
        return
    directory = tmp_path_factory.mktemp("layer")
    ours = directory / "ours"
    layer = write_layer(tree, ours)
    tar = directory / "tar"
    tar.write_bytes(gzip.decompress(ours.read_bytes()))
    assert rewrite(tar, directory / "again", nothing_below) == layer
    assert (directory / "again").read_bytes() == ours.read_bytes()


owners = st.builds(Owner, st.integers(0, 1 << 31), st.integers(0, 1 << 21))
modes = st.integers(0, 0o7777)


@st.composite
def foreign_members(draw: st.DrawFn) -> list[Member]:
    """Members of a layer with every directory named, in any order."""
    names = draw(st.lists(components, unique=True, min_size=1, max_size=6))
    made: list[Member] = [directory("dir", mode=draw(modes))]
    for number, name in enumerate(names):
        path = f"dir/{name}" if number % 2 else f"top-{number}"
        owner = draw(owners)
        fields: dict[str, Any] = {
            "mode": draw(modes),
            "uid": owner.uid,
            "gid": owner.gid,
            "mtime": draw(st.integers(0, 1 << 33)),
        }
        kind = draw(st.sampled_from(["file", "symlink", "directory", "whiteout", "hardlink"]))
        if kind == "whiteout":
            made.append(member(f"dir/.wh.{number}"))
        elif kind == "symlink":
            made.append(symlink(path, name))
        elif kind == "directory":
            made.append(directory(path, **fields))
        else:
            made.append(member(path, draw(st.binary(max_size=700)), **fields))
            if kind == "hardlink":
                made.append(hardlink(f"hard-{number}", path))
    return made


@given(data=st.data())
def test_the_order_of_a_layers_members_does_not_matter(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    made, path = data.draw(foreign_members()), tmp_path_factory.mktemp("layer")
    shuffled = data.draw(st.permutations(made))
    first = blob_of(path, tar_of(*made, format=tarfile.PAX_FORMAT))
    assert blob_of(path, tar_of(*shuffled, format=tarfile.PAX_FORMAT)) == first


@given(made=foreign_members())
def test_a_rewritten_layer_holds_the_same_tree_and_is_rewritten_to_itself(
    made: list[Member], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("layer")
    tar = tar_of(*made, format=tarfile.PAX_FORMAT)
    blob = blob_of(path, tar)
    assert seen(gzip.decompress(blob)) == seen(tar)
    assert blob_of(path, gzip.decompress(blob)) == blob


def seen(tar: bytes) -> dict[str, tuple[object, ...]]:
    """Returns what a container would see of a layer: path -> kind, owner, mode, content or target."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for each in archive:
            if ".wh." in each.name:
                found[each.name] = ("whiteout",)
            elif each.issym():
                found[each.name] = ("symlink", each.linkname)
            elif each.isdir():
                found[each.name] = ("directory", each.mode, each.uid, each.gid)
            else:
                file = archive.extractfile(each)
                assert file is not None
                first = archive.getmember(each.linkname) if each.islnk() else each
                found[each.name] = ("file", first.mode, first.uid, first.gid, file.read())
    return found


def test_a_writer_refuses_owners_and_modes_that_cannot_be(tmp_path: Path) -> None:
    for entry in (
        File("a", 0, False, list, mode=0o10000),
        File("a", 0, False, list, owner=Owner(-1, 0)),
        Symlink("a", "b", Owner(0, 1 << 32)),
    ):
        with pytest.raises(ImageError, match=r"mode beyond|impossible owner"):
            write_layer([entry], tmp_path / "layer")


def test_entries_that_nobody_changed_have_the_bytes_that_they_always_had() -> None:
    plain, told = io.BytesIO(), io.BytesIO()
    write_tar(arrange([File("a", 1, True, lambda: [b"x"]), Dir("d"), Symlink("l", "a")]), plain)
    write_tar(
        arrange(
            [
                File("a", 1, False, lambda: [b"x"], 0o755, Owner()),
                Dir("d", 0o755, Owner()),
                Symlink("l", "a", Owner()),
            ]
        ),
        told,
    )
    assert plain.getvalue() == told.getvalue()


def test_a_tar_that_is_cut_short_is_no_layer(tmp_path: Path) -> None:
    tar = tar_of(directory("d"), member("d/a", b"x" * 3000))
    whole = len(tar.rstrip(b"\0"))
    for size in (100, 600, 1400, 2000):
        assert size < whole
        (tmp_path / "tar").write_bytes(tar[:size])
        with pytest.raises(ImageError):
            read_entries(tmp_path / "tar")
