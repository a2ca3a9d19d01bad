"""A program that is run can be stopped, with all that it started."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.python.pep517 import process
from tests.python.faulty_index import never

PARENT = """\
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open(sys.argv[1] + ".part", "w") as file:
    file.write(str(child.pid))
import os
os.rename(sys.argv[1] + ".part", sys.argv[1])
{end}
"""


class Stop(BaseException):
    """What a build raises in its tools when it is to end."""


def run(
    directory: Path,
    program: str,
    *arguments: str,
    env: Mapping[str, str] | None = None,
    check: Callable[[], None] = never,
) -> tuple[int, str]:
    """Returns the exit code of a Python program and what it printed."""
    output = directory / "output.txt"
    code = process.run(
        [sys.executable, "-c", program, *arguments], cwd=directory, env=env or {}, output=output, check=check
    )
    return code, output.read_text()


def has_ended(pid: int) -> bool:
    """Whether a process ends soon; it may be a zombie until init has looked after it."""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


def test_both_streams_and_the_exit_code_are_kept(tmp_path: Path) -> None:
    program = "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(7)"
    assert run(tmp_path, program) == (7, "one\ntwo\n")


def test_a_signal_is_a_negative_exit_code(tmp_path: Path) -> None:
    assert run(tmp_path, "import os; os.kill(os.getpid(), 9)") == (-9, "")


def test_a_program_gets_no_variable_but_those_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    program = "import os; print(sorted(os.environ.items()))"
    assert run(tmp_path, program, env={"LC_ALL": "C.UTF-8"}) == (0, "[('LC_ALL', 'C.UTF-8')]\n")


def test_a_program_reads_nothing_and_makes_files_with_one_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        ran = run(tmp_path, "import sys, os; print(repr(sys.stdin.read()), oct(os.umask(0)))")
    finally:
        os.umask(before)
    assert ran == (0, "'' 0o22\n")


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    started = tmp_path / "started"

    def check() -> None:
        if started.exists():
            raise Stop

    with pytest.raises(Stop):
        run(tmp_path, PARENT.format(end="time.sleep(600)"), str(started), check=check)
    assert has_ended(int(started.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_children_do_not_outlive_a_program_that_ends(tmp_path: Path) -> None:
    started = tmp_path / "started"
    assert run(tmp_path, PARENT.format(end=""), str(started)) == (0, "")
    assert has_ended(int(started.read_text()))


def test_a_program_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent")
    with pytest.raises(ExternalError, match=f"cannot start {absent}: No such file or directory"):
        process.run([absent], cwd=tmp_path, env={}, output=tmp_path / "output.txt", check=never)
