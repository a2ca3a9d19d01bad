"""`lambdabuild lock` from end to end, with a package index on disk that moves."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from lambdabuild.python.lock import Lock
from lambdabuild.python.lock_file import parse_lock
from tests.project import Project
from tests.python.tiny_index import TinyIndex

pytestmark = pytest.mark.once

WORKSPACE = '[workspace]\nplatforms = ["host"]\n'
BUILD = (
    'host_python_image(name = "python")\n'
    'lambda_image(name = "image", base = ":python", srcs = ["app.py"], handler = "app.main", requirements = [REQUIRES])\n'
)
A, BOTH = '"tiny-a"', '"tiny-a", "tiny-b"'


def build(requires: str) -> dict[str, str]:
    return {"BUILD": BUILD.replace("REQUIRES", requires)}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TinyIndex:
    index = TinyIndex(tmp_path / "index")
    for variable, value in index.variables.items():
        monkeypatch.setenv(variable, value)
    index.wheel("tiny_a", "1.0", "tiny-c")
    index.wheel("tiny_b", "1.0")
    index.wheel("tiny_c", "1.0")
    return index


@pytest.fixture
def project(tmp_path: Path, tiny: TinyIndex) -> Project:
    files = {"WORKSPACE.toml": WORKSPACE, "app.py": "def main(event, context):\n    return 1\n"}
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", {**files, **build(A)}, workspace=False)


def lock(project: Project) -> Lock:
    return parse_lock((project.root / "python.lock").read_bytes())


def versions(project: Project) -> dict[str, str]:
    return {each.name: each.version for each in lock(project).packages}


def written(project: Project) -> tuple[int, int, int]:
    """Returns what moves when python.lock is written; a read moves its access time alone."""
    status = (project.root / "python.lock").stat()
    return status.st_ino, status.st_mtime_ns, status.st_size


def test_a_lock_moves_when_it_is_told_to(project: Project, tiny: TinyIndex) -> None:
    ran = project.run("lock")
    assert (ran.code, ran.out) == (0, "python.lock: 2 packages for 1 requirements\n"), ran.err
    before = written(project)
    for name in ("tiny_a", "tiny_b", "tiny_c"):
        tiny.wheel(name, "2.0", *["tiny-c"] * (name == "tiny_a"))

    ran = project.run("lock")
    assert (ran.code, ran.err) == (0, "")
    assert written(project) == before
    assert project.run("lock", "--check").code == 0

    project.write(build(BOTH))
    ran = project.run("lock", "--check")
    assert (ran.code, "does not cover tiny-b" in ran.err) == (1, True)
    ran = project.run("lock", "--json")
    assert json.loads(ran.out) == {"file": "python.lock", "packages": 3, "images": []}
    assert "resolving for python" in ran.err
    assert versions(project) == {"tiny-a": "1.0", "tiny-b": "2.0", "tiny-c": "1.0"}

    assert project.run("lock", "--upgrade", "Tiny_A").code == 0
    assert versions(project) == {"tiny-a": "2.0", "tiny-b": "2.0", "tiny-c": "1.0"}
    ran = project.run("lock", "--upgrade", "tiny-x")
    assert (ran.code, "python.lock has no tiny-x that could be upgraded" in ran.err) == (2, True)
    assert project.run("lock", "--upgrade-all").code == 0
    assert versions(project) == {"tiny-a": "2.0", "tiny-b": "2.0", "tiny-c": "2.0"}

    project.write(build('"tiny-b"'))
    ran = project.run("lock")
    assert (ran.code, ran.err, versions(project)) == (0, "", {"tiny-b": "2.0"})


def test_systems_that_the_workspace_names_are_locked_and_serve_the_images(project: Project) -> None:
    assert project.run("lock").code == 0
    (found,) = lock(project).combinations
    older = f"python {found.python}, glibc 2.17, {found.platform}"
    other = f"python 3.13, musl 1.2, {found.platform}"
    project.write({"WORKSPACE.toml": f'{WORKSPACE}[python]\ncombinations = ["{older}", "{other}"]\n'})
    ran = project.run("lock", "--check")
    assert (ran.code, older in ran.err, other in ran.err) == (1, True, True)
    assert project.run("lock").code == 0
    assert {str(each) for each in lock(project).combinations} == {older, other}
    assert {each.combinations for each in lock(project).packages} == {()}
    assert project.run("hash", "//...").code == 0
    project.write({"WORKSPACE.toml": f'{WORKSPACE}[python]\ncombinations = ["python 2"]\n'})
    ran = project.run("lock")
    assert (ran.code, "error: WORKSPACE.toml: 'python 2' does not say for which" in ran.err) == (2, True)


def test_pins_of_another_tool_are_taken_over(project: Project, tiny: TinyIndex) -> None:
    assert project.run("lock").code == 0
    for name in ("tiny_a", "tiny_c"):
        tiny.wheel(name, "2.0", *["tiny-c"] * (name == "tiny_a"))
    wheel = (tiny.directory / "tiny_a-2.0-py3-none-any.whl").read_bytes()
    good, bad = hashlib.sha256(wheel).hexdigest(), "0" * 64
    pins = f"-e .\ntiny-a==2.0 --hash=sha256:{good}\ntiny-unused==7\n"
    project.write({"requirements.txt": pins})
    ran = project.run("lock", "--from", "requirements.txt")
    assert ran.code == 0, ran.err
    assert versions(project) == {"tiny-a": "2.0", "tiny-c": "2.0"}
    assert "requirements.txt:1: left aside" in ran.err
    assert "requirements.txt does not pin tiny-c\n" in ran.err

    data = (project.root / "python.lock").read_bytes()
    for text, message in (
        (pins.replace(good, bad), "has tiny_a-2.0-py3-none-any.whl with a sha256 that"),
        ("tiny-c==3.0\n", "requirements.txt pins tiny-c==3.0, which cannot be kept for python"),
        ("tiny-c=3.0\n", "requirements.txt:1: 'tiny-c=3.0' is not a requirement"),
    ):
        project.write({"requirements.txt": text})
        ran = project.run("lock", "--from", "requirements.txt")
        assert (ran.code, message in ran.err) == (2, True), ran.err
    ran = project.run("lock", "--from", "none.txt")
    assert (ran.code, "none.txt: No such file" in ran.err) == (2, True)
    assert (project.root / "python.lock").read_bytes() == data


def test_a_lock_that_cannot_be_read_is_written_anew_only_when_that_is_wanted(project: Project) -> None:
    project.write({"python.lock": "version = 1\n<<<<<<< ours\n"})
    ran = project.run("lock")
    assert ran.code == 2
    assert "error: python.lock:2" in ran.err
    assert "lambdabuild lock --upgrade-all" in ran.err
    assert project.run("lock", "--upgrade-all").code == 0
    assert versions(project) == {"tiny-a": "1.0", "tiny-c": "1.0"}


@pytest.mark.parametrize(
    "flags", [["--check", "--upgrade-all"], ["--check", "--from", "x"], ["--upgrade", "a", "--from", "x"]]
)
def test_flags_that_make_no_sense_together_are_refused(project: Project, flags: list[str]) -> None:
    ran = project.run("lock", *flags)
    assert (ran.code, "--check, --upgrade and --from exclude one another" in ran.err) == (2, True)
