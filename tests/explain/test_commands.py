"""why, aquery, hash --diff and build --explain, where a transcript cannot tell."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.project import Project

FILES = {
    "lib/x.py": "X = 1\n",
    "lib/BUILD": 'files(name = "lib", srcs = ["x.py"])\n',
    "app/handler.py": "def lambda_handler(event, context):\n    return event\n",
    "app/BUILD": 'lambda_image(name = "image", base = "scratch", srcs = ["handler.py", "//lib"])\n',
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


def answer(project: Project, *arguments: str) -> Any:
    ran = project.run(*arguments, "--json")
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def test_explained_steps_are_those_that_run_and_come_with_their_keys(project: Project) -> None:
    project.build("//app:image")
    project.write({"lib/x.py": "X = 2\n"})
    wanted = {each["key"] for each in answer(project, "aquery", "deps(//app:image)")["actions"]}
    steps = answer(project, "build", "--explain", "//app:image")["steps"]
    assert [(each["label"], each["tool"]) for each in steps] == [
        ("//app:image", "image"),
        ("//lib:lib", "layer"),
    ]
    assert {each["key"] for each in steps} < wanted
    assert steps[1]["reason"] == "no result is known for its inputs: lib/x.py changed"
    assert answer(project, "build", "--explain", "//app:image")["steps"] == []
    assert "steps" not in answer(project, "build", "//app:image")


def test_why_writes_nothing_and_says_the_same_again(project: Project) -> None:
    project.build("//app:image")
    project.write({"lib/x.py": "X = 2\n"})
    before = project.stored()
    first = project.run("why", "//...")
    assert project.run("why", "//...") == first
    assert project.stored() == before


def test_of_two_earlier_states_the_one_that_shares_more_is_the_nearest(project: Project) -> None:
    project.build("//app:image")
    project.write({"lib/x.py": "X = 2\n", "app/handler.py": "def lambda_handler(e, c): pass\n"})
    project.build("//app:image")
    project.write({"lib/x.py": "X = 3\n", "app/handler.py": FILES["app/handler.py"]})
    (target,) = answer(project, "why", "//app:image")["targets"]
    assert [(each["kind"], each["place"]) for each in target["changes"]] == [("edited", "lib/x.py")]
    project.write({"app/handler.py": "def lambda_handler(e, c): pass\n"})
    (target,) = answer(project, "why", "//app:image")["targets"]
    assert [each["place"] for each in target["changes"]] == ["lib/x.py"]


def test_hash_diff_says_the_same_of_hashes_tags_and_files(project: Project, tmp_path: Path) -> None:
    names = []
    for number in (1, 2):
        project.write({"lib/x.py": f"X = {number}\n"})
        project.build("//app:image")
        said = answer(project, "hash", "//app:image")
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(said))
        names.append((said["targets"][0]["hash"], said["targets"][0]["tag"], str(file)))
    found = [answer(project, "hash", "--diff", old, new)["changes"] for old in names[0] for new in names[1]]
    assert [(each["kind"], each["place"]) for each in found[0]] == [("edited", "lib/x.py")]
    assert found == [found[0]] * 9
    for name in names[0]:
        assert answer(project, "hash", "--diff", names[0][0], name)["changes"] == []


def test_hash_diff_compares_keys_of_actions_and_single_documents(project: Project, tmp_path: Path) -> None:
    keys = []
    for number in (1, 2):
        project.write({"lib/x.py": f"X = {number}\n"})
        project.build("//app:image")
        (action,) = answer(project, "aquery", "//lib")["actions"]
        keys.append(action["key"])
    by_key = answer(project, "hash", "--diff", *keys)["changes"]
    assert [(each["kind"], each["place"]) for each in by_key] == [("edited", "var/task/lib/x.py")]
    stored = [project.cache / "keys" / key[:2] / key[2:] for key in keys]
    assert answer(project, "hash", "--diff", *map(str, stored))["changes"] == by_key


def test_aquery_says_codebuild_of_what_may_leave_the_machine_where_that_is_the_executor(
    project: Project,
) -> None:
    with project.environment():
        os.environ["LAMBDABUILD_EXECUTOR_DEFAULT"] = "codebuild"
        actions = answer(project, "aquery", "//app:image")["actions"]
    assert {each["executor"] for each in actions} == {"codebuild"}


def test_an_expression_lists_targets_for_every_platform_that_needs_them(project: Project) -> None:
    image = 'lambda_image(name = "arm", base = "scratch", srcs = ["//lib"], platforms = ["linux/arm64"])\n'
    project.write({"app/BUILD": image})
    actions = answer(project, "aquery", "deps(//app:arm)")["actions"]
    assert ("//lib:lib", "linux/arm64") in {(each["label"], each["target_platform"]) for each in actions}
