from __future__ import annotations

import os
import stat
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given

from lambdabuild.oci.layer import Dir, Entry, File, Symlink, write_layer
from lambdabuild.oci.tar import MTIME
from lambdabuild.oci.unpack import unpack

from .strategies import entries
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


@contextmanager
def temporary() -> Iterator[Path]:
    """A directory for one example: Hypothesis runs many in one test."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@given(entries)
def test_unpacking_a_layer_gives_back_its_entries(some: list[Entry]) -> None:
    with temporary() as directory:
        layer = write_layer(some, directory / "layer")
        unpack([(layer.diff_id, directory / "layer")], directory / "root")
        found = listing(directory / "root")
        for entry in some:
            path = directory / "root" / entry.path
            mode = stat.S_IMODE(path.lstat().st_mode)
            match entry:
                case File():
                    assert found.pop(entry.path) == b"".join(entry.open())
                    assert mode == (0o755 if entry.executable else 0o644)
                    assert path.stat().st_mtime == MTIME
                case Symlink():
                    assert found.pop(entry.path) == entry.target
                case Dir():
                    assert found.pop(entry.path) is None
                    assert mode == entry.mode
        # All else are the parents that the layer added.
        assert all(value is None for value in found.values())
        for name in found:
            assert stat.S_IMODE((directory / "root" / name).stat().st_mode) == 0o755


def test_upper_layers_add_and_replace(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root",
        [directory("d"), member("d/kept", b"1"), member("d/changed", b"1")],
        [member("d/changed", b"2"), member("d/new", b"2")],
        [member("other/without/parents", b"3")],
    )
    assert listing(root) == {
        "d": None,
        "d/kept": b"1",
        "d/changed": b"2",
        "d/new": b"2",
        "other": None,
        "other/without": None,
        "other/without/parents": b"3",
    }


KINDS: dict[str, tuple[list[Member], dict[str, bytes | str | None]]] = {
    "file": ([member("x", b"file")], {"x": b"file"}),
    "directory": ([directory("x"), member("x/in", b"in")], {"x": None, "x/in": b"in"}),
    "symlink": ([symlink("x", "kept")], {"x": "kept"}),
    "hardlink": ([hardlink("x", "kept")], {"x": b"kept"}),
}


@pytest.mark.parametrize("after", KINDS)
@pytest.mark.parametrize("before", KINDS)
def test_an_entry_replaces_whatever_kind_was_there(tmp_path: Path, before: str, after: str) -> None:
    (lower, _), (upper, expected) = KINDS[before], KINDS[after]
    root = unpack_members(tmp_path / "root", [member("kept", b"kept"), *lower], upper)
    assert listing(root) == {"kept": b"kept", **expected}


def test_an_entry_for_a_directory_keeps_what_is_in_it_and_changes_its_mode(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root", [directory("d"), member("d/a", b"")], [directory("d", mode=0o1777)]
    )
    assert listing(root) == {"d": None, "d/a": b""}
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o1777


def test_a_whiteout_hides_what_lower_layers_have(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root",
        [member("d/a", b""), member("d/b", b""), member("e/f/g", b""), symlink("l", "d")],
        [member("d/.wh.a"), member(".wh.e"), member(".wh.l"), member("d/.wh.missing"), member("no/.wh.x")],
    )
    assert listing(root) == {"d": None, "d/b": b""}


@pytest.mark.parametrize("first", [True, False])
def test_a_whiteout_spares_its_own_layer_wherever_it_stands(tmp_path: Path, first: bool) -> None:
    whiteout, made = member(".wh.d"), member("d/e/new", b"2")
    root = unpack_members(
        tmp_path / "root",
        [member("d/e/old", b"1"), member("d/old", b"1")],
        [whiteout, made] if first else [made, whiteout],
    )
    assert listing(root) == {"d": None, "d/e": None, "d/e/new": b"2"}


@pytest.mark.parametrize("first", [True, False])
def test_an_opaque_whiteout_hides_all_that_lower_layers_have_there(tmp_path: Path, first: bool) -> None:
    opaque, made = member("d/.wh..wh..opq"), member("d/sub/new", b"2")
    root = unpack_members(
        tmp_path / "root",
        [member("d/old", b"1"), member("d/sub/old", b"1"), member("beside", b"1")],
        [opaque, made] if first else [made, opaque],
    )
    assert listing(root) == {"beside": b"1", "d": None, "d/sub": None, "d/sub/new": b"2"}


def test_what_a_lower_layer_whites_out_an_upper_one_can_bring_back(tmp_path: Path) -> None:
    root = unpack_members(tmp_path / "root", [member("a", b"1")], [member(".wh.a")], [member("a", b"3")])
    assert listing(root) == {"a": b"3"}


def test_files_of_aufs_itself_are_left_out(tmp_path: Path) -> None:
    aufs = [member(".wh..wh.aufs"), directory(".wh..wh.plnk"), member(".wh..wh.plnk/7.9", b"")]
    assert listing(unpack_members(tmp_path / "root", aufs)) == {}


def test_hardlinks_share_their_file_with_lower_layers_until_it_is_replaced(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root",
        [member("a", b"1")],
        [hardlink("b", "a"), hardlink("c", "./a")],
        [member("a", b"2")],
    )
    assert listing(root) == {"a": b"2", "b": b"1", "c": b"1"}
    assert (root / "b").stat().st_ino == (root / "c").stat().st_ino


def test_a_symlink_to_a_directory_is_followed_as_a_parent(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root",
        [directory("usr/lib"), symlink("lib", "usr/lib"), symlink("usr/lib64", "/lib")],
        [member("lib/a", b"a"), member("usr/lib64/b", b"b"), hardlink("lib/c", "usr/lib64/b")],
    )
    assert listing(root / "usr/lib") == {"a": b"a", "b": b"b", "c": b"b"}
    assert (root / "lib").is_symlink()


def test_a_symlink_that_is_replaced_leads_later_entries_elsewhere(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root",
        [directory("a"), directory("b"), symlink("l", "a"), member("l/x", b"x")],
        [symlink("l", "b"), member("l/y", b"y")],
    )
    assert listing(root) == {"a": None, "a/x": b"x", "b": None, "b/y": b"y", "l": "b"}


def test_an_entry_for_a_directory_replaces_a_symlink_as_docker_does(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root", [directory("usr/lib"), symlink("lib", "usr/lib")], [directory("lib")]
    )
    assert listing(root) == {"usr": None, "usr/lib": None, "lib": None}


def test_a_directory_may_be_closed_and_still_get_its_files(tmp_path: Path) -> None:
    root = unpack_members(tmp_path / "root", [directory("d", mode=0o555)], [member("d/a", b"")])
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o555
    assert (root / "d/a").exists()


def test_set_user_id_is_not_kept_but_the_sticky_bit_is(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root",
        [member("su", mode=0o6755), directory("tmp", mode=0o7777), directory(".", mode=0o2711)],
    )
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (root / "su", root / "tmp", root)]
    assert modes == [0o755, 0o1777, 0o711]


def test_owners_are_kept_only_by_root(tmp_path: Path) -> None:
    root = unpack_members(
        tmp_path / "root",
        [
            member("a", uid=12, gid=34),
            directory("d", uid=12, gid=34),
            member("l", kind=b"2", linkname="a", uid=12, gid=34),
            hardlink("another name of a", "a"),  # its header says root, but the file is a's
        ],
    )
    expected = (12, 34) if os.geteuid() == 0 else (os.geteuid(), os.getegid())
    for name in "adl":
        found = (root / name).lstat()
        assert (found.st_uid, found.st_gid) == expected


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of threads; the child starts none
def test_a_user_without_privileges_can_unpack() -> None:
    blob = tar_of(
        directory("d", mode=0o500, uid=0), member("d/a", b"a", uid=1), member("b/c", b"c"), member(".wh.b")
    )
    with temporary() as above:
        above.chmod(0o777)
        if (child := os.fork()) == 0:
            try:
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setgid(65534)
                    os.setuid(65534)
                unpack_bytes(above / "root", blob)
                os._exit(0)
            except BaseException:
                traceback.print_exc(file=sys.stderr)
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (above / "root/d").stat().st_uid == (os.geteuid() or 65534)
        assert (above / "root/d/a").read_bytes() == b"a"


def test_a_directory_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(ValueError, match=r"is not empty$"):
        unpack([], tmp_path)
