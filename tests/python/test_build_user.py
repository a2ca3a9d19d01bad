"""What a backend that runs as another user can reach, and what is taken from it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lambdabuild.errors import ActionFailed
from lambdabuild.python.pep517.hooks import build_wheel
from lambdabuild.python.pep517.user import open_way, take
from tests.python.building import environment, in_tree
from tests.python.faulty_index import never

NOBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a process as somebody else")


def test_a_file_is_copied(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"wheel")
    assert take(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"wheel"


def test_what_is_no_file_of_its_own_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to("secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", ".", "missing"):
        assert not take(tmp_path / name, tmp_path / "out")


def test_a_way_is_opened_to_pass_and_not_to_look(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    for directory in (below, below.parent):
        directory.chmod(0o700)
    open_way(below)
    assert [stat.S_IMODE(each.stat().st_mode) for each in (below, below.parent)] == [0o701] * 2


@as_root
@pytest.mark.parametrize(
    "line",
    [
        "os.symlink('/etc/hostname', directory + '/' + NAME)",
        "os.mkfifo(directory + '/' + NAME)",
        "os.rename(directory, directory + '2')",
        "os.symlink('/etc', os.path.dirname(directory) + '/taken')",
        "open('/etc/lambdabuild-was-here', 'w')",
    ],
    ids=["link", "pipe", "directory", "place", "machine"],
)
def test_a_backend_of_another_user_brings_a_file_or_fails(tmp_path: Path, line: str) -> None:
    project = in_tree(
        tmp_path / "project", f"def build_wheel(directory, *others):\n    {line}\n    return NAME\n"
    )
    kept = environment()
    open_way(kept.python.resolve().parent)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(ActionFailed):
        build_wheel(project, kept, tmp_path / "scratch", never, NOBODY)
    assert not Path("/etc/lambdabuild-was-here").exists()


@as_root
def test_the_answer_of_a_hook_has_to_be_a_file(tmp_path: Path) -> None:
    lines = ["os.mkfifo('{}/output.json'.format(sys.argv[2]))", "os._exit(0)"]
    body = "".join(f"    {line}\n" for line in lines)
    project = in_tree(tmp_path / "project", f"def build_wheel(directory, *others):\n{body}")
    kept = environment()
    open_way(kept.python.resolve().parent)
    with pytest.raises(ActionFailed):
        build_wheel(project, kept, tmp_path / "scratch", never, NOBODY)
