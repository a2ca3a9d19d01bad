"""A package that has no wheel: locked and built for this machine's own Python, and for no other."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from lambdabuild.action import Action
from lambdabuild.execution import Event, Finished
from tests.project import Project
from tests.require import unavailable

pytestmark = pytest.mark.once

FILES = {
    "WORKSPACE.toml": '[workspace]\nplatforms = ["host"]\n',
    "BUILD": (
        'host_python_image(name = "python")\n'
        'lambda_image(\n    name = "image",\n    base = ":python",\n    srcs = ["handler.py"],\n'
        '    handler = "handler.main",\n    requirements = ["Sourced_Only"],\n)\n'
    ),
    "handler.py": "import sourced_only\n\n\ndef main(event, context):\n    return sourced_only.NAME\n",
}


def sdist(directory: Path) -> Path:
    """Returns a source distribution whose backend is flit-core."""
    directory.mkdir()
    path = directory / "sourced_only-1.0.tar.gz"
    files = {
        "pyproject.toml": (
            '[build-system]\nrequires = ["flit_core>=3.9"]\nbuild-backend = "flit_core.buildapi"\n\n'
            '[project]\nname = "sourced-only"\nversion = "1.0"\ndescription = "x"\n'
        ),
        "sourced_only/__init__.py": 'NAME = "sourced_only"\n',
        "PKG-INFO": "Metadata-Version: 2.1\nName: sourced-only\nVersion: 1.0\n",
    }
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"sourced_only-1.0/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


@pytest.fixture(scope="module")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sdist(tmp_path_factory.mktemp("index") / "links").parent


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory, links: Path) -> Project:
    directory = tmp_path_factory.mktemp("sourced")
    project = Project(directory / "w", directory / "cache" / "lambdabuild", FILES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", f"{os.environ.get('PIP_FIND_LINKS', '')} {links}".strip())
        ran = project.run("lock")
    if ran.code != 0:
        unavailable(f"needs a package index: {ran.err}")
    return project


@pytest.fixture
def project(locked: Project, tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("PIP_FIND_LINKS", str(links))
    shutil.copytree(locked.root, tmp_path / "w")
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", workspace=False)


def test_it_is_locked_as_a_file_like_any_other(locked: Project) -> None:
    text = (locked.root / "python.lock").read_text()
    assert '{ name = "sourced_only-1.0.tar.gz", size = ' in text
    assert "://" not in text
    assert 'build = [\n    "flit-core>=3.9",\n]' in text
    assert 'requires = [\n    "flit-core>=3.9",\n]' in text.partition("[[build]]")[2]


def test_it_is_built_once_and_the_handler_imports_it(project: Project) -> None:
    events: list[Event] = []
    report = project.build(on_event=events.append)
    assert not report.errors
    ran: list[Action] = [each.action for each in events if isinstance(each, Finished) and each.ran]
    (wheel,) = [action for action in ran if action.tool == "wheel"]
    assert wheel.params["project"] == "sourced-only"
    assert not wheel.shareable
    answer = project.run("run", "//:image")
    assert (answer.code, json.loads(answer.out)) == (0, "sourced_only"), answer.err


def test_for_another_platform_it_is_refused(project: Project) -> None:
    base = 'base_image(name = "base", base = "scratch", python = "3.12", libc = "glibc 2.17", platforms = ["{}"], requirements = ["Sourced_Only"])\n'
    project.write(
        {"BUILD": base.format("linux/arm64") + base.format("linux/amd64").replace('"base"', '"other"')}
    )
    ran = project.run("lock")
    assert ran.code != 0
    assert "sourced" in ran.err.replace("_", "-").lower()
