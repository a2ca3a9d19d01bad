"""Which change moves which hash: of that target and its dependents, and of nothing else."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdabuild.tools import KINDS
from tests.project import Project

FILES = {
    "lib/BUILD": 'files(name = "lib", srcs = glob(["**/*.py"]), dest = "opt/python", strip_prefix = "lib")\n',
    "lib/a.py": "A = 1\n",
    "lib/test_a.txt": "not a source\n",
    "lib/secret.py": "hidden = 1\n",
    "base/BUILD": 'base_image(name = "base", base = "scratch", srcs = ["//lib"], env = {"A": "1"})\n',
    "rules/BUILD": "",
    "rules/text.bzl": (
        'load("@lambdabuild//rules:files.bzl", "FilesInfo")\n\n'
        "def _text(ctx):\n"
        '    file = ctx.actions.write("text", ctx.attr.content)\n'
        '    places = {"opt/text": file}\n'
        "    layer = ctx.actions.layer(places)\n"
        "    return [DefaultInfo(files = places), FilesInfo(places = places, layer = layer)]\n\n"
        'text = rule(implementation = _text, attrs = {"content": attr.string()})\n'
    ),
    "one/BUILD": (
        'load("//rules:text.bzl", "text")\n\n'
        'text(name = "text", content = "hello")\n\n'
        'lambda_image(name = "one", base = "//base", srcs = ["handler.py", ":text"], '
        'handler = "handler.main")\n'
    ),
    "one/handler.py": "def main(event, context): pass\n",
    "two/BUILD": 'lambda_image(name = "two", base = "//base", srcs = ["handler.py", "//data:link"])\n',
    "two/handler.py": "def main(event, context): pass\n",
    "data/BUILD": "",
    "data/target": "linked\n",
    "data/other": "other\n",
    "alone/BUILD": 'lambda_image(name = "alone", base = "scratch", srcs = {"handler.py": "x.py"})\n',
    "alone/handler.py": "def main(event, context): pass\n",
}
ON_BASE = {"//base", "//one", "//two"}
EVERYTHING = {"//lib", *ON_BASE, "//one:text", "//alone"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    (project.root / "data/link").symlink_to("target")
    return project


def edit(path: str, old: str, new: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        text = (project.root / path).read_text()
        assert old in text
        project.write({path: text.replace(old, new)})

    return change


def rename(path: str, to: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        (project.root / path).rename(project.root / to)

    return change


def relink(path: str, target: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        (project.root / path).unlink()
        (project.root / path).symlink_to(target)

    return change


def touch(project: Project) -> None:
    for path in project.root.rglob("*"):
        os.utime(path, (time.time() - 10_000, 1_000_000), follow_symlinks=False)


CHANGES = {
    "bytes of a file in a layer": (edit("lib/a.py", "1", "2"), {"//lib", *ON_BASE}),
    "name of a file in a layer": (rename("lib/a.py", "lib/b.py"), {"//lib", *ON_BASE}),
    "executable bit": (lambda p: (p.root / "lib/a.py").chmod(0o755), {"//lib", *ON_BASE}),
    "a file that a glob finds": (lambda p: p.write({"lib/new.py": ""}), {"//lib", *ON_BASE}),
    "a file that a glob loses": (lambda p: (p.root / "lib/secret.py").unlink(), {"//lib", *ON_BASE}),
    "bytes of one handler": (edit("one/handler.py", "pass", "return 1"), {"//one"}),
    "what a link leads to": (relink("data/link", "other"), {"//two"}),
    "bytes behind a link": (edit("data/target", "linked", "changed"), {"//two"}),
    "a place": (edit("alone/BUILD", "x.py", "y.py"), {"//alone"}),
    "a destination": (edit("lib/BUILD", "opt/python", "opt/lib"), {"//lib", *ON_BASE}),
    "an attribute of the base": (edit("base/BUILD", '"A": "1"', '"A": "2"'), ON_BASE),
    "which base": (edit("two/BUILD", '"//base"', '"scratch"'), {"//two"}),
    "a handler's name": (edit("one/BUILD", "handler.main", "handler.other"), {"//one"}),
    "what a rule of the workspace is given": (edit("one/BUILD", "hello", "bye"), {"//one", "//one:text"}),
    "what a rule of the workspace declares": (
        edit("rules/text.bzl", '"opt/text"', '"opt/words"'),
        {"//one", "//one:text"},
    ),
    "times": (touch, set()),
    "a file that no target names": (edit("lib/test_a.txt", "not", "never"), set()),
    "a file that links could lead to": (edit("data/other", "other", "changed"), set()),
    "the text of a rule that declares the same": (
        edit("rules/text.bzl", "def _text", "# why\ndef _text"),
        set(),
    ),
    "a comment in a BUILD file": (edit("base/BUILD", "base_image", "# why\nbase_image"), set()),
    "who may see a target": (
        edit("lib/BUILD", "name = ", 'visibility = ["//base:__pkg__"], name = '),
        set(),
    ),
    "permissions of group and others": (lambda p: (p.root / "lib/a.py").chmod(0o600), set()),
    "the workspace's name": (edit("WORKSPACE.toml", '"test"', '"other"'), set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_moves_the_hashes_of_that_target_and_its_dependents_and_no_others(
    project: Project, name: str
) -> None:
    change, expected = CHANGES[name]
    before = project.hashes()
    assert before.keys() == EVERYTHING
    change(project)
    after = project.hashes()
    assert {label for label in before if before[label] != after[label]} == expected


@pytest.mark.parametrize(
    ("tool", "expected"),
    [
        ("layer", {*ON_BASE, "//alone"}),
        ("image", {*ON_BASE, "//alone"}),
        # What a `files` target puts out is its sources, which no tool has made.
        ("write", {"//one:text", "//one"}),
    ],
)
def test_a_tools_version_moves_the_hashes_of_what_it_makes(
    project: Project, tool: str, expected: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.hashes()
    kind = next(kind for kind in KINDS if kind.name == tool)
    monkeypatch.setattr(kind, "version", kind.version + 1)
    after = project.hashes()
    assert {label for label in before if before[label] != after[label]} == expected


def test_hashes_of_images_are_per_platform_and_those_of_plain_files_are_not(project: Project) -> None:
    hashes = project.hashes(platforms=("linux/amd64", "linux/arm64"))
    for label in ("//base:base", "//one:one", "//alone:alone"):
        assert hashes[f"{label} (linux/amd64)"] != hashes[f"{label} (linux/arm64)"]
    assert hashes["//lib:lib (linux/amd64)"] == hashes["//lib:lib (linux/arm64)"]


def test_hashing_runs_and_writes_nothing(project: Project) -> None:
    project.hashes()
    assert project.stored() == set()


def test_a_target_of_no_action_and_one_of_several_have_hashes(project: Project) -> None:
    graph = project.graph()
    counts = {target.label.short: len(target.actions) for target in graph.targets.values()}
    assert counts["//lib"] == 1
    assert counts["//one"] == 2
    assert project.hashes()["//lib"] != project.hashes()["//one"]
