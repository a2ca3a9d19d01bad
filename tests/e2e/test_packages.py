"""First-party packages, built for real: what an edit costs, what wheels bring, what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdabuild.execution import Event, Finished
from tests.packages import base, package
from tests.project import Project

FILES = {
    **package("low"),
    **package("high", ["low"], attrs='    data = ["high/words.json"],\n'),
    "high/high/words.json": '["a", "b"]\n',
    "high/tests/test_high.py": "import high\n",
    "BUILD": (
        base("one", '    packages = ["//low"],\n')
        + base("two", '    packages = ["//high"],\n', below=":one")
        + 'lambda_image(name = "image", base = ":two", srcs = ["handler.py"], handler = "handler.main")\n'
        + 'lambda_image(name = "other", base = ":one", srcs = ["handler.py"], handler = "handler.main")\n'
    ),
    "handler.py": "def main(event, context):\n    return event\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


def ran(project: Project, *patterns: str) -> list[tuple[str, str]]:
    """Builds; returns (tool, label) of every action that really ran, sorted."""
    events: list[Event] = []
    report = project.build(*patterns, on_event=events.append)
    assert not report.errors
    done = [event for event in events if isinstance(event, Finished) and event.ran]
    return sorted((event.action.tool, str(event.action.id.label)) for event in done)


def test_one_edited_line_costs_one_wheel_one_layer_and_the_images_on_it(project: Project) -> None:
    ran(project)
    project.write({"high/high/__init__.py": 'NAME = "high!"\n'})
    assert ran(project) == [
        ("image", "//:image"),
        ("image", "//:two"),
        ("wheel", "//high:high"),
        ("wheels", "//:two"),
    ]


def test_an_edit_of_the_lowest_package_reuses_the_layers_of_the_others(project: Project) -> None:
    ran(project)
    project.write({"low/low/__init__.py": 'NAME = "low!"\n'})
    assert [each for each in ran(project) if each[0] != "image"] == [
        ("wheel", "//low:low"),
        ("wheels", "//:one"),
    ]


def test_an_edit_of_a_test_that_is_not_declared_rebuilds_nothing(project: Project) -> None:
    ran(project)
    project.write({"high/tests/test_high.py": "import high.more\n"})
    assert ran(project) == []


def test_an_edit_that_leaves_the_wheel_as_it_is_stops_there(project: Project) -> None:
    ran(project)
    project.write({"low/backend.py": FILES["low/backend.py"] + "# a remark\n"})
    assert ran(project) == [("wheel", "//low:low")]


def test_data_travels_and_a_layer_holds_one_package(project: Project) -> None:
    project.build()
    layout = project.root / "lambdabuild-out" / "two"
    manifest = json.loads((layout / "index.json").read_text())["manifests"][0]
    assert manifest
    layers = [layer_files(project, "one"), layer_files(project, "two")]
    assert layers[0] == [{"opt/python/low/__init__.py"}]
    assert layers[1] == [
        {"opt/python/low/__init__.py"},
        {"opt/python/high/__init__.py", "opt/python/high/words.json"},
    ]


def layer_files(project: Project, name: str) -> list[set[str]]:
    """Returns the files of each layer of an image, without those about the installation."""
    import tarfile

    layout = project.root / "lambdabuild-out" / name
    blobs = layout / "blobs" / "sha256"

    def blob(digest: str) -> Path:
        return blobs / digest.removeprefix("sha256:")

    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads(blob(index["manifests"][0]["digest"]).read_text())
    found = []
    for layer in manifest["layers"]:
        with tarfile.open(blob(layer["digest"])) as archive:
            found.append({m.name for m in archive if m.isfile() and ".dist-info/" not in m.name})
    return found


def test_a_backend_that_fails_shows_its_words_and_leaves_nothing_behind(project: Project) -> None:
    project.write(
        {"low/backend.py": 'def build_wheel(*arguments):\n    raise SystemExit("no wheel \\033[31mtoday")\n'}
    )
    result = project.run("build", "//low")
    assert result.code == 1
    assert "no wheel" in result.err
    assert "\033[31m" not in result.err
    assert 'Traceback (most recent call last):\n  File "/' not in result.err.split("hint:")[0][:40]
    assert list((project.cache / "tmp").iterdir()) == []


def test_the_directory_of_a_failed_action_is_kept_on_request(project: Project) -> None:
    project.write({"low/backend.py": "def build_wheel(*arguments):\n    raise SystemExit(3)\n"})
    result = project.run("build", "--sandbox-debug", "//low")
    assert result.code == 1
    (line,) = [line for line in result.err.splitlines() if "its directory was kept: " in line]
    kept = Path(line.partition("kept: ")[2])
    assert [path.name for path in kept.rglob("backend.py")] == ["backend.py"]


def test_a_file_that_the_backend_misses_is_named(project: Project) -> None:
    project.write(
        {"low/backend.py": 'def build_wheel(*arguments):\n    open("VERSION")\n', "low/VERSION": "1"}
    )
    result = project.run("build", "//low")
    assert result.code == 1
    assert "VERSION" in result.err.splitlines()[0]
    assert "srcs" in result.err


def test_a_declared_file_and_a_package_cannot_share_a_place(project: Project) -> None:
    project.write(
        {
            "x/low/__init__.py": "",
            "x/BUILD": 'files(name = "x", srcs = ["low/__init__.py"], dest = "opt/python", strip_prefix = "x")\n',
            "BUILD": base("one", '    packages = ["//low"],\n    srcs = ["//x"],\n'),
        }
    )
    result = project.run("build", "//:one")
    assert result.code == 2
    assert "two things want to be at /opt/python/low/__init__.py in the image" in result.err


def test_hashes_need_nothing_to_be_built(project: Project) -> None:
    before = project.hashes("//:image", "//:other")
    project.write({"high/high/words.json": "[]\n"})
    after = project.hashes("//:image", "//:other")
    assert before["//:image"] != after["//:image"]
    assert before["//:other"] == after["//:other"]


def test_a_handler_may_lie_in_a_package(project: Project) -> None:
    text = base("one", '    packages = ["//high"],\n')
    text += 'lambda_image(name = "image", base = ":one", handler = "{}")\n'
    project.write({"BUILD": text.format("high.main")})
    (report,) = project.build("//:image").targets
    assert report.status == "built"
    project.write({"BUILD": text.format("hihg.main")})
    result = project.run("build", "//:image")
    assert result.code == 2
    assert (
        "the handler's module 'hihg' is no declared file, and in none of the image's packages" in result.err
    )
