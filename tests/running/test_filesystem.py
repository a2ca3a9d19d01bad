"""Unpacking an image to be started."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Dir, Entry, File, Symlink, write_layer
from lambdabuild.running import RunnableImage
from lambdabuild.running.filesystem import unpacked

PASSWD = b"root:x:0:0::/:/bin/sh\napp:x:700:800::/:/bin/sh\nbroken:x:many:1::/:\n"


def image_of(directory: Path, *entries: Entry, user: str = "", working_dir: str = "") -> RunnableImage:
    layer = write_layer(entries, directory / "layer")
    image = Image.scratch("linux/amd64").append([layer], ["test"])
    return RunnableImage(
        image.with_config(user=user, working_dir=working_dir), {layer.digest: directory / "layer"}.__getitem__
    )


def file(place: str, data: bytes) -> File:
    return File(place, len(data), False, lambda: [data])


def test_mount_points_working_directory_and_name_resolution_are_there(tmp_path: Path) -> None:
    image = image_of(tmp_path, file("a", b"1"), working_dir="//srv/app/")
    with unpacked(image, tmp_path / "scratch") as its:
        assert its.working_dir == "/srv/app"
        for name in ("dev", "proc", "sys", "tmp", "srv/app"):
            assert (its.root / name).is_dir()
        assert (its.root / "etc/hosts").read_bytes() == Path("/etc/hosts").read_bytes()
        assert its.tmp.stat().st_mode & 0o7777 == 0o1777
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.parametrize(
    ("user", "ids"),
    [("", (1051, 1051)), ("app", (700, 800)), ("app:12", (700, 12)), ("700", (700, 800)), ("9:8", (9, 8))],
)
def test_users_are_looked_up_in_the_image(tmp_path: Path, user: str, ids: tuple[int, int]) -> None:
    with unpacked(image_of(tmp_path, file("etc/passwd", PASSWD), user=user), tmp_path / "scratch") as its:
        assert (its.uid, its.gid) == ids


@pytest.mark.parametrize("user", ["nobody", "broken", "app:staff", "-1"])
def test_a_user_who_is_not_there_is_an_error(tmp_path: Path, user: str) -> None:
    image = image_of(tmp_path, file("etc/passwd", PASSWD), user=user)
    with (
        pytest.raises(UserError, match="the image's config says user"),
        unpacked(image, tmp_path / "scratch"),
    ):
        pass
    assert list((tmp_path / "scratch").iterdir()) == []


def test_links_in_the_image_lead_nowhere_outside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "passwd").write_bytes(PASSWD)
    links = (Symlink("etc", str(outside)), Symlink("tmp", str(outside)), Symlink("work", str(outside)))
    image = image_of(tmp_path, *links, working_dir="/work/deep")
    with unpacked(image, tmp_path / "scratch") as its:
        assert not (its.root / "tmp").is_symlink()
    assert [path.name for path in outside.iterdir()] == ["passwd"]
    image = image_of(tmp_path, Symlink("etc/passwd", str(outside / "passwd")), user="app")
    with pytest.raises(UserError), unpacked(image, tmp_path / "scratch"):
        pass


def test_a_directory_that_nobody_may_change_is_removed_all_the_same(tmp_path: Path) -> None:
    image = image_of(tmp_path, Dir("locked", 0o555), file("locked/file", b"x"))
    with unpacked(image, tmp_path / "scratch") as its:
        os.chmod(its.root / "locked", 0o555)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_damaged_or_absent_layer_is_the_outside_worlds_fault(tmp_path: Path) -> None:
    image = image_of(tmp_path, file("a", b"1"))
    (tmp_path / "layer").write_bytes(b"\x1f\x8bnot gzip")
    with pytest.raises(ExternalError), unpacked(image, tmp_path / "scratch"):
        pass
    nowhere = dataclasses.replace(image, blob=lambda digest: tmp_path / "nowhere")
    with pytest.raises(ExternalError, match="cannot be unpacked"), unpacked(nowhere, tmp_path / "scratch"):
        pass
    assert list((tmp_path / "scratch").iterdir()) == []
