"""Images from Dockerfiles as targets: their action, what is in its context, what they depend on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.action import ActionOutput, SourceFile
from lambdabuild.evaluation import evaluate
from lambdabuild.sources import WorkingTree
from lambdabuild.sources.seen import Watched, answers_alike
from lambdabuild.workspace import load_workspace
from tests.project import Project

from .targets import DOCKERFILE, PACKAGES, PLATFORM, TARGET, action, hash_of, target


def test_the_action_has_the_context_at_workspace_paths_and_nothing_else(project: Project) -> None:
    made = action(project)
    assert {path: file for path, file in made.inputs.items() if isinstance(file, SourceFile)} == {
        "dockerfile": SourceFile("app/Dockerfile", False),
        "context/app/app.py": SourceFile("app/app.py"),
        "context/lib/a/b.txt": SourceFile("lib/a/b.txt"),
    }
    assert made.params == {
        "build_args": {},
        "target": "",
        "secrets": ["one"],
        "images": {"uv": "images/000"},
        "root": "base",
        "max_layers": 3,
    }
    assert made.platform == PLATFORM


def test_layers_of_external_images_are_no_inputs_and_those_made_here_are(project: Project) -> None:
    outputs = {path: file for path, file in action(project).inputs.items() if isinstance(file, ActionOutput)}
    assert {(path, str(file.action.label)) for path, file in outputs.items()} == {
        ("base/manifest.json", "//bases:base"),
        ("base/config.json", "//bases:base"),
        ("base/layers/000.json", "//bases:base"),
        ("base/layers/000.tar.gz", "//bases:base"),
        ("images/000/manifest.json", "@uv"),
        ("images/000/config.json", "@uv"),
    }


def test_the_image_has_the_layers_of_its_root_and_places_for_its_own(project: Project) -> None:
    made = target(project)
    below = target(project, "//bases:base").image
    assert made.image
    assert below
    assert made.image.layers[: len(below.layers)] == below.layers
    assert [layer.blob.name for layer in made.image.layers[len(below.layers) :]] == [
        f"layers/00{number}.tar.gz" for number in range(3)
    ]


def test_without_a_base_the_image_stands_on_what_from_names(project: Project) -> None:
    project.write({"app/BUILD": TARGET.format(more="").replace('base = "//bases:base", ', "")})
    made = action(project)
    assert (made.params["root"], made.params["images"]) == (
        "images/000",
        {"public.ecr.aws/lambda/python:3.12": "images/000", "uv": "images/001"},
    )
    image = target(project).image
    assert image
    assert len(image.layers) == 2 + 3


def test_images_of_the_dockerfile_are_dependencies(project: Project) -> None:
    assert sorted(project.run("query", "deps(//app:app, 1)").out.split()) == [
        "//app:Dockerfile",
        "//app:app",
        "//app:app.py",
        "//bases:base",
        "//lib:files",
        "@uv",
    ]
    assert "//app:app" in project.run("query", "rdeps(//..., @uv)").out
    assert "//app:app" in project.run("query", "rdeps(//..., //app:Dockerfile)").out


def test_what_the_target_says_of_the_config_is_laid_over_the_image(project: Project) -> None:
    assert [each.tool for each in target(project).actions] == ["dockerfile"]
    project.write({"app/BUILD": TARGET.format(more='handler = "app.main", env = {"A": "1"}')})
    made = target(project)
    assert [each.tool for each in made.actions] == ["dockerfile", "image"]
    assert made.actions[1].params["cmd"] == ["app.main"]
    assert {*made.actions[1].inputs} == {"base/manifest.json", "base/config.json"}
    assert made.handlers == ("app.main",)


def test_the_sources_of_packages_and_of_what_they_need_are_in_the_context(project: Project) -> None:
    project.write(PACKAGES)
    context = {path for path in action(project).inputs if path.startswith("context/libs/")}
    assert context == {
        "context/libs/one/one/__init__.py",
        "context/libs/one/pyproject.toml",
        "context/libs/two/pyproject.toml",
        "context/libs/two/two.py",
    }
    before = hash_of(project)
    project.write({"libs/two/two.py": "T = 2\n"})
    assert hash_of(project) != before


def test_what_an_action_makes_is_in_the_context_beside_its_package(project: Project) -> None:
    project.write({**PACKAGES, "app/Dockerfile": DOCKERFILE + "COPY libs/two/two.whl ./\n"})
    project.write({"app/BUILD": TARGET.format(more="").replace('"app.py"', '"app.py", "//libs/two"')})
    wheel = action(project).inputs["context/libs/two/two.whl"]
    assert isinstance(wheel, ActionOutput)
    assert (str(wheel.action.label), wheel.name) == ("//libs/two:two", "package.whl")


def test_what_stands_on_host_python_is_not_shared(tmp_path: Path) -> None:
    files = {
        "WORKSPACE.toml": '[workspace]\nplatforms = ["host"]\n',
        "BUILD": 'host_python_image(name = "host")\n'
        'base_image(name = "app", base = ":host", dockerfile = "Dockerfile")\n',
        "Dockerfile": "ARG BASE_IMAGE_URI\nFROM $BASE_IMAGE_URI\nRUN x\n",
    }
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)
    made = project.graph("//:app").targets
    (found,) = [
        each for each in made[project.evaluate("//:app").roots[0]].actions if each.tool == "dockerfile"
    ]
    assert not found.shareable


@pytest.mark.parametrize(
    ("stated", "combination"),
    [("", "python 3.12, glibc 2.34"), ('python = "3.11", libc = "glibc 2.36"', "python 3.11, glibc 2.36")],
)
def test_an_image_on_a_dockerfile_base_takes_wheels_by_what_the_base_states(
    project: Project, stated: str, combination: str
) -> None:
    build = (
        f'base_image(name = "base", base = "//bases:base", dockerfile = "Dockerfile", '
        f'srcs = ["app.py", "//lib:files"], secrets = ["one"], {stated})\n'
        'lambda_image(name = "app", base = ":base", requirements = ["six"])\n'
    )
    project.write({"app/BUILD": build})
    session = project.session()
    asked = session.evaluate(replace(project.question("//app:app"), without_lock=True)).asked
    assert [str(each.combination) for each in asked] == [f"{combination}, linux/amd64"]


@pytest.mark.parametrize(
    "name", ["uv", "uv:latest", "library/uv", "docker.io/uv:latest", "index.docker.io/library/uv"]
)
def test_names_that_docker_takes_for_the_same_image_are_the_same(project: Project, name: str) -> None:
    project.write({"app/Dockerfile": DOCKERFILE.replace("--from=uv", f"--from={name}")})
    assert action(project).params["images"] == {name: "images/000"}


def test_what_an_evaluation_has_seen_is_the_dockerfile_and_the_files_it_warns_of(project: Project) -> None:
    tree = WorkingTree(project.root, frozenset())
    workspace = load_workspace(project.root, env={})
    seen = evaluate(workspace, project.question("//app:app"), lambda text, at: None, tree=Watched(tree)).seen
    assert seen is not None
    assert answers_alike(tree, seen)
    for path in ("app/Dockerfile", ".dockerignore"):
        before = (project.root / path).read_bytes() if (project.root / path).exists() else None
        project.write({path: "FROM uv\n"})
        assert not answers_alike(WorkingTree(project.root, frozenset()), seen)
        if before is None:
            (project.root / path).unlink()
        else:
            project.write({path: before})
