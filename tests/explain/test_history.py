"""What is kept of the targets that were built, and found again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdabuild.digest import Key
from lambdabuild.explain.history import LIMIT, LocalHistory, Remembered, read_document
from lambdabuild.explain.state import Maker
from tests.project import Project

BUILD = """
files(name = "lib", srcs = ["lib.py"])
lambda_image(name = "image", base = "scratch", srcs = ["app.py", ":lib"])
"""
PLATFORM = "linux/amd64"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    files = {"lib.py": "1\n", "app.py": "1\n", "BUILD": BUILD}
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)


def history(project: Project) -> LocalHistory:
    return LocalHistory(project.cache, "test")


def hashes(project: Project, label: str) -> list[str]:
    return [state.target.key for state in history(project).states(label, PLATFORM)]


def test_a_build_keeps_the_states_of_its_targets_and_all_below(project: Project) -> None:
    project.build("//:image")
    assert hashes(project, "//:image") == [project.hashes("//:image")["//:image"]]
    assert hashes(project, "//:lib") == [project.hashes("//:lib")["//:lib"]]


def test_states_come_back_latest_first_and_each_once(project: Project) -> None:
    project.build("//:image")
    first = project.hashes("//:image")["//:image"]
    project.write({"app.py": "2\n"})
    project.build("//:image")
    second = project.hashes("//:image")["//:image"]
    project.build("//:image")
    assert hashes(project, "//:image") == [second, first]


def test_a_failed_build_keeps_nothing(project: Project) -> None:
    project.write({"pyproject.toml": "", "BUILD": BUILD + 'python_package(name = "p", srcs = [])\n'})
    report = project.build("//:image", "//:p", keep_going=True)
    assert report.errors
    assert hashes(project, "//:p") == []
    assert len(hashes(project, "//:image")) == 1


def test_only_the_last_states_are_kept(project: Project) -> None:
    for number in range(LIMIT + 3):
        project.write({"app.py": f"{number}\n"})
        project.build("//:image")
    found = hashes(project, "//:image")
    assert len(found) == LIMIT
    assert found[0] == project.hashes("//:image")["//:image"]


def test_checkouts_of_one_workspace_share_their_history_and_others_do_not(
    project: Project, tmp_path: Path
) -> None:
    project.build("//:image")
    assert LocalHistory(project.cache, "other").states("//:image", PLATFORM) == []
    elsewhere = Project(tmp_path / "again", project.cache, {"lib.py": "1\n", "app.py": "9\n", "BUILD": BUILD})
    elsewhere.build("//:image")
    assert len(hashes(project, "//:image")) == 2


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b'{"label": "//:image"}'])
def test_a_damaged_state_is_forgotten(project: Project, data: bytes) -> None:
    project.build("//:image")
    (path,) = (project.cache / "history").glob(f"*/*/{project.hashes('//:image')['//:image']}")
    path.write_bytes(data)
    assert hashes(project, "//:image") == []
    assert not path.exists()


def test_a_state_is_found_by_the_beginning_of_its_hash(project: Project) -> None:
    project.build("//:image")
    hash_ = project.hashes("//:image")["//:image"]
    found = history(project).with_hash(hash_[:32])
    assert found is not None
    assert found.target.key == hash_
    assert history(project).with_hash("0" * 32) is None


def test_an_action_whose_state_is_gone_is_found_by_its_key_in_the_action_cache(project: Project) -> None:
    project.build("//:image")
    evaluation, keys = project.keys("//:image")
    action = evaluation.graph.targets[evaluation.roots[0]].actions[0]
    key, maker = keys.deep_key(action.id), Maker("//:image", PLATFORM, action.id.number)
    with_state = Remembered(history(project), lambda key: None)(key, maker)
    by_key = Remembered(LocalHistory(project.cache, "other"), project.session().cache.document)(key, maker)
    assert with_state is not None
    assert by_key is not None
    assert with_state.origins == {"var/task/app.py": "app.py"}
    assert by_key.origins == {}
    assert (with_state.fields, with_state.inputs) == (by_key.fields, by_key.inputs)


def test_a_document_that_its_key_is_not_the_hash_of_is_not_taken(project: Project) -> None:
    document = json.dumps({"inputs": [], "tool": "layer"}).encode()
    assert read_document(Key("0" * 64), document) is None
    assert read_document(Key("0" * 64), b"[" * 100_000) is None
    assert read_document(Key("0" * 64), b"1.5") is None
