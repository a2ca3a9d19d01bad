"""A source distribution becomes the files of its project, or is refused."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.oci.tar import MTIME
from lambdabuild.python.pep517 import sdist
from lambdabuild.python.pep517.sdist import unpack_sdist

NAME = "demo-1.0.tar.gz"
PARTS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0", exclude_categories=["Cc", "Cs"]),
    min_size=1,
    max_size=6,
)
PATHS = st.lists(
    PARTS.filter(lambda part: part not in (".", "..") and part[1:2] != ":"), min_size=1, max_size=3
)
TREES = st.dictionaries(
    PATHS.map("/".join), st.tuples(st.binary(max_size=50), st.booleans()), min_size=1, max_size=5
).filter(lambda tree: not any(other.startswith(f"{path}/") for path in tree for other in tree))
Tree = dict[str, tuple[bytes, bool]]


def info(name: str, kind: bytes = tarfile.REGTYPE, target: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, target, mode
    return member


def make_tar(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def make_zip(path: Path, members: Iterable[tuple[str, bytes, int]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in members:
            entry = zipfile.ZipInfo("x", (2020, 1, 1, 0, 0, 0))
            entry.filename, entry.external_attr = name, mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    return path


def read(root: Path) -> Tree:
    files = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(root).as_posix(): (path.read_bytes(), bool(path.stat().st_mode & 0o100))
        for path in files
    }


def refusal(archive: Path) -> str:
    with pytest.raises(UserError) as caught:
        unpack_sdist(archive, archive.parent / "out")
    assert caught.value.message.startswith(archive.name)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("lambdabuild lock --upgrade demo")
    return caught.value.message


@given(TREES)
def test_what_is_packed_as_tar_or_zip_is_what_comes_out(tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        modes = {path: 0o755 if executable else 0o600 for path, (_, executable) in tree.items()}
        tar = [(info(f"demo-1.0/{path}", mode=modes[path]), data) for path, (data, _) in tree.items()]
        unpack_sdist(make_tar(root / NAME, tar), root / "tar")
        zipped = [(f"demo-1.0/{path}", data, modes[path]) for path, (data, _) in tree.items()]
        unpack_sdist(make_zip(root / "demo-1.0.zip", zipped), root / "zip")
        assert read(root / "tar") == read(root / "zip") == tree


def test_modes_and_times_are_the_same_everywhere(tmp_path: Path) -> None:
    members = [(info("demo-1.0/a/tool", mode=0o777), b"x"), (info("demo-1.0/b", mode=0o600), b"")]
    before = os.umask(0o077)
    try:
        unpack_sdist(make_tar(tmp_path / NAME, members), tmp_path / "out")
    finally:
        os.umask(before)
    paths = [tmp_path / "out", *(tmp_path / "out").rglob("*")]
    assert {path.stat().st_mtime for path in paths} == {MTIME}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert modes == {"out": 0o755, "a": 0o755, "tool": 0o755, "b": 0o644}


def test_links_within_become_copies(tmp_path: Path) -> None:
    members = [
        (info("./demo-1.0/docs/README.md", tarfile.SYMTYPE, "../README.md"), b""),
        (info("./demo-1.0/README.md"), b"hello"),
        (info("./demo-1.0/again", tarfile.SYMTYPE, "docs/README.md"), b""),
        (info("./demo-1.0/hard", tarfile.LNKTYPE, "./demo-1.0/README.md"), b""),
    ]
    unpack_sdist(make_tar(tmp_path / NAME, members), tmp_path / "out")
    files = ("docs/README.md", "README.md", "again", "hard")
    assert read(tmp_path / "out") == dict.fromkeys(files, (b"hello", False))
    assert not any(path.is_symlink() for path in (tmp_path / "out").rglob("*"))


FILE = (info("demo-1.0/setup.py"), b"x")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (info("/demo-1.0/x"), "leaves the tree"),
        (info("demo-1.0/../../x"), "leaves the tree"),
        (info("demo-1.0/a\nb"), "has a backslash or a control character"),
        (info("demo-1.0/a\\b"), "has a backslash or a control character"),
        (info("demo-1.0/\udcff"), "is not UTF-8"),
        (info("other/x"), "more than one directory at its top"),
        (info("demo-1.0"), "has a file at its top"),
        (info("demo-1.0/link", tarfile.SYMTYPE, "../../etc/passwd"), "leaves the tree"),
        (info("demo-1.0/link", tarfile.SYMTYPE, "/etc/passwd"), "leaves the tree"),
        (info("demo-1.0/link", tarfile.SYMTYPE, "absent"), "is a link to what is no file of it"),
        (info("demo-1.0/link", tarfile.SYMTYPE, "link"), "is a link to what is no file of it"),
        (info("demo-1.0/link", tarfile.SYMTYPE, "."), "leads nowhere"),
        (info("demo-1.0/link", tarfile.LNKTYPE, "/etc/passwd"), "leaves the tree"),
        (info("demo-1.0/device", tarfile.CHRTYPE), "is of a kind"),
        (info("demo-1.0/fifo", tarfile.FIFOTYPE), "is of a kind"),
        (info("demo-1.0/sparse", tarfile.GNUTYPE_SPARSE), "is of a kind"),
        (info("demo-1.0/setup.py/x"), "has a file where it has a directory"),
    ],
    ids=lambda value: repr(value.name) if isinstance(value, tarfile.TarInfo) else "",
)
def test_a_hostile_tar_is_refused(member: tarfile.TarInfo, message: str, tmp_path: Path) -> None:
    assert message in refusal(make_tar(tmp_path / NAME, [FILE, (member, b"")]))
    assert {path.name for path in tmp_path.iterdir()} == {NAME, "out"}


def test_a_zip_with_a_symlink_is_refused(tmp_path: Path) -> None:
    members = [("demo-1.0/x", b"/etc/passwd", stat.S_IFLNK | 0o777)]
    assert "symlink" in refusal(make_zip(tmp_path / "demo-1.0.zip", members))


def test_a_bomb_is_refused_before_it_has_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "BOMB_BASE", 1000)
    bomb = bytes(1 << 20)
    allowed = "more bytes than its own size allows"
    assert allowed in refusal(make_tar(tmp_path / NAME, [(info("demo-1.0/x"), bomb)]))
    zipped = tmp_path / "zip"
    zipped.mkdir()
    assert allowed in refusal(make_zip(zipped / "demo-1.0.zip", [("demo-1.0/x", bomb, 0o644)]))


def test_links_count_for_the_bound_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "BOMB_BASE", 200_000)
    monkeypatch.setattr(sdist, "BOMB_FACTOR", 0)
    links = [(info(f"demo-1.0/{number}", tarfile.SYMTYPE, "x"), b"") for number in range(10)]
    archive = make_tar(tmp_path / NAME, [(info("demo-1.0/x"), bytes(50_000)), *links])
    assert "more bytes than its own size allows" in refusal(archive)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdist, "MAX_FILES", 3)
    members = [(info(f"demo-1.0/{number}"), b"") for number in range(4)]
    assert "more than 3 entries" in refusal(make_tar(tmp_path / NAME, members))


@pytest.mark.parametrize("name", [NAME, "demo-1.0.zip"])
def test_what_is_no_archive_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"<html>not found</html>")
    assert "is damaged, or no source distribution at all" in refusal(tmp_path / name)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = make_tar(tmp_path / "whole.tar.gz", [(info("demo-1.0/x"), os.urandom(3000))]).read_bytes()
    for length in range(0, len(whole) - 1, 97):
        directory = tmp_path / str(length)
        directory.mkdir()
        (directory / NAME).write_bytes(whole[:length])
        refusal(directory / NAME)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "demo-1.0.tar.bz2").write_bytes(b"BZh9")
    assert "is neither a .tar.gz nor a .zip" in refusal(tmp_path / "demo-1.0.tar.bz2")


def test_an_empty_archive_is_refused(tmp_path: Path) -> None:
    assert "has no files" in refusal(make_tar(tmp_path / NAME, [(info("demo-1.0", tarfile.DIRTYPE), b"")]))
