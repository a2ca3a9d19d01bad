"""`lambdabuild lock --image NAME=REF`: an external image declared and pinned at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.commands.declare_images import declare_images
from lambdabuild.errors import UserError
from lambdabuild.external.lock_file import parse_pins
from lambdabuild.workspace import load_workspace
from tests.external.conftest import FILES, WORKSPACE, StandIn
from tests.oci.registry.real import RealRegistry
from tests.project import Project

REF = "public.ecr.aws/lambda/python:3.12"
DECLARED = f'[images.python]\nref = "{REF}"\n'


def declared(tmp_path: Path, text: str, *options: str) -> str | None:
    (tmp_path / "WORKSPACE.toml").write_text(text)
    made = declare_images(load_workspace(tmp_path, env={}), options)
    assert (tmp_path / "WORKSPACE.toml").read_text() == text
    return made.decode() if made is not None else None


@pytest.mark.parametrize(
    "text", ["", "[workspace]\n", "[workspace]\nname = 'x'", '[images]\nauto = ["//a"]\n']
)
def test_an_image_is_added_at_the_end(text: str, tmp_path: Path) -> None:
    made = declared(tmp_path, text, f"python={REF}", "@uv-0.4=ghcr.io/astral-sh/uv:0.4")
    assert made is not None
    assert made.startswith(text)
    (tmp_path / "WORKSPACE.toml").write_text(made)
    images = load_workspace(tmp_path, env={}).images
    assert {name: image.ref for name, image in images.items()} == {
        "python": REF,
        "uv-0.4": "ghcr.io/astral-sh/uv:0.4",
    }


def test_one_that_is_there_is_not_added_again(tmp_path: Path) -> None:
    assert declared(tmp_path, DECLARED, f"python={REF}") is None
    assert declared(tmp_path, '[images.n]\nref = "node:22"\n', "n=docker.io/library/node:22") is None
    assert declared(tmp_path, DECLARED) is None


@pytest.mark.parametrize(
    ("text", "option", "at", "message"),
    [
        (DECLARED, "python=node:22", "WORKSPACE.toml:1:9", f"@python is {REF} already, not node:22"),
        ("", "python", "None", "--image 'python' does not say which image it is"),
        ("", "a b=node", "None", "there cannot be an image @a b: an external image's name has letters, digits, '.', '_' and '-', at most 64, no sign first"),
        ("", "n=No:de", "None", "'No:de' is not the name of an image: the repository 'library/No' has capital letters"),
        ("images = {}\n", "n=node", "WORKSPACE.toml:1:1", "[images] is written in a form to which nothing can be added at the end"),
    ],
)  # fmt: skip
def test_what_cannot_be_added_is_refused(
    text: str, option: str, at: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError) as caught:
        declared(tmp_path, text, option)
    assert (str(caught.value.at), caught.value.message) == (at, message)
    assert caught.value.hint


@pytest.fixture
def project(registry: RealRegistry, stand_in: StandIn, tmp_path: Path) -> Project:
    workspace = WORKSPACE.replace("HOST", registry.host).replace(DECLARED, "")
    files: dict[str, str | bytes] = {
        **FILES,
        "WORKSPACE.toml": workspace,
        "BUILD": 'lambda_image(name = "app", dockerfile = "Dockerfile", srcs = ["app.py"])\n',
        "Dockerfile": f"FROM {REF}\nCOPY app.py ./\n",
    }
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files, workspace=False)


def test_the_command_of_the_hint_makes_a_dockerfile_buildable(project: Project) -> None:
    ran = project.run("hash", "//:app")
    assert ran.code == 2
    command = f"lambdabuild lock --image python={REF}"
    assert f"hint: {command}\n" in ran.err
    ran = project.run(*command.split()[1:])
    assert ran.code == 0, ran.err
    assert (project.root / "WORKSPACE.toml").read_text().endswith("\n" + DECLARED)
    (pin,) = parse_pins((project.root / "WORKSPACE.lock").read_bytes()).by_key.values()
    assert (pin.name, pin.ref) == ("python", REF)
    assert project.run("hash", "//:app").code == 0


def test_an_image_that_cannot_be_pinned_is_not_declared(project: Project) -> None:
    before = (project.root / "WORKSPACE.toml").read_bytes()
    ran = project.run("lock", "--image", "absent=public.ecr.aws/lambda/absent:1")
    assert ran.code != 0
    assert (project.root / "WORKSPACE.toml").read_bytes() == before
    assert not (project.root / "WORKSPACE.lock").exists()


def test_an_image_that_only_a_dockerfile_names_is_pinned_for_that_targets_platforms(project: Project) -> None:
    project.write({"WORKSPACE.toml": (project.root / "WORKSPACE.toml").read_text() + "\n" + DECLARED})
    from lambdabuild.workspace import host_machine_platform

    other = {"linux/amd64": "linux/arm64", "linux/arm64": "linux/amd64"}[host_machine_platform()]
    build = (
        f'lambda_image(name = "app", dockerfile = "Dockerfile", srcs = ["app.py"], platforms = ["{other}"])\n'
    )
    project.write({"BUILD": build})
    assert set(project.session().platforms_of_images()["python"]) == {host_machine_platform(), other}
