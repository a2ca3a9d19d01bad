"""Whatever is edited, and however: answers are those of somebody who has never asked before."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.project import Project
from tests.property.asking import Asking

NAMES = st.sampled_from(["a.py", "b.py", "sub/c.py", "sub/d.txt"])
PLACES = st.sampled_from(["lib", "one"])
CONTENTS = st.sampled_from(["", "x = 1\n", "x = 2\n", "x = 3\n", "y" * 5000])
BUILD = """
print("evaluated")
files(name = "files", srcs = glob(["**/*.py"], allow_empty = True), dest = "opt/{value}")
"""
TOP = """
base_image(name = "base", base = "scratch", srcs = ["//lib:files"], env = {{"V": "{value}"}})
lambda_image(name = "one", base = ":base", srcs = glob(["more/**"], allow_empty = True))
lambda_image(name = "two", base = ":base", srcs = {{"two.py": "handler.py"}}, handler = "handler.main")
"""
QUESTIONS = st.sampled_from([("hash", "//..."), ("build", "//..."), ("query", "deps(//...)")])
GIT = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost"]


class Answers(Asking):
    """Edits a workspace in all the ways that there are, and asks again and again."""

    @initialize()
    def start(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.root = self.directory / "w"
        self.warm = Project(self.root, self.directory / "warm" / "lambdabuild")
        self.warm.write({"two.py": "def main(e, c): pass\n", "lib/a.py": "x = 1\n", "one/a.py": ""})
        self.warm.write({f"{name}/BUILD": BUILD.format(value=name) for name in ("lib", "one")})
        self.warm.write({"BUILD": TOP.format(value="1"), ".gitignore": "lambdabuild-out\n"})
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "first"]):
            subprocess.run([*GIT, *command], cwd=self.root, check=True)
        self.question: tuple[str, ...] = ("hash", "//...")

    def _file(self, place: str, name: str) -> Path:
        path = self.root / place / name
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @rule(place=PLACES, name=NAMES, content=CONTENTS, keeps_times=st.booleans())
    def write(self, place: str, name: str, content: str, keeps_times: bool) -> None:
        path = self._file(place, name)
        before = path.stat() if path.exists() else None
        path.write_text(content)
        if before and keeps_times:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(place=PLACES, name=NAMES, content=CONTENTS)
    def replace_as_editors_do(self, place: str, name: str, content: str) -> None:
        path = self._file(place, name)
        new = path.with_name("4913~")
        new.write_text(content)
        if path.exists():
            shutil.copystat(path, new)
        new.replace(path)

    @rule(source=NAMES, to=NAMES, moves=st.booleans())
    def copy_or_move(self, source: str, to: str, moves: bool) -> None:
        old, new = self._file("lib", source), self._file("one", to)
        if old.exists() and not new.is_dir():
            if moves:
                old.replace(new)
            elif not (new.exists() and new.samefile(old)):
                shutil.copy2(old, new)  # cp -p

    @rule(place=PLACES, name=NAMES, seconds=st.sampled_from([0, 1_000_000_000, 4_000_000_000]))
    def touch(self, place: str, name: str, seconds: int) -> None:
        if (path := self._file(place, name)).exists():
            os.utime(path, (seconds, seconds))

    @rule(name=NAMES, executable=st.booleans())
    def chmod(self, name: str, executable: bool) -> None:
        if (path := self._file("lib", name)).exists():
            path.chmod(0o755 if executable else 0o644)

    @rule(place=PLACES, name=NAMES)
    def delete(self, place: str, name: str) -> None:
        self._file(place, name).unlink(missing_ok=True)

    @rule(name=NAMES)
    def link(self, name: str) -> None:
        path = self._file("one", name)
        path.unlink(missing_ok=True)
        path.symlink_to(self.root / "two.py")

    @rule(content=st.sampled_from(["def main(e, c): pass\n", "def main(e, c): 1234\n"]))
    def edit_what_links_lead_to(self, content: str) -> None:
        (self.root / "two.py").write_text(content)

    @rule(away=st.booleans())
    def put_a_link_in_a_directorys_place(self, away: bool) -> None:
        place, link = self.root / "lib/sub", self.root / "moved"
        if place.is_symlink():
            place.unlink()
            link.rename(place)
        elif away and place.is_dir():
            place.rename(link)
            place.symlink_to(link)

    @rule(place=st.sampled_from(["", "lib/", "one/", "lib/sub/"]), value=st.sampled_from(["1", "2"]))
    def edit_a_build_file(self, place: str, value: str) -> None:
        text = (BUILD if place else TOP).format(value=value)
        with contextlib.suppress(OSError):
            self.warm.write({f"{place}BUILD": text})

    @rule()
    def git_checkout(self) -> None:
        subprocess.run([*GIT, "checkout", "-qf", "HEAD", "."], cwd=self.root, check=True)

    @rule(number=st.integers(0, 3))
    def lose_parts_of_the_store(self, number: int) -> None:
        for kind in ("cas", "ac"):
            for path in sorted((self.warm.cache / kind).glob("*/*"))[number::4]:
                path.unlink()

    @rule()
    def remove_the_outputs(self) -> None:
        shutil.rmtree(self.root / "lambdabuild-out", ignore_errors=True)

    @rule(keep=st.integers(0, 300))
    def tear_the_state(self, keep: int) -> None:
        for path in (self.warm.cache / "state").glob("*"):
            path.write_bytes(path.read_bytes()[: -keep or None])

    @rule(question=QUESTIONS)
    def ask_something_else(self, question: tuple[str, ...]) -> None:
        self.question = question

    def left(self) -> dict[Path, bytes]:
        """Returns what the last build left behind; nothing after another question."""
        if self.question[0] != "build":
            return {}
        out = self.root / "lambdabuild-out"
        return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


TestAnswers = Answers.TestCase
TestAnswers.settings = settings(
    settings.get_profile("default"),
    max_examples=max(1, settings().max_examples // 10),
    stateful_step_count=12,
)
