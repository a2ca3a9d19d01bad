"""Whatever an answer stands on is edited, and however: Dockerfiles, locks, packages, rules, settings, links."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from tests.dockerfile.targets import DOCKERFILE, TARGET, WORKSPACE
from tests.dockerfile.targets import FILES as DOCKERFILES
from tests.dockerfile.targets import lock as lock_images
from tests.packages import base, lock, package
from tests.project import Project
from tests.property.asking import Answer, Asking

RULE = """
def _r(ctx):
    return [DefaultInfo(files = {{"{name}": ctx.actions.write("{name}", ctx.attr.text)}})]

r = rule(implementation = _r, attrs = {{"text": attr.string()}})
"""
TOP = """
load("//rules:r.bzl", "r")
r(name = "written", text = "{value}")
files(name = "by_hand", srcs = glob(["text/**"], allow_empty = True), tags = [{tag}])
python_requirements(name = "third", requirements = ["six"])
lambda_image(name = "image", base = "//python:base", packages = ["//libs/low", ":third"])
"""
PYPROJECT = package("libs/low")["libs/low/pyproject.toml"]


def _locked(version: str) -> bytes:
    return lock({f"six {version}": []}, ["six"])


VARIANTS: dict[str, list[str | bytes]] = {
    "BUILD": [TOP.format(value=value, tag=tag) for value in "12" for tag in ("", '"manual"')],
    "rules/r.bzl": [RULE.format(name=name) for name in ("a", "b")],
    "WORKSPACE.toml": [WORKSPACE, WORKSPACE.replace("ONE", "UNO"), WORKSPACE.replace("amd64", "arm64")],
    "python.lock": [_locked("1.16"), _locked("1.17")],
    "libs/low/pyproject.toml": [PYPROJECT, PYPROJECT.replace("1.0", "2.0"), PYPROJECT.replace("low", "mid")],
    "libs/low/low/__init__.py": ["", "NAME = 1\n"],
    "libs/low/BUILD": [package("libs/low")["libs/low/BUILD"], "\n" + package("libs/low")["libs/low/BUILD"]],
    "app/BUILD": [TARGET.format(more=""), TARGET.format(more='tags = ["manual"],')],
    "app/Dockerfile": [DOCKERFILE, DOCKERFILE + "COPY lib/*.txt none[x] ./\n", DOCKERFILE + "RUN y\n"],
    "app/app.py": ["A = 1\n", "A = 2\n"],
    "lib/a/b.txt": ["b\n", "c\n"],
    "lib/a/more.txt": ["", "b\n"],
    "text/deep/x.txt": ["1", "2"],
    "none/x": [""],
    "lib/BUILD.lambda": ['files(name = "files", srcs = [])\n'],
    "two": ["a secret", "another"],
}
EXTRA = frozenset({"lib/a/more.txt", "none/x", "lib/BUILD.lambda", "two"})
PATHS = st.sampled_from(sorted(VARIANTS))
QUESTIONS = st.sampled_from(
    [
        ("hash", "//..."),
        ("hash", "//...", "--json"),
        ("hash", "//app:app", "//:by_hand"),
        ("query", "deps(//...)"),
        ("query", "//...", "--output", "json"),
        ("build", "//:written", "//lib:files"),
        ("build", "//:written", "--json"),
    ]
)


class Everything(Asking):
    """Edits what an answer stands on, and asks again and again."""

    @initialize()
    def start(self) -> None:
        self.directory = Path(tempfile.mkdtemp())
        self.warm = Project(self.directory / "w", self.directory / "warm" / "lambdabuild", DOCKERFILES)
        lock_images(self.warm)
        self.warm.write({path: contents[0] for path, contents in VARIANTS.items() if path not in EXTRA})
        self.warm.write({**package("libs/low"), "python/BUILD": base("base"), "rules/BUILD": ""})
        self.question: tuple[str, ...] = ("hash", "//...")

    def _content(self, path: str, number: int) -> bytes:
        contents = VARIANTS[path]
        content = contents[number % len(contents)]
        return content.encode() if isinstance(content, str) else content

    @rule(path=PATHS, number=st.integers(0, 3), keeps_times=st.booleans())
    def write(self, path: str, number: int, keeps_times: bool) -> None:
        place = self.warm.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        before = place.stat() if place.exists() else None
        place.write_bytes(self._content(path, number))
        if before and keeps_times:
            os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))

    @rule(path=PATHS, number=st.integers(0, 3))
    def replace(self, path: str, number: int) -> None:
        place = self.warm.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        new = place.with_name(".new")
        new.write_bytes(self._content(path, number))
        if place.exists():
            shutil.copystat(place, new)
        new.replace(place)

    @rule(path=PATHS, depth=st.integers(1, 2))
    def put_behind_links(self, path: str, depth: int) -> None:
        """Moves a file to another directory, and leaves a link to it, or a link to a link."""
        place = self.warm.root / path
        if place.is_symlink() or not place.exists():
            return
        shared = self.warm.root / "shared"
        shared.mkdir(exist_ok=True)
        flat = path.replace("/", "_")
        place.replace(shared / flat)
        for number in range(1, depth):
            (shared / f"link_{number}_{flat}").unlink(missing_ok=True)
            (shared / f"link_{number}_{flat}").symlink_to(flat)
        place.symlink_to(shared / (flat if depth == 1 else f"link_1_{flat}"))

    @rule(path=PATHS, up=st.integers(0, 2))
    def delete(self, path: str, up: int) -> None:
        place = self.warm.root / path
        if path.count("/") < up or up == 0:
            place.unlink(missing_ok=True)
        else:
            shutil.rmtree(place.parents[up - 1], ignore_errors=True)

    @rule(python=st.sampled_from(["", "x"]), uv=st.sampled_from(["", "y"]))
    def pin_other_images(self, python: str, uv: str) -> None:
        lock_images(self.warm, python=python, uv=uv)

    @rule(path=PATHS, executable=st.booleans())
    def chmod(self, path: str, executable: bool) -> None:
        if (place := self.warm.root / path).exists():
            place.chmod(0o755 if executable else 0o644)

    @rule(path=st.sampled_from(["lib/a", "app", "libs/low", "text"]))
    def exchange_a_directory(self, path: str) -> None:
        """Puts a copy in the directory's place, of which one file is another."""
        place, copy = self.warm.root / path, self.directory / "copy"
        if not place.is_dir():
            return
        shutil.copytree(place, copy, symlinks=True)
        for file in sorted(copy.rglob("*.txt"))[:1]:
            file.write_text("exchanged")
        shutil.rmtree(place)
        copy.rename(place)

    @rule()
    def lose_the_store(self) -> None:
        for kind in ("cas", "ac"):
            shutil.rmtree(self.warm.cache / kind, ignore_errors=True)

    @rule()
    def clean(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.warm.run("clean")

    @rule(question=QUESTIONS)
    def ask_something_else(self, question: tuple[str, ...]) -> None:
        self.question = question

    def told(self, answer: Answer) -> Answer:
        """Returns an answer without what tells builds from no-ops in a report as JSON."""
        code, out, err = answer
        marks = ('"status": "', '"seconds": ', '"built": ', '"cached": ')
        return code, [line for line in out if not line.startswith(marks)], err


TestEverything = Everything.TestCase
TestEverything.settings = settings(
    settings.get_profile("default"),
    max_examples=max(1, settings().max_examples // 20),
    stateful_step_count=10,
)
