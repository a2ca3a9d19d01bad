"""Third-party requirements: locked with pex, fetched from the configured index, layered, imported."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lambdabuild.action import ActionOutput
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.label import parse_label
from lambdabuild.workspace import host_machine_platform
from tests.project import Project
from tests.require import unavailable

pytestmark = pytest.mark.once

FILES = {
    "WORKSPACE.toml": '[workspace]\nplatforms = ["host"]\n',
    "BUILD": (
        'host_python_image(name = "python")\n'
        'python_requirements(name = "web", requirements = ["MarkupSafe>=2", "six"])\n'
        'base_image(name = "base", base = ":python", packages = [":web"])\n'
        'lambda_image(\n    name = "image",\n    base = ":base",\n    srcs = ["handler.py"],\n'
        '    handler = "handler.main",\n    requirements = ["six", "toolz"],\n)\n'
        'lambda_image(\n    name = "other",\n    base = ":base",\n    requirements = ["toolz"],\n)\n'
    ),
    "handler.py": (
        "import markupsafe, six, toolz\n\n\n"
        "def main(event, context):\n"
        '    escaped = str(markupsafe.escape("<"))\n'
        '    return {"escaped": escaped, "six": six.__file__, "sum": toolz.pipe(3, str)}\n'
    ),
}


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A workspace whose lock was made by `lambdabuild lock`, with the index of this machine."""
    directory = tmp_path_factory.mktemp("requirements")
    project = Project(directory / "w", directory / "cache" / "lambdabuild", FILES)
    ran = project.run("lock")
    if ran.code != 0:
        unavailable(f"needs a package index: {ran.err}")
    return project


@pytest.fixture
def project(locked: Project, tmp_path: Path) -> Project:
    shutil.copytree(locked.root, tmp_path / "w", ignore=shutil.ignore_patterns("lambdabuild-out"))
    return Project(tmp_path / "w", locked.cache, workspace=False)


def wheels(project: Project, label: str) -> set[str]:
    """Returns the projects whose wheels a target's own actions fetch."""
    target = project.graph(label).targets[ConfiguredLabel(parse_label(label), host_machine_platform())]
    return {str(action.params["project"]) for action in target.actions if action.tool == "fetch"}


def test_the_handler_imports_what_its_image_and_its_base_bring(project: Project) -> None:
    ran = project.run("run", "//:image")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out) == {"escaped": "&lt;", "six": "/opt/python/six.py", "sum": "3"}


def test_an_image_gets_only_what_its_base_lacks(project: Project) -> None:
    assert wheels(project, "//:base") == {"markupsafe", "six"}
    assert wheels(project, "//:image") == {"toolz"}


def test_images_that_need_the_same_wheels_share_their_layers(project: Project) -> None:
    graph = project.graph()
    keys = project.keys()[1]
    made = {
        str(target.label): {keys.deep_key(a.id) for a in target.actions if a.tool == "wheels"}
        for target in graph.targets.values()
    }
    assert made["//:image"] == made["//:other"] != set()


def test_an_edited_handler_touches_no_third_party_layer(project: Project) -> None:
    project.build()
    project.write({"handler.py": FILES["handler.py"].replace("toolz.pipe(3", "toolz.pipe(4")})
    ran: list[str] = []
    project.build(on_event=lambda event: ran.append(getattr(getattr(event, "action", None), "tool", "")))
    assert set(ran) - {""} == {"layer", "image"}


def test_hashes_need_the_lock_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert set(project.hashes()) == {"//:python", "//:web", "//:base", "//:image", "//:other"}


def test_the_lock_is_stable_and_names_no_host(locked: Project) -> None:
    text = (locked.root / "python.lock").read_text()
    assert "://" not in text
    assert [line for line in text.splitlines() if line.startswith("requirements")] == ["requirements = ["]
    assert '"markupsafe>=2"' in text
    assert locked.run("lock", "--check").code == 0


def test_a_requirement_that_is_not_locked_is_an_error_with_the_command(project: Project) -> None:
    project.write({"BUILD": FILES["BUILD"].replace('"toolz"]', '"toolz>=0.1"]')})
    ran = project.run("build", "//:image")
    assert ran.code == 2
    assert ran.err.startswith("error: BUILD:4:1: lambda_image //:image: python.lock does not cover")
    assert "hint: lambdabuild lock" in ran.err
    ran = project.run("lock", "--check")
    assert (ran.code, "python.lock does not cover toolz>=0.1" in ran.err) == (1, True)


def test_without_a_lock_the_error_names_the_command(project: Project) -> None:
    (project.root / "python.lock").unlink()
    ran = project.run("build", "//...")
    assert ran.code == 2
    assert "there is no python.lock" in ran.err
    assert "hint: lambdabuild lock" in ran.err


def test_a_damaged_lock_is_an_error_with_its_place(project: Project) -> None:
    project.write({"python.lock": "version = 1\npackage = 3\n"})
    ran = project.run("build", "//...")
    assert ran.code == 2
    assert "error: python.lock:" in ran.err


def test_a_base_that_does_not_say_its_python_cannot_have_requirements(project: Project) -> None:
    base = 'base_image(name = "base", base = "scratch", packages = [":web"])'
    project.write(
        {
            "BUILD": FILES["BUILD"].replace(
                'base_image(name = "base", base = ":python", packages = [":web"])', base
            )
        }
    )
    ran = project.run("build", "//:base")
    assert ran.code == 2
    assert "does not say which Python it holds" in ran.err


def test_bytes_that_do_not_fit_the_lock_are_never_taken(project: Project) -> None:
    lock = (project.root / "python.lock").read_text()
    (line,) = [line for line in lock.splitlines() if "toolz-" in line]
    wrong = line.partition('sha256 = "')[0] + 'sha256 = "' + "0" * 64 + '" },'
    project.build()
    project.write({"python.lock": lock.replace(line, wrong)})
    before = project.stored()
    ran = project.run("build", "//:image")
    assert ran.code == 3
    assert "toolz" in ran.err
    assert not {path for path in project.stored() - before if "/cas/" in path and Path(path).is_file()}


def test_wheels_are_inputs_by_their_own_names(project: Project) -> None:
    graph = project.graph("//:image")
    (action,) = [
        a for t in graph.targets.values() for a in t.actions if a.tool == "wheels" and t.label.name == "image"
    ]
    (name,) = action.inputs
    assert name.startswith("toolz-")
    assert isinstance(action.inputs[name], ActionOutput)
