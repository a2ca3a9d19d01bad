"""Images from Dockerfiles as targets: what their hash covers, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import Project

from .targets import DOCKERFILE, FILES, TARGET, WORKSPACE, hash_of, lock

EDITS: dict[str, dict[str, str | bytes]] = {
    "the Dockerfile": {"app/Dockerfile": DOCKERFILE + "# more\n"},
    "a source": {"app/app.py": "A = 2\n"},
    "a file of a files target": {"lib/a/b.txt": "c\n"},
    "another file of it": {"lib/c.txt": "c\n"},
    "a source of the base": {"bases/base.txt": "2\n"},
    "a build argument": {"app/BUILD": TARGET.format(more='build_args = {"VERSION": "2"}')},
    "the stage": {"app/BUILD": TARGET.format(more='target = "first"')},
    "another Dockerfile": {"app/BUILD": TARGET.format(more="").replace('"Dockerfile"', '"other.Dockerfile"')},
    "the ids of secrets": {"app/BUILD": TARGET.format(more="").replace('"one"', '"one", "two"')},
    "no base": {"app/BUILD": TARGET.format(more="").replace('base = "//bases:base", ', "")},
}


@pytest.mark.parametrize("edit", EDITS)
def test_every_input_moves_the_hash(project: Project, edit: str) -> None:
    before = hash_of(project)
    project.write(EDITS[edit])
    assert hash_of(project) != before


def test_the_name_of_the_stage_moves_the_hash_even_if_all_else_is_alike(project: Project) -> None:
    project.write({"app/Dockerfile": "FROM scratch AS one\nRUN x\nFROM scratch AS two\nRUN y\n"})
    hashes = set()
    for stage in ("one", "two"):
        project.write(
            {"app/BUILD": f'lambda_image(name = "app", dockerfile = "Dockerfile", target = "{stage}")\n'}
        )
        hashes.add(hash_of(project))
    assert len(hashes) == 2


def test_the_platform_moves_the_hash_of_what_stands_on_nothing(project: Project) -> None:
    project.write({"app/Dockerfile": "FROM scratch\nRUN x\n"})
    project.write({"app/BUILD": 'lambda_image(name = "app", dockerfile = "Dockerfile")\n'})
    assert hash_of(project) != hash_of(project, "linux/arm64")


def test_the_mode_of_a_source_moves_the_hash_and_that_of_the_dockerfile_does_not(project: Project) -> None:
    before = hash_of(project)
    (project.root / "app/Dockerfile").chmod(0o755)
    assert hash_of(project) == before
    (project.root / "app/app.py").chmod(0o755)
    assert hash_of(project) != before


def test_the_platform_moves_the_hash(project: Project) -> None:
    assert hash_of(project) != hash_of(project, "linux/arm64")


@pytest.mark.parametrize("image", ["python", "uv"])
def test_the_digest_of_an_image_moves_the_hash(project: Project, image: str) -> None:
    before = hash_of(project)
    lock(project, **{image: "moved"})
    assert hash_of(project) != before


@pytest.mark.parametrize(
    "edit",
    [
        {"app/undeclared.py": "U = 2\n"},
        {"app/new.py": "N = 1\n"},
        {".dockerignore": "*\n"},
        {"WORKSPACE.toml": WORKSPACE.replace('env = "ONE"', 'file = "elsewhere"')},
        {"WORKSPACE.toml": WORKSPACE + '[registry]\npush = ["registry.example/prefix"]\n'},
    ],
)
def test_what_is_no_input_does_not_move_the_hash(
    project: Project, edit: dict[str, str | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = hash_of(project)
    project.write(edit)
    monkeypatch.setenv("ONE", "another value")
    assert hash_of(project) == before


def test_neither_where_it_is_nor_what_the_base_is_called_is_in_the_hash(
    project: Project, tmp_path: Path
) -> None:
    files = {**FILES, "bases/BUILD": 'base_image(name = "renamed", base = "@python", srcs = ["base.txt"])\n'}
    files["app/BUILD"] = str(FILES["app/BUILD"]).replace("//bases:base", "//bases:renamed")
    other = Project(tmp_path / "elsewhere", tmp_path / "other" / "lambdabuild", files)
    lock(other)
    assert hash_of(other) == hash_of(project)
