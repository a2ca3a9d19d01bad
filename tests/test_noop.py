"""The answer of last time, and all that keeps it from being given again."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdabuild import __version__, noop
from lambdabuild.clock import TICK
from tests.project import Project, Ran

BUILD = """
files(name = "lib", srcs = glob(["lib/**/*.py"]), dest = "opt/python")
base_image(name = "base", base = "scratch", srcs = [":lib"])
lambda_image(name = "app", base = ":base", srcs = ["handler.py", "link.json"], handler = "handler.main")
"""
FILES = {
    "BUILD": BUILD,
    "lib/a.py": "A = 1\n",
    "lib/sub/b.py": "B = 1\n",
    "handler.py": "def main(event, context):\n    return 1\n",
    "data/real.json": "{}",
    "other/beside.txt": "nobody asks for this",
}
IMPORTED = {"__future__", "_struct", "binascii", "errno", "lambdabuild", "struct"} | {
    f"lambdabuild.{name}" for name in ("cli", "noop", "state")
}
QUESTIONS = [["build", "//..."], ["hash", "//..."], ["query", "deps(//:app)"], ["build", "//...", "--json"]]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    (made.root / "link.json").symlink_to("data/real.json")
    return made


def rest() -> None:
    """Waits until what changes now gets another time than what changed before."""
    time.sleep(3 * TICK / 1e9)


def ask_again(project: Project, *arguments: str, start: str = ".") -> Ran | None:
    """Returns the answer of last time, or None where it does not hold."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(project.environment())
        stack.enter_context(contextlib.chdir(start))
        stack.enter_context(contextlib.redirect_stdout(streams[0]))
        stack.enter_context(contextlib.redirect_stderr(streams[1]))
        code = noop.answer(arguments, time.monotonic())
    if not isinstance(code, int):
        return None
    out, err = (stream.buffer.getvalue().decode() for stream in streams)
    return Ran(code, out, err)


def settle(project: Project, *arguments: str) -> Ran:
    """Asks until the answer holds; returns it as those give it who work it out."""
    for _ in range(3):
        rest()
        ran = project.run(*arguments)
        assert ran.code == 0, ran.err
    assert ask_again(project, *arguments)
    return ran


def timeless(text: str) -> str:
    """Returns an answer without the time that it took."""
    lines = [line for line in text.splitlines() if '"seconds"' not in line]
    return "\n".join(line.partition(" in ")[0] for line in lines)


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_an_answer_that_holds_is_told_as_it_would_be_worked_out(
    project: Project, question: list[str]
) -> None:
    worked_out = settle(project, *question)
    again = ask_again(project, *question)
    assert again is not None
    assert (again.code, timeless(again.out), timeless(again.err)) == (
        worked_out.code,
        timeless(worked_out.out),
        timeless(worked_out.err),
    )


def replaced(path: Path, content: str) -> None:
    """Writes as editors do that put a new file in the old one's place, with the old one's times."""
    status = path.stat()
    new = path.with_name(".new")
    new.write_text(content)
    os.utime(new, ns=(status.st_atime_ns, status.st_mtime_ns))
    new.replace(path)


def rewritten(path: Path, content: str) -> None:
    """Writes in place, and sets the times back."""
    status = path.stat()
    path.write_text(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def relinked(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def moved_away(directory: Path, to: Path) -> None:
    """Moves a directory out of the workspace, and leaves a link to it."""
    directory.rename(to)
    directory.symlink_to(to)


EDITS: dict[str, Callable[[Path], object]] = {
    "a source": lambda root: (root / "lib/a.py").write_text("A = 2\n"),
    "a source, with its times": lambda root: rewritten(root / "lib/a.py", "A = 2\n"),
    "a source, by another file": lambda root: replaced(root / "lib/a.py", "A = 2\n"),
    "what a link leads to": lambda root: (root / "data/real.json").write_text("[]"),
    "a link": lambda root: relinked(root / "link.json", "handler.py"),
    "a file that a glob finds": lambda root: (root / "lib/sub/c.py").write_text(""),
    "a directory for a glob": lambda root: (root / "lib/new").mkdir(),
    "a missing source": lambda root: (root / "handler.py").unlink(),
    "a mode": lambda root: (root / "handler.py").chmod(0o755),
    "a BUILD file": lambda root: (root / "BUILD").write_text(BUILD + "\n"),
    "a new package": lambda root: (root / "other/BUILD").write_text(""),
    "a BUILD file that comes first": lambda root: (root / "BUILD.lambda").write_text(BUILD),
    "WORKSPACE.toml": lambda root: (root / "WORKSPACE.toml").write_text('[workspace]\nname = "x"\n'),
    "a directory behind a link": lambda root: moved_away(root / "data", root.parent / "data"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("question", QUESTIONS[:2], ids=" ".join)
def test_an_answer_holds_no_longer_after_an_edit_of(
    project: Project, question: list[str], edit: Callable[[Path], object]
) -> None:
    settle(project, *question)
    rest()
    edit(project.root)
    assert ask_again(project, *question) is None


LOSSES: dict[str, Callable[[Project], object]] = {
    "an output": lambda project: (project.root / "lambdabuild-out/app/index.json").unlink(),
    "a blob": lambda project: next((project.cache / "cas").glob("*/*")).unlink(),
    "a result": lambda project: next((project.cache / "ac").glob("*/*")).unlink(),
    "the mark for git": lambda project: (project.root / "lambdabuild-out/.gitignore").unlink(),
}


@pytest.mark.parametrize("lose", LOSSES.values(), ids=LOSSES)
def test_a_build_is_done_again_after_the_loss_of(project: Project, lose: Callable[[Project], object]) -> None:
    settle(project, "build", "//...")
    rest()
    lose(project)
    assert ask_again(project, "build", "//...") is None


def test_files_that_nobody_asked_for_may_change(project: Project) -> None:
    settle(project, "build", "//...")
    (project.root / "other/beside.txt").write_text("something else")
    assert ask_again(project, "build", "//...")


def test_another_question_has_no_answer_yet(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(project, "build", "//...")
    assert ask_again(project, "build", "//:all") is None
    assert ask_again(project, "build", "//...", start="lib") is None
    monkeypatch.setenv("LAMBDABUILD_WORKSPACE_PLATFORMS", "linux/arm64")
    assert ask_again(project, "build", "//...") is None


def test_a_workspace_that_appears_nearer_is_another_one(project: Project) -> None:
    with project.environment():
        settle(project, "hash", "//...", "-C", "other")
    (project.root / "other/WORKSPACE.toml").write_text("[workspace]\n")
    assert ask_again(project, "hash", "//...", "-C", "other") is None


def test_a_failure_is_not_kept(project: Project) -> None:
    (project.root / "lib/BUILD").write_text("files(name = 1)\n")
    for _ in range(3):
        rest()
        assert project.run("build", "-k", "//...").code == 2
    assert ask_again(project, "build", "-k", "//...") is None


def test_what_changed_just_now_is_looked_at_once_more(project: Project) -> None:
    settle(project, "hash", "//...")
    rest()
    (project.root / "lib/a.py").write_text("A = 3\n")
    with project.environment():
        project.run("hash", "//...")  # begins in the same tick, perhaps: what is kept must not be believed
    rewritten(project.root / "lib/a.py", "A = 4\n")
    answer = ask_again(project, "hash", "//...")
    assert answer is None or answer.out == project.run("hash", "//...").out


def started(*arguments: str) -> tuple[str, set[str]]:
    """Returns what a start prints that ends without working anything out, and the modules it imports."""
    code = f"""
import os, sys
before = set(sys.modules)
from lambdabuild import cli
os._exit = lambda code: sys.exit(0)
try:
    cli.main({list(arguments)})
finally:
    print(*sorted(set(sys.modules) - before), file=sys.stderr)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ran.stdout, set(ran.stderr.splitlines()[-1].split())


def test_a_no_op_imports_next_to_nothing(project: Project) -> None:
    settle(project, "build", "//...")
    with project.environment():
        # The environment is part of the question, and so is the interpreter, which are those of settle().
        out, imported = started("build", "//...")
    assert "cached" in out
    assert imported <= IMPORTED


def test_the_version_is_told_without_so_much_as_a_no_op_imports() -> None:
    out, imported = started("--version")
    assert out == f"lambdabuild {__version__}\n"
    assert imported <= {"__future__", "errno", "lambdabuild", "lambdabuild.cli"}
