"""A build backend makes a wheel, or an error says what it did instead."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.oci.tar import MTIME
from lambdabuild.python.pep517.hooks import Project, build_wheel
from tests.python.building import environment, in_tree
from tests.python.faulty_index import never
from tests.python.test_build_process import PARENT, Stop, has_ended


def build(project: Project, check: Callable[[], None] = never) -> Path:
    return build_wheel(project, environment(), project.source.parent / "scratch", check)


def failure(directory: Path, more: str) -> ActionFailed:
    """Returns the error of a project whose backend has `more` after what makes a wheel."""
    with pytest.raises(ActionFailed) as caught:
        build(in_tree(directory / "project", more))
    assert caught.value.hint
    return caught.value


def hook(*lines: str, name: str = "build_wheel(directory, *others)") -> str:
    return f"def {name}:\n" + "".join(f"    {line}\n" for line in lines)


def test_a_backend_of_the_project_itself_makes_a_wheel(tmp_path: Path) -> None:
    wheel = build(in_tree(tmp_path / "project"))
    assert wheel.name == "receipt_dynamo-0.1.0-py3-none-any.whl"
    assert "receipt_dynamo/__init__.py" in zipfile.ZipFile(wheel).namelist()


def test_a_backend_sees_the_fixed_variables_and_none_of_the_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "CC", "CFLAGS", "PIP_INDEX_URL"):
        monkeypatch.setenv(name, "/somewhere")
    lines = [
        "import json",
        "json.dump(dict(os.environ), open('seen.json', 'w'))",
        "write(directory + '/' + NAME)",
    ]
    project = in_tree(tmp_path / "project", hook(*lines, "return NAME"))
    build(replace(project, variables={"SETUPTOOLS_SCM_PRETEND_VERSION": "1.2", "HOME": "/home/me"}))
    seen = json.loads((tmp_path / "project" / "seen.json").read_text())
    kept = environment()
    ours = {name: value for name, value in seen.items() if not name.startswith("_PYPROJECT_HOOKS")}
    assert ours == {
        "HOME": str(tmp_path / "scratch" / "home"),
        "LC_ALL": "C.UTF-8",
        "PATH": ":".join([*map(str, kept.path), os.defpath]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONNOUSERSITE": "1",
        "SETUPTOOLS_SCM_PRETEND_VERSION": "1.2",
        "SOURCE_DATE_EPOCH": str(MTIME),
        "TMPDIR": str(tmp_path / "scratch" / "tmp"),
        "TZ": "UTC",
    }


def test_what_a_backend_prints_is_not_shown_when_it_succeeds(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    lines = [
        "import warnings",
        "warnings.warn('deprecated')",
        "print('hello')",
        "write(directory + '/' + NAME)",
    ]
    build(in_tree(tmp_path / "project", hook(*lines, "return NAME")))
    assert capfd.readouterr() == ("", "")


def test_an_exception_of_the_backend_is_shown_by_its_last_lines(tmp_path: Path) -> None:
    error = failure(tmp_path, hook(r"raise ValueError('\x1b[31mnot \x07 today')"))
    assert error.message == "own could not build the wheel of receipt-dynamo"
    assert error.details[-1] == "ValueError: not \\x07 today"


def test_a_file_that_the_backend_misses_is_named(tmp_path: Path) -> None:
    error = failure(tmp_path, hook("open('README.md')"))
    assert error.message == "receipt-dynamo needs README.md to be built, and its sources do not have it"


def test_what_a_backend_prints_before_it_exits_is_shown(tmp_path: Path) -> None:
    error = failure(tmp_path, hook("print('cannot go on')", "sys.exit(3)"))
    assert error.message == "own could not build the wheel of receipt-dynamo"
    assert error.details[-1] == "cannot go on"


@pytest.mark.parametrize("code", [0, 1])
def test_a_backend_that_ends_without_an_answer_is_an_error(code: int, tmp_path: Path) -> None:
    error = failure(tmp_path, hook("print('bye', flush=True)", f"os._exit({code})"))
    what = "could not build the wheel of" if code else "ended before it gave an answer, for"
    assert error.message == f"own {what} receipt-dynamo"
    assert error.details == ("bye",)


def test_a_backend_that_crashes_is_an_error(tmp_path: Path) -> None:
    error = failure(tmp_path, hook("os.kill(os.getpid(), 11)"))
    assert error.message == "own was killed by signal 11, for receipt-dynamo"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_backend_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    started = tmp_path / "started"
    lines = PARENT.format(end="time.sleep(600)").replace("sys.argv[1]", repr(str(started))).splitlines()

    def check() -> None:
        if started.exists():
            raise Stop

    with pytest.raises(Stop):
        build(in_tree(tmp_path / "project", hook("import time", *lines)), check)
    assert has_ended(int(started.read_text()))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("'../' + NAME", "which is no file name"),
        ("os.path.join(directory, NAME)", "which is no file name"),
        ("'..'", "which is no file name"),
        ("''", "which is no file name"),
        ("None", "which is no file name"),
        ("['x']", "which is no file name"),
        ("'absent.whl'", "and did not"),
    ],
)
def test_a_name_that_is_not_that_of_a_file_it_made_is_refused(name: str, said: str, tmp_path: Path) -> None:
    error = failure(tmp_path, hook("write(directory + '/../' + NAME)", f"return {name}"))
    assert error.message.startswith("own says that it made ")
    assert said in error.message


def test_a_link_to_somewhere_else_is_not_a_wheel(tmp_path: Path) -> None:
    error = failure(tmp_path, hook("os.symlink('/etc/passwd', directory + '/' + NAME)", "return NAME"))
    assert "and did not" in error.message


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("wheel>=0.3", "asks for wheel>=0.3 as well"),
        ("hatchling", "asks for hatchling as well"),
        ("not a requirement", "asks for 'not a requirement', which is no requirement"),
    ],
)
def test_what_a_backend_wants_beyond_its_environment_is_an_error(
    requirement: str, said: str, tmp_path: Path
) -> None:
    wanted = hook(f"return [{requirement!r}]", name="get_requires_for_build_wheel(settings=None)")
    error = failure(tmp_path, wanted)
    assert said in error.message
    assert "receipt-dynamo" in error.message


def test_what_a_backend_wants_and_has_is_fine(tmp_path: Path) -> None:
    kept = replace(environment(), packages=(("wheel", "0.45"),))
    wanted = "['wheel>=0.3', 'Wheel', 'pywin32; sys_platform == \"win32\"']"
    project = in_tree(
        tmp_path / "project", hook(f"return {wanted}", name="get_requires_for_build_wheel(settings=None)")
    )
    assert build_wheel(project, kept, tmp_path / "scratch", never).is_file()
    older = replace(kept, packages=(("wheel", "0.2"),))
    with pytest.raises(ActionFailed) as caught:
        build_wheel(project, older, tmp_path / "scratch", never)
    assert caught.value.message == "own asks for wheel>=0.3 as well, to build receipt-dynamo"
    assert caught.value.hint == "add it to [build-system] requires in pyproject.toml, then: lambdabuild lock"


def test_a_backend_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(
        ActionFailed, match=r"^hatchling\.build cannot be imported, and is to build receipt-dynamo"
    ):
        build(replace(in_tree(tmp_path / "project"), backend="hatchling.build", backend_path=()))


def test_a_backend_without_the_hook_is_an_error(tmp_path: Path) -> None:
    error = failure(tmp_path, "del build_wheel\n")
    assert error.message == "own could not build the wheel of receipt-dynamo"
    assert error.details[-1] == "AttributeError: module 'own' has no attribute 'build_wheel'"


@pytest.mark.parametrize("path", ["../elsewhere", "/elsewhere"])
def test_a_backend_path_outside_the_project_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        build(replace(in_tree(tmp_path / "project"), backend_path=(path,)))
    assert caught.value.message.startswith("the backend-path of receipt-dynamo cannot be used: ")


def test_nothing_is_left_in_the_temporary_directory_of_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    build(in_tree(tmp_path / "project"))
    (tmp_path / "other").mkdir()
    failure(tmp_path / "other", hook("raise ValueError"))
    assert list(temporary.iterdir()) == []
