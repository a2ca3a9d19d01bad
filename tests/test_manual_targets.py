"""Targets that are tagged manual: what wildcards mean where something is built, and where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.evaluation import Question, evaluate
from lambdabuild.label import parse_pattern
from lambdabuild.workspace import load_workspace
from tests.affected.repository import Repository
from tests.project import Project

FILES = {
    "BUILD": (
        'files(name = "plain", srcs = ["a.txt"])\n'
        'files(name = "by_hand", srcs = ["a.txt"], tags = ["slow", "manual"])\n'
        'base_image(name = "on_it", base = "scratch", srcs = [":by_hand"])\n'
    ),
    "a.txt": "a\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache", FILES)


def asked(project: Project, *patterns: str, manual: bool = False) -> list[str]:
    """Returns the names of the targets that patterns ask for."""
    question = Question(tuple(map(parse_pattern, patterns)), manual=manual)
    made = evaluate(load_workspace(project.root, env={}), question, lambda text, at: None)
    return [root.label.name for root in made.roots]


@pytest.mark.parametrize("pattern", ["//...", "//:all", "//:*"])
def test_wildcards_leave_manual_targets_out(project: Project, pattern: str) -> None:
    assert asked(project, pattern) == ["on_it", "plain"]


def test_a_manual_target_is_built_by_its_label_and_for_others(project: Project) -> None:
    assert asked(project, "//:by_hand") == ["by_hand"]
    assert asked(project, "//...", "//:by_hand") == ["on_it", "plain", "by_hand"]
    assert {target.id.label.name for target in project.build("//:on_it").targets} == {"on_it"}


def test_what_covers_the_whole_workspace_covers_manual_targets(project: Project) -> None:
    assert asked(project, "//...", manual=True) == ["by_hand", "on_it", "plain"]
    ran = project.run("query", "attr(tags, manual, //...)")
    assert (ran.code, ran.out) == (0, "//:by_hand\n")


def test_affected_names_manual_targets(tmp_path: Path) -> None:
    repository = Repository(tmp_path)
    project = Project(repository.root, tmp_path / "cache", FILES)
    commit = repository.commit()
    project.write({"a.txt": "b\n"})
    found = repository.affected(commit)
    assert [each.label.name for each in found.differences] == ["by_hand", "on_it", "plain"]
