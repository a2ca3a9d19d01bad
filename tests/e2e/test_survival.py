"""Killed, interrupted, raced, out of disk, damaged: the next build gives what a clean one gives."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.execution import Event, Planned
from lambdabuild.store.local import SEAL
from tests.project import Project
from tests.require import unavailable

BUILD = """
files(name = "lib", srcs = glob(["lib/**"]), dest = "opt/lib")
base_image(name = "base", base = "scratch", srcs = [":lib"])
[lambda_image(name = "image%d" % i, base = ":base", srcs = {"handler.py": "h%d.py" % i}) for i in range(8)]
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(
        tmp_path / "w", tmp_path / "cache" / "lambdabuild", {"BUILD": BUILD, "handler.py": "x = 1\n"}
    )
    noise = random.Random(1)
    project.write({f"lib/f{i}": noise.randbytes(200_000) for i in range(20)})
    return project


def started(project: Project, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts the command line in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "lambdabuild", *arguments],
        cwd=project.root,
        env=os.environ | {"XDG_CACHE_HOME": str(project.cache.parent)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def images(project: Project) -> list[object]:
    return [target.built and target.built.image.digest for target in project.build().targets]


def clean_images(project: Project, tmp_path: Path) -> list[object]:
    return images(Project(project.root, tmp_path / "clean" / "lambdabuild", workspace=False))


def leftovers(project: Project) -> list[Path]:
    return list((project.cache / "tmp").iterdir())


def test_a_build_killed_at_any_moment_does_no_harm(project: Project, tmp_path: Path) -> None:
    for delay in (0.1, 0.2, 0.25, 0.3, 0.35, 0.45):
        process = started(project, "build", "//...")
        time.sleep(delay)
        process.kill()
        process.communicate()
    assert images(project) == clean_images(project, tmp_path)


def test_processes_that_build_the_same_at_once_do_no_harm(project: Project, tmp_path: Path) -> None:
    processes = [started(project, "build", "//...") for _ in range(4)]
    for process in processes:
        out, err = process.communicate()
        assert (process.returncode, b"failed" in out) == (0, False), err.decode()
    assert leftovers(project) == []
    assert images(project) == clean_images(project, tmp_path)


def test_an_interrupt_ends_a_build_cleanly(project: Project, tmp_path: Path) -> None:
    process = started(project, "build", "//...")
    while not leftovers_exist(project):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, b"")
    assert err.split() == [b"interrupted"]
    assert leftovers(project) == []
    assert images(project) == clean_images(project, tmp_path)


def leftovers_exist(project: Project) -> bool:
    return (project.cache / "tmp").is_dir() and any((project.cache / "tmp").iterdir())


def test_an_interrupt_ends_an_endless_evaluation(project: Project) -> None:
    project.write({"lib.bzl": "def f():\n    x = 3\n    for _ in range(70):\n        x = x * x * 3\n"})
    project.write({"BUILD": 'load(":lib.bzl", "f")\nf()\n'})
    process = started(project, "build", "//...")
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.split()) == (130, [b"interrupted"])


def test_a_file_that_changes_after_it_was_hashed_is_noticed(project: Project, tmp_path: Path) -> None:
    def change(event: Event) -> None:
        if isinstance(event, Planned):
            project.write({"lib/f3": b"changed"})

    report = project.build("//:base", on_event=change)
    (error,) = report.errors
    assert isinstance(error, UserError)
    assert error.message == "lib/f3 changed while the build was running"
    assert images(project) == clean_images(project, tmp_path)


def blob_of(project: Project, size: int) -> Path:
    """Returns the only blob of the store with at least `size` bytes."""
    (blob,) = [
        path for path in (project.cache / "cas").rglob("*") if path.is_file() and path.stat().st_size >= size
    ]
    return blob


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)


def test_a_damaged_blob_is_an_error_once_and_then_made_again(project: Project, tmp_path: Path) -> None:
    expected = clean_images(project, tmp_path)
    project.run("clean")
    project.build()
    blob = blob_of(project, 1_000_000)
    damage(blob)
    os.utime(blob, (SEAL, SEAL))  # as a disk does it, behind everybody's back
    project.run("clean")
    ran = project.run("build", "//...")
    assert ran.code == 3
    assert "was damaged and has been removed" in ran.err
    assert "hint: run the same command again" in ran.err
    assert project.run("build", "//...").code == 0
    assert images(project) == expected


@pytest.mark.parametrize("where", ["cas", "layout"])
def test_a_blob_that_somebody_wrote_to_is_made_again(project: Project, tmp_path: Path, where: str) -> None:
    """A flipped bit keeps the size; the time tells. A layout's layers are the store's own files."""
    expected = clean_images(project, tmp_path)
    project.run("clean")
    project.build()
    layout = project.root / "lambdabuild-out/base/blobs/sha256"
    large = next(path for path in layout.iterdir() if path.stat().st_size > 1_000_000)
    sound = large.read_bytes()
    damage(blob_of(project, 1_000_000) if where == "cas" else large)
    assert large.read_bytes() != sound
    assert images(project) == expected
    assert large.read_bytes() == sound
    assert project.build().counts()["built"] == 0


def test_a_truncated_blob_is_made_again(project: Project, tmp_path: Path) -> None:
    project.build()
    blob = blob_of(project, 1_000_000)
    project.run("clean")
    os.truncate(blob, 1000)
    assert images(project) == clean_images(project, tmp_path)


@pytest.mark.parametrize("size", [0, 40, 200])
def test_a_damaged_action_cache_entry_is_an_error_once_and_then_made_again(
    project: Project, tmp_path: Path, size: int
) -> None:
    project.write({"BUILD": BUILD.replace("range(8)", "range(2)")})  # one entry is found a run
    project.build()
    entries = [path for path in (project.cache / "ac").rglob("*") if path.is_file()]
    for entry in entries:
        os.truncate(entry, size)
    with pytest.raises(ExternalError, match="damaged"):
        project.build()
    for _ in entries:
        if project.run("build", "//...").code == 0:
            break
    assert images(project) == clean_images(project, tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    if os.geteuid() != 0:
        unavailable("needs root, to mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", directory], check=True)
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", directory], check=True)


def test_a_full_disk_is_an_error_with_a_hint_and_the_next_run_recovers(
    project: Project, small_disk: Path, tmp_path: Path
) -> None:
    full = Project(project.root, small_disk / "lambdabuild", workspace=False)
    noise = random.Random(2)
    full.write({"lib/large": noise.randbytes(6 << 20)})
    ran = full.run("build", "//...")
    assert ran.code == 3
    assert "No space left on device" in ran.err
    assert "hint: free some space" in ran.err
    assert leftovers(full) == []
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    assert full.run("build", "//...").code == 0
    assert images(full) == clean_images(project, tmp_path)


def test_a_cache_that_cannot_be_written_is_an_error_with_a_hint(project: Project, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "lambdabuild").write_text("a file where the cache should be")
    ran = project.run("build", "//...")
    assert ran.code == 3
    assert "cannot write below" in ran.err


def test_what_killed_processes_left_is_swept_after_a_day(project: Project) -> None:
    project.build()
    old, young = project.cache / "tmp" / "old", project.cache / "tmp" / "young"
    for path in (old, young):
        path.mkdir()
        (path / "part").write_text("x")
    os.utime(old, (time.time() - 100_000,) * 2)
    project.build()
    assert leftovers(project) == [young]
