"""Installing a wheel: the same tree everywhere, the one that pip would make."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import os
import re
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambdabuild.digest import digest_of
from lambdabuild.errors import ExternalError
from lambdabuild.python.wheel import install
from lambdabuild.tree import Directory, FileNode, directory_of
from tests.python.real_wheels import MARKUPSAFE, SIX, Published, real_wheel
from tests.python.wheels import INFO, WHEEL, Member, make_wheel, record_of

ENTRY_POINTS = b"[console_scripts]\ndemo = demo.cli:Main.run\n\n[other]\nx = demo\n"
CLI = b"""\
import sys
class Main:
    @staticmethod
    def run():
        print(sys.argv[1:])
        return 3
"""

MEMBERS = [
    Member("demo/", mode=stat.S_IFDIR | 0o777),
    Member("demo/__init__.py", b"VERSION = 1\n", stat.S_IFREG | 0o600),
    Member("demo/cli.py", CLI),
    Member('demo/data/f\u00e4rbe, "1".json', b"{}"),
    Member("demo/native.so", b"\x7fELF", stat.S_IFREG | 0o775),
    Member("demo/__pycache__/cli.cpython-312.pyc", b"stale"),
    Member("demo/sourceless.pyc", b"bytecode that is all there is"),
    Member("demo-1.0.data/purelib/pure.py", b"pure = 1\n"),
    Member("demo-1.0.data/platlib/plat.py", b"plat = 1\n"),
    Member("demo-1.0.data/data/share/demo/x.txt", b"x"),
    Member("demo-1.0.data/headers/demo.h", b"#define X\n"),
    Member("demo-1.0.data/scripts/tool", b"#!python\nprint('tool')\n"),
    Member("demo-1.0.data/scripts/shell", b"#!/bin/sh\necho shell\n"),
]
DIST_INFO = {
    "entry_points.txt": ENTRY_POINTS,
    "INSTALLER": b"pip\n",
    "REQUESTED": b"",
    "direct_url.json": b"{}",
    "licenses/LICENSE": b"free\n",
}


def tree_of(root: Path) -> Directory:
    files = {}
    for path in sorted(root.rglob("*")):
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode):
            assert stat.S_IMODE(mode) == 0o755, path
            continue
        assert stat.S_ISREG(mode), path
        assert stat.S_IMODE(mode) in (0o644, 0o755), path
        files[path.relative_to(root).as_posix()] = FileNode(digest_of(path.read_bytes()), mode & 0o100 > 0)
    return directory_of(files)


def installed(wheel: Path, into: Path) -> Directory:
    install(wheel, into)
    return tree_of(into)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    install(make_wheel(tmp_path, MEMBERS, info=DIST_INFO), tmp_path / "tree")
    return tmp_path / "tree"


def test_the_tree_of_a_fixed_wheel_never_changes(tree: Path) -> None:
    # Other bytes here need another version of the tool that installs wheels.
    assert {path: node.digest.size for path, node in tree_of(tree).walk() if isinstance(node, FileNode)} == {
        "bin/demo": 205,
        "bin/shell": 21,
        "bin/tool": 37,
        f"{INFO}/METADATA": 46,
        f"{INFO}/RECORD": 1115,
        f"{INFO}/WHEEL": 78,
        f"{INFO}/entry_points.txt": 61,
        f"{INFO}/licenses/LICENSE": 5,
        "demo/__init__.py": 12,
        "demo/cli.py": 101,
        'demo/data/f\u00e4rbe, "1".json': 2,
        "demo/native.so": 4,
        "demo/sourceless.pyc": 29,
        "plat.py": 9,
        "pure.py": 9,
        "share/demo/x.txt": 1,
    }
    assert str(tree_of(tree).digest) == "55a6fbfc2119f0c574851148f0f84e3c93000cfbb2f852a0e2ba7474b9ed9f3b/491"


@pytest.mark.parametrize(
    ("published", "digest"),
    [
        (SIX, "e0b1f6a757c3efbe0fe9a0bdffe37041bcbc68636454228b1d1faf5566f7aecd/177"),
        (MARKUPSAFE, "cdfff6bc777c2e11ccd147f442b5108623e31b3782445618014efb646bd2b2db/186"),
    ],
    ids=["six", "markupsafe"],
)
def test_the_tree_of_a_published_wheel_never_changes(
    tmp_path: Path, published: Published, digest: str
) -> None:
    assert str(installed(real_wheel(published), tmp_path / "tree").digest) == digest


PATHS = st.lists(st.sampled_from(["a", "b", "c.py", "d e", "\u00e4", 'f,"g']), min_size=1, max_size=4)


@settings(max_examples=25)
@given(
    st.dictionaries(
        PATHS.map(lambda parts: "/".join([*parts, "file"])), st.tuples(st.binary(), st.booleans())
    ),
    st.sampled_from([0o022, 0o077, 0o002]),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
def test_a_tree_depends_on_the_wheels_files_alone(
    files: dict[str, tuple[bytes, bool]], umask: int, method: int
) -> None:
    def member(name: str, data: bytes, executable: bool, method: int) -> Member:
        return Member(name, data, stat.S_IFREG | (0o755 if executable else 0o644), method)

    with tempfile.TemporaryDirectory() as scratch:
        one, two = Path(scratch, "one"), Path(scratch, "two")
        one.mkdir()
        two.mkdir()
        plain = [member(name, *rest, zipfile.ZIP_STORED) for name, rest in files.items()]
        other = [member(name, *rest, method) for name, rest in files.items()]
        first = installed(make_wheel(one, plain), one / "tree")
        before = os.umask(umask)
        try:
            # RECORD comes first in this one, and lists the same files.
            second = installed(make_wheel(two, other, order=-1), two / "tree")
        finally:
            os.umask(before)
        assert first.digest == second.digest
        walked = {path: node for path, node in first.walk() if isinstance(node, FileNode)}
        for name, (data, executable) in files.items():
            assert walked[name] == FileNode(digest_of(data), executable)


@pytest.mark.parametrize("make", ["by hand", "markupsafe"])
def test_the_tree_is_the_one_that_pip_makes(tmp_path: Path, make: str) -> None:
    wheel = make_wheel(tmp_path, MEMBERS, info=DIST_INFO) if make == "by hand" else real_wheel(MARKUPSAFE)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile"]
    foreign = [] if make == "by hand" else ["--platform=manylinux2014_x86_64", "--python-version=3.11"]
    only = ["--only-binary=:all:", *foreign, "--target", str(tmp_path / "pip"), str(wheel)]
    subprocess.run([*command, *only], check=True)
    ours, pips = installed(wheel, tmp_path / "tree"), tree_of_pip(tmp_path / "pip")
    mine = {path: node for path, node in ours.walk() if isinstance(node, FileNode)}
    same = {path for path in mine if mine[path] == pips.get(path)}
    differ = (mine.keys() | pips.keys()) - same
    # It names an interpreter of this machine, keeps a script's mode, and speaks of the installation.
    explained = re.compile(
        r"bin/|include/|.*/__pycache__/|.*dist-info/(RECORD|INSTALLER|REQUESTED|direct_url.json)$"
    )
    assert [path for path in sorted(differ) if not explained.match(path)] == []
    assert {path for path in pips if path.startswith("bin/")} == {
        path for path in mine if path.startswith("bin/")
    }
    assert len(same) >= 10


def tree_of_pip(root: Path) -> dict[str, FileNode]:
    return {
        path.relative_to(root).as_posix(): FileNode(
            digest_of(path.read_bytes()), path.stat().st_mode & 0o100 > 0
        )
        for path in root.rglob("*")
        if path.is_file()
    }


def test_importlib_finds_the_distribution_and_its_files(tree: Path) -> None:
    (found,) = importlib.metadata.distributions(path=[str(tree)])
    assert (found.name, found.version) == ("demo", "1.0")
    files = found.files or []
    assert {str(file) for file in files} == {path for path, _ in tree_of(tree).walk()}
    for file in files:
        content = (tree / file).read_bytes()
        if file.hash is None:
            assert file.name == "RECORD"
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        assert (file.hash.value, file.size) == (digest, len(content))


def test_record_is_sorted(tree: Path) -> None:
    with (tree / INFO / "RECORD").open(newline="") as lines:
        rows = list(csv.reader(lines))
    assert len(rows) == 16
    assert rows == sorted(rows)


def test_scripts_run_from_any_directory_and_find_the_tree(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path/python3").symlink_to(sys.executable)
    environ = {"PATH": f"{tmp_path}/path:/usr/bin:/bin"}

    def run(name: str, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [tree / "bin" / name, *arguments], env=environ, cwd="/", capture_output=True, text=True
        )
        return done.returncode, done.stdout + done.stderr

    assert run("demo", "a b") == (3, "['a b']\n")
    assert run("tool") == (0, "tool\n")
    assert run("shell") == (0, "shell\n")


def test_nothing_names_this_machine_or_this_installation(tree: Path, tmp_path: Path) -> None:
    names = {path.rpartition("/")[2] for path, _ in tree_of(tree).walk()}
    assert names.isdisjoint({"INSTALLER", "REQUESTED", "direct_url.json", "demo.h", "cli.cpython-312.pyc"})
    for path, _ in tree_of(tree).walk():
        content = (tree / path).read_bytes()
        assert str(tmp_path).encode() not in content
        assert sys.prefix.encode() not in content


def test_a_wheel_whose_root_is_platlib_goes_to_the_same_place(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, MEMBERS, info={"WHEEL": WHEEL.replace(b"true", b"false")})
    paths = {path for path, _ in installed(wheel, tmp_path / "tree").walk()}
    assert {"demo/cli.py", "pure.py", "plat.py"} <= paths


def test_names_may_be_spelt_as_the_standards_allow(tmp_path: Path) -> None:
    record = "Demo.Pkg-1.0.0.dist-info"
    members = [
        Member(f"{record}/METADATA", b"Name: Demo.Pkg\n"),
        Member(f"{record}/WHEEL", WHEEL),
        Member("demo_pkg-1.0.data/purelib/x.py", b"x"),
    ]
    rows = record_of(members).replace(INFO.encode(), record.encode())
    wheel = make_wheel(
        tmp_path,
        [*members, Member(f"{record}/RECORD", rows)],
        filename="demo_pkg-1.0-py3-none-any.whl",
        info={"METADATA": None, "WHEEL": None, "RECORD": None},
    )
    assert "x.py" in {path for path, _ in installed(wheel, tmp_path / "tree").walk()}


def test_names_that_differ_in_case_only_stay_apart_where_they_can(tmp_path: Path) -> None:
    (tmp_path / "probe").touch()
    if (tmp_path / "PROBE").exists():
        pytest.skip("needs a file system that tells cases apart")
    wheel = make_wheel(tmp_path, [Member("a/X.py", b"1"), Member("a/x.py", b"2"), Member("A/x.py", b"3")])
    paths = {path for path, _ in installed(wheel, tmp_path / "tree").walk()}
    assert {"a/X.py", "a/x.py", "A/x.py"} <= paths


def test_a_tree_is_never_mixed_with_another(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is not empty"):
        install(tmp_path / "demo-1.0-py3-none-any.whl", tree)


def test_a_tree_that_cannot_be_written_is_no_fault_of_the_wheel(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, [Member("d/" + "x" * 300, b"")])
    with pytest.raises(ExternalError, match=r"cannot write 'd/xxx.* of demo-1\.0.*: File name too long"):
        install(wheel, tmp_path / "tree")
