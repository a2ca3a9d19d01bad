"""Images from Dockerfiles as targets: what is refused, where and with what to do, and what is warned of."""

from __future__ import annotations

import pytest

from tests.project import Project

from .targets import DOCKERFILE, PACKAGES, TARGET, hash_of, lock, refused, target

WARNINGS: dict[str, tuple[dict[str, str | bytes], list[str]]] = {
    "a source that nothing takes": (
        {"app/BUILD": TARGET.format(more="").replace('"app.py"', '"app.py", "undeclared.py", "Dockerfile"')},
        ["app/Dockerfile is declared, and no COPY or ADD of app/Dockerfile takes it"],
    ),
    "a package of which nothing is taken": (
        {**PACKAGES, "app/Dockerfile": DOCKERFILE + "COPY libs/one ./\n"},
        ["no COPY or ADD of app/Dockerfile takes any source of //libs/two, which is declared"],
    ),
    "a base that is not used": (
        {"app/Dockerfile": DOCKERFILE.replace("FROM ${BASE_IMAGE_URI:-", "FROM ${OTHER:-")},
        ["base is given, and no stage of app/Dockerfile that is needed says FROM ${BASE_IMAGE_URI}"],
    ),
    "a secret that is not used": (
        {"app/BUILD": TARGET.format(more="").replace('"one"', '"one", "two"')},
        ["the secret 'two' is named, and no RUN of app/Dockerfile mounts it"],
    ),
    "files that are not looked at": (
        {"app/.dockerignore": "*", ".dockerignore": "*", "app/Dockerfile.dockerignore": "*"},
        [
            f"{path} is not looked at: the context is what is declared"
            for path in ("app/.dockerignore", "app/Dockerfile.dockerignore", ".dockerignore")
        ],
    ),
}


@pytest.mark.parametrize("case", WARNINGS)
def test_what_is_likely_to_be_a_mistake_is_a_warning(project: Project, case: str) -> None:
    assert target(project).warnings == ()
    edit, warnings = WARNINGS[case]
    project.write(edit)
    assert list(target(project).warnings) == warnings


def test_a_build_argument_that_looks_like_a_secret_is_noted_without_its_value(project: Project) -> None:
    project.write({"app/Dockerfile": DOCKERFILE + "ARG PIP_TOKEN\nARG EMPTY_SECRET\n"})
    arguments = '{"PIP_TOKEN": "kept-4711", "EMPTY_SECRET": ""}'
    project.write({"app/BUILD": TARGET.format(more=f"build_args = {arguments}")})
    answer = project.evaluate("//app:app")
    assert answer.notes[answer.roots[0]] == (
        "the value of the build argument PIP_TOKEN is in the image's history; use secrets",
    )


MISSING = {
    "a file of the package": ("app/undeclared.py", 'srcs = [..., "undeclared.py"]'),
    "a file of another package": ("lib/other.md", 'srcs = [..., "//lib:other.md"]'),
    "a directory of the package": ("app/data", 'srcs = glob(["data/**"])'),
    "a directory of another package": (
        "lib/more/",
        'add files(name = "…", srcs = glob(["more/**"])) to //lib, and its label to srcs',
    ),
    "files by a pattern": ("app/data/*.json", 'srcs = glob(["data/*.json"])'),
    "a file without a package": (
        "nowhere/x.py",
        "add a BUILD file above nowhere/x.py, and its label to srcs",
    ),
    "a path from the Dockerfile's directory": (
        "undeclared.py",
        "paths in a Dockerfile begin at the workspace's root: write app/undeclared.py, and declare it in srcs",
    ),
    "nothing at all": (
        "app/absent.py",
        "there is no such file in the workspace: correct the path, which begins at its root",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_an_undeclared_copy_source_is_an_error_at_its_line_with_what_to_add(
    project: Project, case: str
) -> None:
    source, hint = MISSING[case]
    project.write(
        {"app/Dockerfile": DOCKERFILE + f"COPY {source} ./\n", "lib/other.md": "", "nowhere/x.py": ""}
    )
    project.write({"app/data/a.json": "", "lib/more/x.md": ""})
    message = f"lambda_image //app:app: COPY takes {source.rstrip('/')!r}, which no declared source provides"
    hint = f"add it to //app: {hint}" if hint.startswith("srcs") else hint
    assert refused(project) == ("app/Dockerfile:9", message, hint)


def test_a_pattern_that_matches_nothing_in_the_workspace_is_how_people_write_if_there_is_one(
    project: Project,
) -> None:
    project.write({"app/Dockerfile": DOCKERFILE + "COPY app/app.py app/*.lock ./\n"})
    before = hash_of(project)
    project.write({"app/app.lock": ""})
    assert refused(project)[2] == 'add it to //app: srcs = glob(["*.lock"])'
    (project.root / "app/app.lock").unlink()
    assert hash_of(project) == before


def with_target(old: str, new: str) -> dict[str, str | bytes]:
    return {"app/BUILD": TARGET.format(more="").replace(old, new)}


REFUSED: dict[str, tuple[dict[str, str | bytes], str, str]] = {
    "an image that nothing declares": (
        {"app/Dockerfile": DOCKERFILE.replace("--from=uv", "--from=ghcr.io/x/uv:2")},
        "app/Dockerfile:5",
        "ghcr.io/x/uv:2 is not pinned: WORKSPACE.toml declares no such image",
    ),
    "what is neither stage nor image": (
        {"app/Dockerfile": DOCKERFILE.replace("--from=uv", "--from=UV")},
        "app/Dockerfile:5",
        "'UV' is no stage of the file, and no image's name",
    ),
    "a secret that the target does not name": (
        with_target('secrets = ["one"], ', ""),
        "app/Dockerfile:8",
        "lambda_image //app:app: RUN mounts the secret 'one', which the target does not name",
    ),
    "a secret that the workspace does not have": (
        with_target('["one"]', '["one", "tow"]'),
        "app/BUILD:2:39",
        "//app:app: attribute 'secrets' names 'tow', which WORKSPACE.toml does not declare",
    ),
    "a place in the image": (
        with_target('["app.py", "//lib:files"]', '{"app.py": "x.py", "//lib:files": "y/"}'),
        "app/BUILD:2:5",
        "//app:app: attribute 'srcs' gives //app:app.py a place, and places are what COPY says",
    ),
    "requirements": (
        with_target("secrets", 'requirements = ["six"], secrets'),
        "app/BUILD:2:39",
        "//app:app: attribute 'requirements' has no meaning beside dockerfile, whose steps alone make the image",
    ),
    "bytecode": (
        with_target("secrets", 'bytecode = "3.12.1", secrets'),
        "app/BUILD:2:39",
        "//app:app: attribute 'bytecode' has no meaning beside dockerfile, whose steps alone make the image",
    ),
    "scratch": (
        with_target("//bases:base", "scratch"),
        "app/BUILD:1:28",
        "//app:app: attribute 'base' cannot be 'scratch' beside dockerfile",
    ),
    "neither base nor dockerfile": (
        with_target('base = "//bases:base", dockerfile = "Dockerfile",', ""),
        "app/BUILD:1:1",
        "lambda_image needs the attribute 'base'",
    ),
    "build_args without a Dockerfile": (
        {"app/BUILD": 'lambda_image(name = "app", base = "//bases:base", build_args = {"A": "1"})\n'},
        "app/BUILD:1:51",
        "//app:app: attribute 'build_args' is about a Dockerfile, and none is named",
    ),
    "a stage that is not there": (
        {"app/BUILD": TARGET.format(more='target = "secnd"')},
        "app/BUILD:2:58",
        "app/Dockerfile has no stage 'secnd'",
    ),
    "an argument that nothing takes": (
        {"app/BUILD": TARGET.format(more='build_args = {"VERSOIN": "1"}')},
        "app/BUILD:2:58",
        "build_args gives 'VERSOIN', which no ARG of app/Dockerfile takes",
    ),
    "a Dockerfile that is not there": (
        with_target('"Dockerfile"', '"Dokerfile"'),
        "app/BUILD:1:51",
        "no target or file //app:Dokerfile",
    ),
    "a Dockerfile that is a target": (
        with_target('"Dockerfile"', '"//lib:files"'),
        "app/BUILD:1:51",
        "//lib:files is a target, and a Dockerfile is a source file",
    ),
    "a file that is not text": (
        {"app/Dockerfile": b"FROM a\n\xff\n"},
        "app/Dockerfile",
        "the file is not UTF-8",
    ),
    "an instruction that is none": (
        {"app/Dockerfile": "FROM a\nRUNN x\n"},
        "app/Dockerfile:2",
        "there is no instruction RUNN",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_an_error_where_it_is_written(project: Project, case: str) -> None:
    edit, at, message = REFUSED[case]
    project.write(edit)
    found = refused(project)
    assert found[:2] == (at, message)
    assert found[2] or "no image's name" in message


def test_an_image_that_is_declared_and_not_pinned_is_the_usual_error(project: Project) -> None:
    (project.root / "WORKSPACE.lock").unlink()
    _, message, hint = refused(project)
    assert "is not pinned for linux/amd64 in WORKSPACE.lock" in message
    assert hint == "lambdabuild lock"


def test_an_image_with_onbuild_steps_is_an_error(project: Project) -> None:
    lock(project, onbuild=["COPY . /app"])
    project.write({"app/BUILD": TARGET.format(more="").replace('base = "//bases:base", ', "")})
    _, message, _ = refused(project)
    assert message.endswith("python:3.12 has ONBUILD steps, which would run as if they stood in this file")


def test_an_unpinned_image_is_an_error_with_the_command_for_all_of_the_file(project: Project) -> None:
    text = DOCKERFILE.replace("--from=uv", "--from=ghcr.io/x/uv:2") + "COPY --from=node:22 /n /\n"
    project.write({"app/Dockerfile": text})
    assert refused(project)[2] == "lambdabuild lock --image uv-2=ghcr.io/x/uv:2 --image node=node:22"
