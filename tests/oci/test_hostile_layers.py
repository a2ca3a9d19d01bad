"""Layers that try to get out of the directory they are unpacked into, or to harm who unpacks them."""

from __future__ import annotations

import contextlib
import os
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import LambdaBuildError
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.rootfs import MAX_DEPTH

from .tars import (
    Member,
    directory,
    hardlink,
    listing,
    member,
    symlink,
    tar_of,
    unpack_bytes,
    unpack_members,
)
from .test_unpack import temporary


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where to unpack. Beside it lies a file that must not change."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_bytes(b"secret")
    (tmp_path / "outside/secret").chmod(0o600)
    return tmp_path / "root"


def assert_outside_is_untouched(root: Path) -> None:
    outside = root.parent / "outside"
    assert listing(outside) == {"secret": b"secret"}
    assert stat.S_IMODE((outside / "secret").stat().st_mode) == 0o600
    assert (outside / "secret").stat().st_nlink == 1
    assert {path.name for path in root.parent.iterdir()} <= {
        "outside",
        "root",
        "root-layer-0",
        "root-layer-1",
    }


@pytest.mark.parametrize("name", ["../outside/new", "a/../../outside/new", "..", "a/..", "/../outside/new"])
@pytest.mark.parametrize("make", [member, directory, lambda name: symlink(name, "x")])
def test_a_name_that_goes_up_is_refused(root: Path, name: str, make: Any) -> None:
    with pytest.raises(ImageError, match=r"is not a name within the image$"):
        unpack_members(root, [make(name)])
    assert_outside_is_untouched(root)


def test_an_absolute_name_begins_at_the_root(root: Path) -> None:
    name = f"{root.parent}/outside/secret"
    unpack_members(root, [member(name, b"new"), directory("//" + name[1:] + "2")])
    assert (root / name[1:]).read_bytes() == b"new"
    assert_outside_is_untouched(root)


@pytest.mark.parametrize(
    "target", ["../outside", "../../../../../../outside", "{parent}/outside", "/..//../outside"]
)
def test_a_symlink_that_leads_out_is_made_but_never_followed_out(root: Path, target: str) -> None:
    target = target.format(parent=root.parent)
    unpack_members(
        root,
        [symlink("out", target)],
        [member("out/new", b"new"), member("out/secret", b"new"), directory("out/d", mode=0o777)],
    )
    assert os.readlink(root / "out") == target
    assert_outside_is_untouched(root)
    assert [found for found in listing(root).values() if found == b"new"] == [b"new"] * 2


def test_a_file_does_not_write_through_a_symlink_of_its_own_name(root: Path) -> None:
    unpack_members(root, [symlink("x", "../outside/secret"), member("x", b"new", mode=0o777)])
    assert_outside_is_untouched(root)
    assert not (root / "x").is_symlink()


def test_a_directory_does_not_change_what_a_symlink_of_its_own_name_leads_to(root: Path) -> None:
    unpack_members(root, [symlink("x", "../outside"), directory("x", mode=0o777)])
    assert stat.S_IMODE((root.parent / "outside").stat().st_mode) != 0o777
    assert not (root / "x").is_symlink()


def test_modes_do_not_go_to_where_a_directory_was_replaced_by_a_symlink(root: Path) -> None:
    (root.parent / "outside/d").mkdir(mode=0o700)
    unpack_members(root, [directory("x/d", mode=0o777)], [symlink("x", "../outside")])
    assert stat.S_IMODE((root.parent / "outside/d").stat().st_mode) == 0o700


def test_a_parent_that_was_a_directory_is_looked_at_again_after_it_became_a_symlink(root: Path) -> None:
    unpack_members(
        root,
        [member("x/a", b"1"), symlink("x", "../outside"), member("x/secret", b"new"), member("x/a", b"2")],
    )
    assert_outside_is_untouched(root)


@pytest.mark.parametrize(
    "target",
    ["../outside/secret", "/../outside/secret", "{parent}/outside/secret", "out/secret", "/", "", "d", "x"],
)
def test_a_hardlink_to_what_is_no_file_of_the_image_is_refused(root: Path, target: str) -> None:
    members = [directory("d"), symlink("out", "../outside"), hardlink("x", target.format(parent=root.parent))]
    with pytest.raises(ImageError, match=r"is not a name within the image$|which is no file$"):
        unpack_members(root, members)
    assert_outside_is_untouched(root)


def test_a_hardlink_to_a_symlink_is_one_and_is_not_written_through(root: Path) -> None:
    unpack_members(
        root, [symlink("out", "../outside/secret"), hardlink("x", "out")], [member("x", b"new", mode=0o777)]
    )
    assert_outside_is_untouched(root)
    assert (root / "x").read_bytes() == b"new"


@pytest.mark.parametrize("name", [".wh...", ".wh..", ".wh.", "d/.wh...", "../.wh.outside"])
def test_a_whiteout_of_what_is_no_name_is_refused(root: Path, name: str) -> None:
    with pytest.raises(
        ImageError, match=r"names nothing that could be hidden$|is not a name within the image$"
    ):
        unpack_members(root, [member("d/a")], [member(name)])
    assert_outside_is_untouched(root)


def test_whiteouts_do_not_reach_through_a_symlink(root: Path) -> None:
    unpack_members(
        root,
        [symlink("out", "../outside"), symlink("out2", "../outside"), symlink("out3", "../outside/secret")],
        [member("out/.wh.secret"), member("out2/.wh..wh..opq"), member(".wh.out3")],
    )
    assert_outside_is_untouched(root)
    assert listing(root) == {"out": "../outside", "out2": "../outside"}


def test_removing_a_directory_does_not_empty_what_its_symlinks_lead_to(root: Path) -> None:
    unpack_members(root, [symlink("d/out", "../../outside")], [member(".wh.d")])
    assert_outside_is_untouched(root)
    assert listing(root) == {}


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_device_nodes_and_fifos_are_left_out(root: Path, kind: bytes) -> None:
    device = member("dev/x", kind=kind, devmajor=1, devminor=3)
    assert listing(unpack_members(root, [member("dev/x", b"1")], [device])) == {"dev": None}


@pytest.mark.parametrize("kind", [b"Z", tarfile.GNUTYPE_SPARSE])
def test_kinds_that_layers_do_not_have_are_refused(root: Path, kind: bytes) -> None:
    with pytest.raises(ImageError, match="is of a kind that layers do not have"):
        unpack_members(root, [member("x", kind=kind)])


def test_sparse_files_are_refused(root: Path) -> None:
    headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.map": "0,1",
        "GNU.sparse.size": "9",
    }
    with pytest.raises(ImageError, match="is of a kind that layers do not have"):
        unpack_members(root, [member("x", b"1", pax_headers=headers)])


def test_nothing_is_put_below_a_file(root: Path) -> None:
    with pytest.raises(
        ImageError, match=r"^layer sha256:.*: 'x' leads through 'x', which is not a directory$"
    ):
        unpack_members(root, [member("x")], [member("x/y")])


@pytest.mark.parametrize("loop", [[symlink("x", "x")], [symlink("x", "y"), symlink("y", "/x/")]])
def test_a_loop_of_symlinks_ends(root: Path, loop: list[Member]) -> None:
    with pytest.raises(ImageError, match=r"leads through too many symlinks$"):
        unpack_members(root, loop, [member("x/a")])


def test_the_root_becomes_nothing_but_a_directory(root: Path) -> None:
    for bad in (member("."), symlink("/", "/etc"), hardlink("./", "a")):
        with pytest.raises(ImageError, match=r"^layer .* the root of an image is a directory"):
            unpack_members(root, [bad])
    assert root.is_dir()


@pytest.mark.parametrize("make", [member, directory])
def test_directories_nested_without_end_are_refused(root: Path, make: Any) -> None:
    unpack_members(root, [make("d/" * MAX_DEPTH + "x")] if make is member else [make("d/" * MAX_DEPTH)])
    with pytest.raises(ImageError, match=r"nested more than 256 deep$"):
        unpack_members(root.with_name("root"[::-1]), [make("d/" * (MAX_DEPTH + 1) + "x")])


def test_symlinks_cannot_nest_directories_without_end_either(root: Path) -> None:
    down = "d/" * (MAX_DEPTH - 10)
    with pytest.raises(ImageError, match=r"nested more than 256 deep$"):
        unpack_members(root, [directory(down), symlink("x", down), directory("x/" + "e/" * 20)])


@pytest.mark.parametrize("name", ["n" * 256, "d" * 200 + "/" + ("d" * 200 + "/") * 30])
def test_a_name_too_long_for_the_system_is_refused(root: Path, name: str) -> None:
    with pytest.raises(ImageError, match="a name in it is too long"):
        unpack_members(root, [member(name)])


@pytest.mark.parametrize(
    "bad",
    [
        member("x", pax_headers={"path": "a\0b"}),
        member("x", kind=tarfile.SYMTYPE, linkname="y", pax_headers={"linkpath": "a\0b"}),
        symlink("x", ""),
        member("x", pax_headers={"size": "-512"}),
        member("x", pax_headers={"size": "1e9"}),
    ],
)
def test_absurd_headers_are_refused_or_harmless(root: Path, bad: Member) -> None:
    with contextlib.suppress(LambdaBuildError):
        unpack_members(root, [bad, member("y", b"y")])
    assert set(listing(root)) <= {"x", "y"}


@pytest.mark.parametrize("mtime", ["nan", "inf", "-1", "1e300"])
def test_an_absurd_time_is_not_kept(root: Path, mtime: str) -> None:
    unpack_members(root, [member("x", b"x", pax_headers={"mtime": mtime})])
    assert 0 < (root / "x").stat().st_mtime < 1 << 33


def test_an_impossible_owner_is_refused(root: Path) -> None:
    if os.geteuid() != 0:  # nobody else keeps owners
        unpack_members(root, [member("x", uid=1 << 32)])
        return
    with pytest.raises(ImageError, match=r"'x' has an impossible owner: 4294967296:0$"):
        unpack_members(root, [member("x", uid=1 << 32)])


@pytest.mark.parametrize("data", [b"", b"x", b"no tar" * 1000, b"\x28\xb5\x2f\xfd" + bytes(600)])
def test_what_is_no_tar_is_refused(root: Path, data: bytes) -> None:
    with pytest.raises(ImageError, match=r"^layer sha256:.*: not a tar that can be read: "):
        unpack_bytes(root, data)


def test_a_tar_that_is_cut_short_is_refused(root: Path) -> None:
    with pytest.raises(ImageError, match=r"unexpected end of data$"):
        unpack_bytes(root, tar_of(member("x", bytes(5000)))[:3000])


def test_a_chain_of_long_names_is_refused(root: Path) -> None:
    link = tarfile.TarInfo("././@LongLink")
    link.type, link.size = tarfile.GNUTYPE_LONGNAME, 1
    with pytest.raises(ImageError, match="not a tar that can be read"):
        unpack_bytes(root, (link.tobuf(tarfile.GNU_FORMAT) + b"x" + bytes(511)) * 5000)


names = st.lists(st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq"]), max_size=4).map(
    "/".join
)
targets = st.sampled_from(
    ["a", "b", "a/b", "..", "../..", "/", "/a", "../outside", "../outside/secret", ".", "a/../../b"]
)
hostile = st.one_of(
    st.builds(member, names, st.just(b"new"), mode=st.just(0o777)),
    st.builds(directory, names, mode=st.sampled_from([0o777, 0o0])),
    st.builds(symlink, names, targets),
    st.builds(hardlink, names, names | targets),
)


@given(st.lists(st.lists(hostile, max_size=6), max_size=3))
@example([[directory("a"), symlink("a/b", "/a")], [member("a/b/b/a", b"new")]])
def test_no_layers_touch_anything_outside(layers: list[list[Member]]) -> None:
    with temporary() as above:
        (above / "outside").mkdir()
        (above / "outside/secret").write_bytes(b"secret")
        with contextlib.suppress(LambdaBuildError):
            unpack_members(above / "root", *layers)
        assert listing(above / "outside") == {"secret": b"secret"}
        assert (above / "outside/secret").stat().st_nlink == 1
        assert stat.S_IMODE((above / "outside").stat().st_mode) == 0o755
        assert {p.name for p in above.iterdir()} <= {
            "outside",
            "root",
            *(f"root-layer-{i}" for i in range(3)),
        }
