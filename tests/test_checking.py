"""lambdabuild check: what Lambda would refuse, and what could not be looked at."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdabuild.external.lock_file import print_pins
from lambdabuild.external.pins import ImagePins
from lambdabuild.oci.conformance import CHECKS
from tests.external.stand_ins import base, pin
from tests.oci.blobs import Blobs
from tests.oci.registry.asking import new_name, push_image, repository
from tests.oci.registry.real import RealRegistry
from tests.project import Project
from tests.require import require

NAMES = [check.name for check in CHECKS]
GOOD = 'lambda_image(name = "good", base = "scratch", srcs = ["app.py"], handler = "app.main")\n'
BAD = 'lambda_image(name = "bad", base = "scratch", srcs = ["app.py"], entrypoint = ["/nothing"])\n'
FILES: dict[str, str | bytes] = {
    "BUILD": GOOD + BAD + 'files(name = "other", srcs = ["app.py"])\n',
    "app.py": "def main(e, c): ...\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)


def test_what_failed_is_told_with_what_to_do(project: Project) -> None:
    ran = project.run("check", "//...")
    assert ran.code == 1
    assert ran.out.splitlines() == [
        "failed       //:bad  linux/amd64  entrypoint",
        "             the entrypoint '/nothing' is not in the image",
        "  hint: correct the entrypoint, or chmod a+x it",
    ]
    assert ran.err == f"2 images: {2 * len(NAMES) - 1} passed, 1 failed\n"


def test_what_passed_is_told_when_it_is_asked_for(project: Project) -> None:
    ran = project.run("check", "//:good")
    assert (ran.code, ran.out) == (0, "")
    ran = project.run("check", "//:good", "--verbose")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["passed", "//:good", "linux/amd64", name] for name in NAMES
    ]
    (image,) = json.loads(project.run("check", "--json", "//:good").out)["images"]
    assert [each["check"] for each in image["checks"]] == NAMES
    assert {each["state"] for each in image["checks"]} == {"passed"}
    assert all(each["reason"] for each in image["checks"])


def test_every_handler_of_an_image_is_looked_for(project: Project) -> None:
    """Analysis takes any module for there that a package may bring; the check looks into the layers."""
    session = project.session()
    project.write({"BUILD": GOOD.replace("handler", 'functions = {"a": "app.a", "b": "app.main"}, handler')})
    (target,) = [t for t in session.evaluate(project.question("//:good")).graph.targets.values() if t.image]
    assert target.handlers == ("app.main", "app.a")


def test_what_is_likely_to_be_a_mistake_is_told_and_does_not_fail(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The image is built for real; all that there are warnings of, tests/dockerfile shows."""
    require("buildah")
    monkeypatch.setenv("LAMBDABUILD_EXECUTOR_ENGINE", "buildah")
    project.write({"Dockerfile": "FROM scratch\nCOPY app.py /var/task/\n", "vain.txt": ""})
    project.write(
        {"BUILD": GOOD.replace('base = "scratch"', 'dockerfile = "Dockerfile"').replace("[", '["vain.txt", ')}
    )
    ran = project.run("check", "//:good")
    assert ran.code == 0, ran.err
    warning = "vain.txt is declared, and no COPY or ADD of Dockerfile takes it"
    assert ran.out.splitlines() == ["warning      //:good  linux/amd64", f"             {warning}"]
    assert ran.err.endswith(f"1 image: {len(NAMES)} passed, 1 warning\n")
    (image,) = json.loads(project.run("check", "--json", "//:good").out)["images"]
    assert image["warnings"] == [warning]


def test_what_is_no_image_cannot_be_checked(project: Project) -> None:
    ran = project.run("check", "//:other")
    assert ran.code == 2
    assert ran.err.startswith("error: none of the targets is an image")
    assert not project.stored()


def test_layers_that_are_not_here_are_not_checked_unless_they_are_fetched(
    registry: RealRegistry, tmp_path: Path
) -> None:
    blobs = Blobs(tmp_path / "blobs")
    image, name = base(blobs), new_name("checked")
    ref = f"{registry.host}/{name}:3.12"
    push_image(repository(registry.host, name), image, blobs, "3.12")
    pins = ImagePins.of([pin(image, ref=ref, python="3.12", libc="glibc 2.34")])
    files: dict[str, str | bytes] = {
        "WORKSPACE.toml": f'[workspace]\n[images.python]\nref = "{ref}"\n',
        "WORKSPACE.lock": print_pins(pins),
        "BUILD": GOOD.replace("scratch", "@python"),
        "app.py": FILES["app.py"],
    }
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", files)
    ran = project.run("check", "//:good")
    assert ran.code == 0
    assert "not checked  //:good  linux/amd64  entrypoint\n" in ran.out
    assert "             the entrypoint '/lambda-entrypoint.sh' is not in the image as far as" in ran.out
    (shared,) = [line for line in ran.out.splitlines() if "gzip-layers" in line]
    assert "diff-ids, unpacked-size, parents" in shared
    assert "are not held here" in ran.out
    ran = project.run("check", "//:good", "--full")
    assert ran.code == 1
    assert "failed       //:good  linux/amd64  entrypoint" in ran.out
    assert "not checked" not in ran.out + ran.err
