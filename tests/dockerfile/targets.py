"""A workspace with an image from a Dockerfile, on a base of its own, with an external image beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from lambdabuild.action import Action
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import UserError
from lambdabuild.external.lock_file import print_pins
from lambdabuild.external.pins import ImagePins, Pin
from lambdabuild.label import parse_label
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
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
