"""What an answer stands on beside sources and BUILD files, and that it is noticed when it changes."""

from __future__ import annotations

import dataclasses
import os
import pickle
import time
import types
import typing
from pathlib import Path

import pytest

from lambdabuild import action, configured, kept_graph, noop
from lambdabuild.clock import Moment
from tests.project import Project
from tests.property.asking import ask
from tests.property.test_answers_on_everything import VARIANTS, Everything
from tests.test_noop import rest

HASH = ("hash", "//...")
BEHIND_LINKS = [
    "app/Dockerfile",
    "python.lock",
    "libs/low/pyproject.toml",
    "rules/r.bzl",
    "BUILD",
    "lib/a/b.txt",
]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    machine = Everything()
    machine.start()
    machine.warm.root.rename(tmp_path / "w")
    machine.teardown()
    return Project(tmp_path / "w", tmp_path / "warm" / "lambdabuild", workspace=False)


def agrees(project: Project, question: tuple[str, ...] = HASH) -> bool:
    """Tells whether the answer is that of somebody with an empty cache."""
    clean = Project(project.root, project.cache.parent.parent / str(time.monotonic_ns()), workspace=False)
    return ask(project, question) == ask(clean, question)


def other(path: str) -> bytes:
    content = VARIANTS[path][1]
    return content.encode() if isinstance(content, str) else content


@pytest.mark.parametrize("path", BEHIND_LINKS)
def test_what_is_read_through_a_link_is_noticed_where_it_lies(project: Project, path: str) -> None:
    (project.root / "shared").mkdir()
    (project.root / path).rename(project.root / "shared/it")
    (project.root / path).symlink_to(project.root / "shared/it")
    rest()
    ask(project, HASH)
    rest()
    before = ask(project, HASH)
    (project.root / "shared/it").write_bytes(other(path))
    assert agrees(project)
    assert ask(project, HASH) != before


def test_settings_behind_a_link_are_noticed_where_they_lie(project: Project) -> None:
    (project.root / "WORKSPACE.toml").rename(project.root / "settings.toml")
    (project.root / "WORKSPACE.toml").symlink_to("settings.toml")
    rest()
    ask(project, HASH)
    (project.root / "settings.toml").write_bytes(
        (project.root / "settings.toml").read_bytes().replace(b"amd64", b"arm64")
    )
    assert agrees(project)


def test_what_a_link_that_led_nowhere_leads_to_is_noticed_when_it_appears(project: Project) -> None:
    question = ("hash", "//app/...")
    (project.root / "late").mkdir()
    (project.root / "app/WORKSPACE.toml").symlink_to(project.root / "late/WORKSPACE.toml")
    rest()
    ask(project, question)
    rest()
    assert ask(project, question)[0] == 0
    (project.root / "late/WORKSPACE.toml").write_text("[workspace]\n")
    assert agrees(project, question)
    assert ask(project, question)[0] == 2, "app is another workspace now"


def test_settings_are_noticed_from_directories_below(project: Project) -> None:
    question = ("hash", "//...", "-C", "app")
    rest()
    before = ask(project, question)
    settings = project.root / "WORKSPACE.toml"
    settings.write_bytes(settings.read_bytes().replace(b"amd64", b"arm64"))
    assert agrees(project, question)
    assert ask(project, question) != before


def test_a_directory_that_a_pattern_of_copy_would_take_is_noticed_when_it_appears(project: Project) -> None:
    dockerfile = project.root / "app/Dockerfile"
    dockerfile.write_text(dockerfile.read_text() + "COPY lib/a/*.txt none/[x] ./\n")
    rest()
    ask(project, HASH)
    rest()
    assert ask(project, HASH)[0] == 0
    (project.root / "none").mkdir()
    (project.root / "none/x").write_text("")
    assert agrees(project)
    assert ask(project, HASH)[0] == 2, "it is not declared"


@pytest.mark.parametrize(
    "path", ["WORKSPACE.lock", "python.lock", "app/Dockerfile", "libs/low/pyproject.toml"]
)
def test_locks_and_documents_are_noticed(project: Project, path: str) -> None:
    ask(project, HASH)
    rest()
    before = ask(project, HASH)
    place = project.root / path
    status = place.stat()
    place.write_bytes(
        place.read_bytes().replace(b"python", b"pythom") if path == "WORKSPACE.lock" else other(path)
    )
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert agrees(project)
    assert ask(project, HASH) != before


def test_an_edit_between_the_look_and_the_work_is_not_believed(project: Project) -> None:
    arguments = list(HASH)
    ask(project, HASH)
    rest()
    ask(project, HASH)
    (project.root / "app/app.py").write_text("A = 7\n")
    with project.environment():
        before = Moment.now()
        doubt = noop.answer(arguments, time.monotonic())
    assert isinstance(doubt, noop.Doubt)
    assert before.wall_ns <= doubt.began[0] <= time.time_ns()
    assert before.steady_ns <= doubt.began[1] <= time.monotonic_ns()


def test_where_a_command_is_given_is_part_of_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = noop.question(["hash", "//...", "-C", "/"])
    monkeypatch.chdir("/")
    assert noop.question(["hash", "//...", "-C", "/"]) != first
    assert noop.question(["hash", "--", "//...", "-C"]) is None


def _classes(hint: object) -> set[type]:
    """Returns the classes of this project that values of a type consist of."""
    found = {each for part in typing.get_args(hint) for each in _classes(part)}
    if (
        isinstance(hint, type)
        and not isinstance(hint, types.GenericAlias)
        and hint.__module__.startswith("lambdabuild")
    ):
        found.add(hint)
    return found


def test_whatever_a_configured_target_consists_of_has_a_place_in_a_graph() -> None:
    todo: list[type] = [configured.ConfiguredTarget]
    seen: set[type] = set()
    while todo:
        each = todo.pop()
        seen.add(each)
        below = [part for hint in typing.get_type_hints(each).values() for part in _classes(hint)]
        todo += [
            part
            for part in below
            if part not in seen and (dataclasses.is_dataclass(part) or issubclass(part, tuple))
        ]
    assert {action.Action, configured.LayerOutputs} <= seen
    assert seen <= set(kept_graph._CLASSES)


def test_a_class_that_has_no_place_in_a_graph_keeps_no_graph(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (action.SourceFile.__module__, action.SourceFile.__qualname__)
    monkeypatch.delitem(kept_graph._KNOWN, name)
    with pytest.raises(pickle.UnpicklingError):
        kept_graph._load(pickle.dumps(action.SourceFile("a")))
    assert ask(project, HASH)[0] == 0
    assert not list((project.cache / "state").glob("*.graph"))
    rest()
    (project.root / "app/app.py").write_text("A = 8\n")
    assert agrees(project)
