"""What an edited BUILD file has worked out again, and what stays as it was."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from lambdabuild import recalling, revising
from lambdabuild.evaluation import Evaluation, Question, evaluated
from lambdabuild.kept_graph import KeptGraph
from lambdabuild.revising import RevisedGraph, revise
from lambdabuild.session import Session
from lambdabuild.workspace import Workspace
from tests.packages import base, lock, package
from tests.project import Project, Ran
from tests.test_noop import ask_again, rest
from tests.test_recalling import status_of, stranger

FILES = 'files(name = "{name}", srcs = glob(["**/*.py"]), dest = "opt/{name}")\n'
IMAGE = 'lambda_image(name = "{name}", base = "{base}", srcs = ["{name}.py"], handler = "{name}.main")\n'
WORKSPACE: Mapping[str, str] = {
    "bases/BUILD": 'base_image(name = "base", base = "scratch", srcs = ["//lib", "//more"])\n'
    'base_image(name = "other", base = "scratch", srcs = ["//zz"])\n',
    "lib/BUILD": FILES.format(name="lib"),
    "lib/a.py": "A = 1\n",
    "more/BUILD": FILES.format(name="more"),
    "more/b.py": "B = 1\n",
    "zz/BUILD": FILES.format(name="zz"),
    "zz/z.py": "Z = 1\n",
    "one/BUILD": IMAGE.format(name="one", base="//bases:base"),
    "one/one.py": "def main(e, c): pass\n",
    "one/beside.py": "",
    "two/BUILD": IMAGE.format(name="two", base="//bases:base"),
    "two/two.py": "def main(e, c): pass\n",
    "apart/BUILD": FILES.format(name="apart"),
    "apart/c.py": "C = 1\n",
    "rules/BUILD": "",
    "rules/own.bzl": "def own(name):\n    native_files(name = name)\n\ndef native_files(name):\n    pass\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", dict(WORKSPACE))
    rest()
    return made


class Work:
    """What had to be evaluated: everything, and which packages were loaded where that was not so."""

    def __init__(self) -> None:
        self.whole = 0
        self.loaded: list[set[str]] = []


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    done = Work()
    whole = Session.evaluate

    def evaluate(session: Session, question: Question) -> Evaluation:
        done.whole += 1
        return whole(session, question)

    def noted(workspace: Workspace, kept: KeptGraph, packages: Collection[str]) -> RevisedGraph | None:
        loaded: list[set[str]] = []

        def noting(*given: Any) -> Evaluation:
            made = evaluated(*given)
            loaded.append(set(made.faces))
            return made

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(revising, "evaluated", noting)
            made = revise(workspace, kept, packages)
        if made is not None:
            done.loaded += loaded
        return made

    monkeypatch.setattr(Session, "evaluate", evaluate)
    monkeypatch.setattr(recalling, "revise", noted)
    return done


def edit(root: Path, path: str, *change: str) -> None:
    """Replaces the first text by the second, or appends the only one."""
    text = (root / path).read_text()
    (root / path).write_text(text.replace(*change) if len(change) == 2 else text + change[0])


ONE = {"one", "bases", "lib", "more"}
"""The packages that an image stands on."""

SMALL: Mapping[str, tuple[Callable[[Path], object], set[str]]] = {
    "an attribute": (lambda root: edit(root, "one/BUILD", "srcs", 'env = {"A": "1"}, srcs'), ONE),
    "a comment": (lambda root: edit(root, "one/BUILD", "# nothing\n"), ONE),
    "a dependency less": (
        lambda root: edit(root, "bases/BUILD", '"//lib", "//more"', '"//lib"'),
        {"bases", "lib", "zz", "one", "two"},
    ),
    "a dependency that comes later": (
        lambda root: edit(root, "one/BUILD", ":base", ":other"),
        {"one", "bases", "zz"},
    ),
    "a source more": (lambda root: edit(root, "one/BUILD", '["one.py"', '["one.py", "beside.py"'), ONE),
    "a file for a glob": (lambda root: (root / "apart/sub.py").write_text("S = 1\n"), {"apart"}),
    "a file that a glob had": (
        lambda root: (root / "lib/a.py").rename(root / "lib/b.py"),
        ONE | {"two"},
    ),
    "visibility that still fits": (
        lambda root: (root / "lib/BUILD").write_text(
            'package(default_visibility = ["//bases:__pkg__"])\n' + FILES.format(name="lib")
        ),
        ONE | {"two"},
    ),
}


def fresh(project: Project, tmp_path: Path) -> Ran:
    """Returns the answer of somebody who has never asked."""
    shutil.rmtree(tmp_path / "empty", ignore_errors=True)
    return stranger(project, tmp_path).ask("hash", "//...")


def settled(project: Project, question: str = "hash") -> None:
    assert project.ask(question, "//...").code == 0
    rest()


@pytest.mark.parametrize("name", SMALL)
def test_an_edit_loads_its_package_and_what_that_must(
    project: Project, tmp_path: Path, work: Work, name: str
) -> None:
    settled(project)
    work.whole = 0
    change, loaded = SMALL[name]
    change(project.root)
    again = project.ask("hash", "//...")
    assert (work.whole, work.loaded) == (0, [loaded])
    other = fresh(project, tmp_path)
    assert (again.code, again.out) == (other.code, other.out)


def test_edits_come_one_after_the_other(project: Project, tmp_path: Path, work: Work) -> None:
    settled(project)
    work.whole = 0
    steps = [
        SMALL[name][0] for name in ("an attribute", "a dependency that comes later", "a file for a glob")
    ]
    steps.append(lambda root: (root / "zz/z.py").write_text("Z = 2\n"))
    steps.append(lambda root: (root / "one/one.py").write_text("def main(e, c): return 2\n"))
    steps.append(lambda root: (root / "apart/sub.py").write_text("S = 2\n"))
    steps.append(lambda root: edit(root, "zz/BUILD", "opt", "usr"))
    for step in steps:
        step(project.root)
        again = project.ask("hash", "//...")
        assert work.whole == 0
        assert again.out == fresh(project, tmp_path).out
        work.whole = 0
        rest()
    assert len(work.loaded) == 4


def test_only_what_an_edit_changes_is_built(project: Project, work: Work) -> None:
    settled(project, "build")
    work.whole = 0
    edit(project.root, "one/BUILD", "srcs", 'env = {"A": "1"}, srcs')
    statuses = status_of(project.ask("build", "//..."))
    assert {label for label, status in statuses.items() if status == "built"} == {"//one"}
    assert len(statuses) == 8
    assert work.whole == 0
    rest()
    edit(project.root, "two/BUILD", "# nothing\n")
    assert set(status_of(project.ask("build", "//...")).values()) == {"cached"}
    assert work.whole == 0


def test_an_image_follows_the_base_that_an_edit_gave_it(project: Project, work: Work) -> None:
    settled(project, "build")
    work.whole = 0
    edit(project.root, "one/BUILD", ":base", ":other")
    settled(project, "build")
    edit(project.root, "bases/BUILD", '"//zz"', '"//zz", "//lib"')
    settled(project, "build")
    assert work.whole == 0
    (layout,) = (project.root / "lambdabuild-out").glob("**/one/index.json")
    (entry,) = json.loads(layout.read_text())["manifests"]
    blobs = layout.parent / "blobs"
    manifest = json.loads((blobs / entry["digest"].replace(":", "/")).read_text())
    assert len(manifest["layers"]) == 3
    assert all((blobs / layer["digest"].replace(":", "/")).exists() for layer in manifest["layers"])


def test_after_a_file_is_gone_an_answer_is_kept_as_always(
    project: Project, tmp_path: Path, work: Work
) -> None:
    settled(project)
    work.whole = 0
    (project.root / "lib/a.py").rename(project.root / "lib/b.py")
    rest()
    worked_out = project.ask("hash", "//...")
    assert worked_out.out == fresh(project, tmp_path).out
    assert work.loaded
    again = ask_again(project, "hash", "//...")
    assert again is not None
    assert again.out == worked_out.out


LARGE: Mapping[str, Callable[[Path], object]] = {
    "a target more": lambda root: edit(root, "apart/BUILD", FILES.format(name="new")),
    "a target less": lambda root: (root / "apart/BUILD").write_text(""),
    "a manual target": lambda root: edit(root, "apart/BUILD", "srcs", 'tags = ["manual"], srcs'),
    "a platform": lambda root: edit(root, "two/BUILD", "srcs", 'platforms = ["linux/arm64"], srcs'),
    "another rule": lambda root: (root / "two/BUILD").write_text(
        'base_image(name = "two", base = "//bases:base")\n'
    ),
    "something printed": lambda root: edit(root, "one/BUILD", 'print("hello")\n'),
    "a rule's file": lambda root: edit(root, "rules/own.bzl", "X = 1\n"),
    "a package inside": lambda root: (root / "lib/sub").mkdir() or (root / "lib/sub/BUILD").write_text(""),  # type: ignore[func-returns-value]
}


@pytest.mark.parametrize("name", LARGE)
def test_what_others_could_see_has_everything_worked_out(
    project: Project, tmp_path: Path, work: Work, name: str
) -> None:
    edit(project.root, "two/BUILD", 'load("//rules:own.bzl", "own")\n')
    settled(project)
    work.whole = 0
    LARGE[name](project.root)
    again = project.ask("hash", "//...")
    assert work.whole == 1
    other = fresh(project, tmp_path)
    assert (again.code, again.out, again.err) == (other.code, other.out, other.err)


def test_what_was_printed_is_told_after_an_edit_elsewhere(project: Project, tmp_path: Path) -> None:
    edit(project.root, "apart/BUILD", 'print("hello")\n')
    settled(project)
    for number in range(2):
        edit(project.root, "one/BUILD", f"# {number}\n")
        assert ": hello\n" in project.ask("hash", "//...").err
        rest()


WRONG: Mapping[str, Callable[[Path], object]] = {
    "no such target": lambda root: edit(root, "one/BUILD", ":base", ":bass"),
    "no such file": lambda root: (root / "one/one.py").unlink(),
    "no Starlark": lambda root: edit(root, "lib/BUILD", "files(\n"),
    "a cycle": lambda root: edit(root, "lib/BUILD", "glob(", '["//bases:base"] + glob('),
    "not visible": lambda root: edit(
        root, "lib/BUILD", "srcs", 'visibility = ["//visibility:private"], srcs'
    ),
    "no BUILD file": lambda root: (root / "lib/BUILD").unlink(),
    "no package": lambda root: (root / "lib").rename(root / "libs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_as_always(project: Project, tmp_path: Path, name: str) -> None:
    settled(project)
    WRONG[name](project.root)
    again = project.ask("hash", "//...")
    other = fresh(project, tmp_path)
    assert again.code == 2
    assert (again.code, again.out, again.err) == (other.code, other.out, other.err)


def test_an_edited_dockerfile_is_its_packages_affair(project: Project, tmp_path: Path, work: Work) -> None:
    project.write(
        {
            "docker/BUILD": 'lambda_image(name = "docker", base = "//bases:base", dockerfile = "Dockerfile", '
            'srcs = ["a.txt"])\n',
            "docker/Dockerfile": "ARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI}\nCOPY docker/a.txt /a\n",
            "docker/a.txt": "a",
        }
    )
    settled(project)
    work.whole = 0
    edit(project.root, "docker/Dockerfile", "COPY docker/a.txt /b\n")
    again = project.ask("hash", "//...")
    assert (work.whole, work.loaded) == (0, [{"docker", "bases", "lib", "more"}])
    assert again.out == fresh(project, tmp_path).out


def test_a_python_package_of_another_name_is_everybodys_affair(tmp_path: Path, work: Work) -> None:
    files: dict[str, str | bytes] = {
        **package("libs/low"),
        **package("libs/high", ["low"]),
        "python/BUILD": base("base"),
        "python.lock": lock({}, []),
    }
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)
    project.write(
        {"app/BUILD": 'lambda_image(name = "app", base = "//python:base", packages = ["//libs/high"])\n'}
    )
    rest()
    settled(project)
    work.whole = 0
    edit(project.root, "app/BUILD", "packages", 'env = {"A": "1"}, packages')
    assert project.ask("hash", "//...").out == fresh(project, tmp_path).out
    assert work.loaded == [{"app", "python", "libs/high", "libs/low"}]
    rest()
    work.whole = 0
    edit(project.root, "libs/low/pyproject.toml", 'name = "low"', 'name = "lower"')
    ran = project.ask("hash", "//...")
    assert work.whole == 1
    other = fresh(project, tmp_path)
    assert (ran.code, ran.err) == (other.code, other.err)


def test_outputs_that_are_gone_are_put_back_beside_an_edit(project: Project) -> None:
    settled(project, "build")
    edit(project.root, "one/BUILD", "# nothing\n")
    (output,) = (project.root / "lambdabuild-out").glob("**/two/index.json")
    output.unlink()
    assert project.ask("build", "//...").code == 0
    assert output.exists()
