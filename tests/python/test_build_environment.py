"""An environment of locked wheels is made once, whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python.index import Index
from lambdabuild.python.pep517.environment import Environment, Environments, python_of, site_packages
from lambdabuild.python.selection import LockedWheel
from lambdabuild.store.local import remove_tree
from tests.python import building
from tests.python.faulty_index import never
from tests.python.wheels import INFO, Member, make_wheel

TOOL = b"#!python\nimport demo\nprint(demo.VERSION)\n"
DEMO = [
    Member("demo/__init__.py", b"VERSION = 1\n"),
    Member("demo/template.py", b"def {{ name }}():\n"),
    Member("shared/__init__.py", b""),
    Member("demo-1.0.data/scripts/demo-tool", TOOL),
]


class Stop(BaseException):
    """What a build raises in its tools when it is to end."""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "environments"


@pytest.fixture
def demo(tmp_path: Path) -> LockedWheel:
    return wheel(tmp_path, DEMO)


def wheel(directory: Path, members: list[Member], name: str = "demo") -> LockedWheel:
    """Returns a wheel of the project `name` 1.0, which lies in `directory`/wheels."""
    wheels, draft = directory / "wheels", directory / "draft"
    wheels.mkdir(exist_ok=True)
    draft.mkdir(exist_ok=True)
    made = make_wheel(draft, members)
    target = wheels / made.name.replace("demo", name)
    with zipfile.ZipFile(made) as source, zipfile.ZipFile(target, "w") as out:
        for info in source.infolist():
            data = source.read(info)
            info.filename = info.filename.replace(INFO, INFO.replace("demo", name))
            if info.filename.endswith("RECORD"):
                data = data.replace(INFO.encode(), INFO.replace("demo", name).encode())
            out.writestr(info, data)
    return building.locked(target)


def environments(directory: Path) -> Environments:
    return Environments(directory, lambda: building.index(directory.parent / "wheels"))


def run(environment: Environment, *arguments: str) -> str:
    path = os.pathsep.join(map(str, (*environment.path, "/usr/bin", "/bin")))
    return subprocess.run(arguments, env={"PATH": path}, capture_output=True, text=True, check=True).stdout


def test_an_environment_has_its_wheels_and_nothing_else(directory: Path, demo: LockedWheel) -> None:
    environment = environments(directory).get([demo], never)
    program = "import demo, sys; print(demo.VERSION, demo.__cached__ is not None, sys.version)"
    assert run(environment, str(environment.python), "-c", program) == f"1 True {sys.version}\n"
    assert environment.packages == (("demo", "1.0"),)
    site = site_packages(environment.python.parents[1])
    assert {path.name for path in site.iterdir()} == {"demo", "demo-1.0.dist-info", "shared", "bin"}


def test_its_programs_are_found_on_path(directory: Path, demo: LockedWheel) -> None:
    assert run(environments(directory).get([demo], never), "demo-tool") == "1\n"


def test_packages_are_compiled_where_they_can_be_and_name_their_final_place(
    directory: Path, demo: LockedWheel
) -> None:
    environment = environments(directory).get([demo], never)
    package = site_packages(environment.python.parents[1]) / "demo"
    (compiled,) = (package / "__pycache__").iterdir()
    assert compiled.name.startswith("__init__.")
    assert str(package / "__init__.py").encode() in compiled.read_bytes()
    assert compiled.read_bytes()[4:8] == b"\x01\0\0\0"  # PEP 552: by hash, unchecked


def test_packages_are_read_only_and_can_be_removed(directory: Path, demo: LockedWheel) -> None:
    environment = environments(directory).get([demo], never)
    site = site_packages(environment.python.parents[1])
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (site, *site.rglob("*"))}
    assert modes == {0o555, 0o444}
    remove_tree(directory)
    assert not directory.exists()


def test_an_environment_is_made_once(directory: Path, demo: LockedWheel) -> None:
    first = environments(directory).get([demo], never)
    (directory.parent / "wheels" / demo.file.name).unlink()
    assert Environments(directory, _no_index).get([demo], never) == first


def test_other_wheels_are_another_environment(directory: Path, demo: LockedWheel) -> None:
    other = wheel(directory.parent, [Member("other.py", b"")], "other")
    made = environments(directory)
    places = {made.get(wheels, never).python for wheels in ([demo], [demo, other], [])}
    assert len(places) == 3
    assert made.get([other, demo], never).python in places


def test_threads_that_want_the_same_make_it_once(directory: Path, demo: LockedWheel) -> None:
    asked: list[int] = []

    def index() -> Index:
        asked.append(1)
        return building.index(directory.parent / "wheels")

    made = Environments(directory, index)
    threads = [threading.Thread(target=made.get, args=([demo], never)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asked == [1]


def test_who_loses_the_race_uses_the_winners(directory: Path, demo: LockedWheel) -> None:
    def index() -> Index:  # while the loser is at it, another process is faster
        winner = environments(directory).get([demo], never)
        winners.append(winner.python.parents[1].stat().st_ino)
        return building.index(directory.parent / "wheels")

    winners: list[int] = []
    loser = Environments(directory, index).get([demo], never)
    assert [loser.python.parents[1].stat().st_ino] == winners
    assert list(directory.iterdir()) == [loser.python.parents[1]]


@pytest.mark.parametrize("damage", ["marker", "python", "half"])
def test_a_damaged_environment_is_made_anew(damage: str, directory: Path, demo: LockedWheel) -> None:
    root = environments(directory).get([demo], never).python.parents[1]
    if damage == "marker":
        (root / "complete").unlink()
        remove_tree(site_packages(root) / "demo")
    elif damage == "python":
        python_of(root).unlink()
        python_of(root).symlink_to("/nowhere/python3")
    else:
        remove_tree(root)
        root.mkdir()
    again = environments(directory).get([demo], never)
    assert again.python.parents[1] == root
    assert run(again, "demo-tool") == "1\n"
    assert list(directory.iterdir()) == [root]


def test_a_fetch_that_fails_leaves_nothing(directory: Path, demo: LockedWheel) -> None:
    other = wheel(directory.parent, [Member("other.py", b"")], "other")
    (directory.parent / "wheels" / demo.file.name).unlink()
    with pytest.raises(ExternalError, match=r"cannot get demo-1\.0-py3-none-any\.whl of demo"):
        environments(directory).get([other, demo], never)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("calls", [1, 2])
def test_being_stopped_leaves_nothing(calls: int, directory: Path, demo: LockedWheel) -> None:
    count = 0

    def check() -> None:
        nonlocal count
        count += 1
        if count >= calls:
            raise Stop

    with pytest.raises(Stop):
        environments(directory).get([demo], check)
    assert list(directory.iterdir()) == []


def test_two_wheels_that_want_one_place_are_refused(directory: Path) -> None:
    other = wheel(directory.parent, [Member("demo/__init__.py", b"VERSION = 2\n")], "other")
    demo = wheel(directory.parent, DEMO)
    with pytest.raises(UserError) as caught:
        environments(directory).get([demo, other], never)
    names = f"{demo.file.name} and {other.file.name}"
    assert caught.value.message == f"two wheels that a build requires want to be at demo/__init__.py: {names}"
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("path", ["demo/__init__.py/x.py", "demo"])
def test_a_file_and_a_directory_at_one_place_are_refused(path: str, directory: Path) -> None:
    other = wheel(directory.parent, [Member(path, b"")], "other")
    demo = wheel(directory.parent, DEMO)
    with pytest.raises(UserError, match="two wheels that a build requires want to be at demo"):
        environments(directory).get([demo, other], never)


def test_wheels_may_share_a_namespace_and_equal_files(directory: Path) -> None:
    other = wheel(
        directory.parent,
        [Member("shared/__init__.py", b""), Member("shared/more.py", b"MORE = 2\n")],
        "other",
    )
    demo = wheel(directory.parent, DEMO)
    environment = environments(directory).get([demo, other], never)
    program = "import demo, shared.more; print(demo.VERSION, shared.more.MORE)"
    assert run(environment, str(environment.python), "-c", program) == "1 2\n"


def test_what_killed_processes_left_is_swept_up_after_a_day(directory: Path, demo: LockedWheel) -> None:
    old, new = directory / "0123-abc.tmp", directory / "0123-def.tmp"
    for path in (old, new):
        (path / "staging").mkdir(parents=True)
    day_ago = time.time() - 25 * 3600
    os.utime(old, (day_ago, day_ago))
    environments(directory).get([demo], never)
    assert not old.exists()
    assert new.exists()


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "environments"
    with pytest.raises(ExternalError, match=f"cannot write below {place}: "):
        Environments(place, _no_index).get([], never)


def _no_index() -> Index:
    raise AssertionError("nothing is fetched here")
