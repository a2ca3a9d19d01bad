"""Images from Dockerfiles as targets: what their hash covers, what they depend on, what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.action import Action, ActionOutput, SourceFile
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import UserError
from lambdabuild.evaluation import evaluate
from lambdabuild.external.lock_file import print_pins
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.label import parse_label
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.sources import WorkingTree
from lambdabuild.sources.seen import Watched, answers_alike
from lambdabuild.workspace import load_workspace
from tests.external.stand_ins import base as stand_in
from tests.external.stand_ins import pin
from tests.oci.blobs import Blobs
from tests.project import Project

PLATFORM = "linux/amd64"
WORKSPACE = (
    '[workspace]\nname = "test"\nplatforms = ["linux/amd64"]\n'
    '[images.python]\nref = "public.ecr.aws/lambda/python:3.12"\n'
    '[images.uv]\nref = "docker.io/library/uv:latest"\n'
    '[secrets.one]\nenv = "ONE"\n[secrets.two]\nfile = "two"\n'
)
DOCKERFILE = (
    "# syntax=docker/dockerfile:1\nARG BASE_IMAGE_URI\n"
    "FROM ${BASE_IMAGE_URI:-public.ecr.aws/lambda/python:3.12} AS first\n"
    "ARG VERSION=1\nCOPY --from=uv /uv /bin/\nCOPY app/*.py lib/ ./\n"
    "FROM first AS second\nRUN --mount=type=secret,id=one make\n"
)
TARGET = (
    'lambda_image(name = "app", base = "//bases:base", dockerfile = "Dockerfile",\n'
    '    srcs = ["app.py", "//lib:files"], secrets = ["one"], {more})\n'
)
FILES: dict[str, str | bytes] = {
    "WORKSPACE.toml": WORKSPACE,
    "app/BUILD": TARGET.format(more=""),
    "app/Dockerfile": DOCKERFILE,
    "app/other.Dockerfile": DOCKERFILE + "RUN x\n",
    "app/app.py": "A = 1\n",
    "app/undeclared.py": "U = 1\n",
    "lib/BUILD": 'files(name = "files", srcs = glob(["**/*.txt"]), dest = "opt")\n',
    "lib/a/b.txt": "b\n",
    "bases/BUILD": 'base_image(name = "base", base = "@python", srcs = ["base.txt"])\n',
    "bases/base.txt": "1\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    lock(project)
    return project


def lock(project: Project, *, python: str = "", uv: str = "", onbuild: Sequence[str] = ()) -> None:
    """Pins the external images; a mark makes one another image. onbuild: steps that @python brings."""
    blobs = Blobs(project.root.parent / "blobs")
    images = {
        platform: (stand_in(blobs, platform, mark=python), stand_in(blobs, platform, mark=f"uv{uv}"))
        for platform in (PLATFORM, "linux/arm64")
    }
    if onbuild:
        images = {platform: (_triggering(pair[0], onbuild), pair[1]) for platform, pair in images.items()}
    pins = [pin_of for pair in images.values() for pin_of in _pins(*pair)]
    project.write({"WORKSPACE.lock": print_pins(ImagePins.of(pins))})


def _triggering(image: Image, steps: Sequence[str]) -> Image:
    """Returns the image as if it had been built with ONBUILD."""
    config = json.loads(image.config)
    config["config"]["OnBuild"] = list(steps)
    data = json.dumps(config).encode()
    manifest = json.loads(image.manifest)
    manifest["config"] |= {"digest": sha256_of(data), "size": len(data)}
    return Image.parse(json.dumps(manifest).encode(), data)


def _pins(python: Image, uv: Image) -> list[Pin]:
    return [
        pin(python, python="3.12", libc="glibc 2.34"),
        pin(uv, "uv", "docker.io/library/uv:latest"),
    ]


def target(project: Project, label: str = "//app:app", platform: str = PLATFORM) -> ConfiguredTarget:
    return project.graph(label).targets[ConfiguredLabel(parse_label(label), platform)]


def action(project: Project, label: str = "//app:app") -> Action:
    (found,) = [each for each in target(project, label).actions if each.tool == "dockerfile"]
    return found


def hash_of(project: Project, platform: str = PLATFORM) -> str:
    (found,) = project.hashes("//app:app", platforms=(platform,)).values()
    return found


def refused(project: Project) -> tuple[str, str, str | None]:
    with pytest.raises(UserError) as caught:
        project.hashes("//app:app")
    return str(caught.value.at), caught.value.message, caught.value.hint


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


PACKAGES: dict[str, str | bytes] = {
    "libs/one/BUILD": 'python_package(name = "one", srcs = ["one/__init__.py"])\n',
    "libs/one/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    '[project]\nname = "one"\nversion = "1"\ndependencies = ["two"]\n',
    "libs/one/one/__init__.py": "",
    "libs/two/BUILD": 'python_package(name = "two", srcs = ["two.py"])\n',
    "libs/two/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
    '[project]\nname = "two"\nversion = "1"\n',
    "libs/two/two.py": "",
    "app/Dockerfile": DOCKERFILE + "COPY libs/one libs/two ./libs/\n",
    "app/BUILD": TARGET.format(more='packages = ["//libs/one"]'),
}


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
