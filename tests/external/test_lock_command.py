"""`lambdabuild lock` for external images, and what builds say without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lambdabuild.external.lock_file import parse_pins
from tests.external.conftest import BUILD, FILES, WORKSPACE, StandIn
from tests.external.stand_ins import base
from tests.oci.blobs import Blobs
from tests.oci.registry.asking import index_of, new_name, push_image, repository
from tests.oci.registry.proxy import Proxy
from tests.oci.registry.real import RealRegistry
from tests.project import Project

BOTH = ("linux/amd64", "linux/arm64")


class Moving:
    """A workspace on a base that somebody pushes for both platforms."""

    def __init__(self, host: str, directory: Path) -> None:
        self.name, self.host = new_name("moving"), host
        self.blobs = Blobs(directory / "blobs")
        workspace = (
            WORKSPACE.replace("HOST", host)
            .replace("lambda/python", self.name)
            .replace("host", "linux/arm64", 1)
        )
        files = {"WORKSPACE.toml": workspace, **FILES}
        self.project = Project(directory / "w", directory / "cache" / "lambdabuild", files, workspace=False)

    def push(self, mark: str = "") -> dict[str, str]:
        """Returns the digest for each platform."""
        images = [base(self.blobs, each, mark=mark, family="oci") for each in BOTH]
        there = repository(self.host, self.name)
        for image in images:
            push_image(there, image, self.blobs, image.digest)
        media_type = "application/vnd.oci.image.index.v1+json"
        assert there.put_manifest(index_of(*images, media_type=media_type), media_type, "3.12") == ()
        return {image.platform: image.digest for image in images}

    def pinned(self) -> dict[str, str]:
        pins = parse_pins((self.project.root / "WORKSPACE.lock").read_bytes())
        return {pin.platform: pin.image.digest for pin in pins.by_key.values()}


@pytest.fixture
def moving(registry: RealRegistry, tmp_path: Path) -> Moving:
    return Moving(registry.host, tmp_path)


def test_lock_pins_and_a_second_lock_writes_nothing(project: Project, stand_in: StandIn) -> None:
    ran = project.run("lock")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("WORKSPACE.lock: 1 pinned\npython.lock: 0 packages")
    assert not (project.root / "python.lock").exists()  # there is nothing to lock
    assert "its layers are read once" in ran.err
    path = project.root / "WORKSPACE.lock"
    before = path.stat().st_mtime_ns
    ran = project.run("lock", "--json")
    (image,) = json.loads(ran.out)["images"]
    assert (image["image"], image["ref"]) == ("@python", "public.ecr.aws/lambda/python:3.12")
    assert path.stat().st_mtime_ns == before
    assert project.run("lock", "--check").code == 0


def test_without_a_pin_a_build_names_the_command(project: Project, gate: Proxy) -> None:
    ran = project.run("build", "//:app")
    assert ran.code == 2
    assert "WORKSPACE.toml:5:1: @python: attribute 'ref' is not pinned for" in ran.err
    assert "hint: lambdabuild lock" in ran.err
    assert gate.requests == []
    ran = project.run("lock", "--check")
    assert ran.code == 1
    assert "is not pinned" in ran.err


def test_a_pin_for_another_ref_does_not_count(project: Project) -> None:
    assert project.run("lock").code == 0
    text = (project.root / "WORKSPACE.toml").read_text()
    project.write({"WORKSPACE.toml": text.replace("3.12", "3.13")})
    assert "is not pinned for" in project.run("build", "//:app").err


def test_all_platforms_that_targets_have_are_pinned(moving: Moving) -> None:
    digests = moving.push()
    assert moving.project.run("lock").code == 0
    assert moving.pinned() == {"linux/arm64": digests["linux/arm64"]}
    lower = 'base_image(name = "lower", base = "@python")\n'
    app = BUILD.replace("@python", ":lower").replace("handler", 'platforms = ["linux/amd64"], handler')
    moving.project.write({"BUILD": lower + app})
    assert moving.project.run("lock").code == 0
    assert moving.pinned() == digests
    assert moving.project.statuses("//:app") == {"//:app": "built"}


def test_a_platform_that_nobody_named_is_not_pinned_and_it_is_said_how(moving: Moving) -> None:
    moving.push()
    assert moving.project.run("lock").code == 0
    ran = moving.project.run("build", "//:app", "--platform", "linux/amd64")
    assert ran.code == 2
    assert "is not pinned for linux/amd64 in WORKSPACE.lock, only for linux/arm64" in ran.err
    assert "hint: lambdabuild lock, once linux/amd64 is among [workspace] platforms" in ran.err


def test_a_tag_that_has_moved_is_drift_until_it_is_upgraded(moving: Moving) -> None:
    old = moving.push()
    assert moving.project.run("lock").code == 0
    before = moving.project.hashes("//:app")
    new = moving.push("new")
    assert moving.project.run("lock").code == 0
    assert moving.pinned() == {"linux/arm64": old["linux/arm64"]}
    ran = moving.project.run("lock", "--check")
    assert ran.code == 1
    assert f"was {old['linux/arm64']} and is {new['linux/arm64']} now" in ran.err
    assert "hint: lambdabuild lock --upgrade @python" in ran.err
    assert moving.project.hashes("//:app") == before
    assert moving.project.run("lock", "--upgrade", "@python").code == 0
    assert moving.pinned() == {"linux/arm64": new["linux/arm64"]}
    assert moving.project.hashes("//:app") != before
    moving.push("newer")
    assert moving.project.run("lock", "--upgrade-all").code == 0
    assert moving.pinned() != {"linux/arm64": new["linux/arm64"]}
    assert moving.project.run("lock", "--check").code == 0


def test_a_lock_that_cannot_be_read_is_an_error_until_all_is_upgraded(moving: Moving) -> None:
    moving.push()
    moving.project.write({"WORKSPACE.lock": "version = 1\nimages = 3\n"})
    for command in (["build", "//:app"], ["lock"], ["lock", "--check"]):
        ran = moving.project.run(*command)
        assert ran.code == 2
        assert "error: WORKSPACE.lock:2:1: images must be a table" in ran.err
        assert "--upgrade-all" in ran.err
    assert moving.project.run("lock", "--upgrade-all").code == 0
    assert [*moving.pinned()] == ["linux/arm64"]


def test_an_image_to_upgrade_has_to_be_declared(project: Project) -> None:
    ran = project.run("lock", "--upgrade", "@pyhton")
    assert ran.code == 2
    assert "did you mean '@python'?" in ran.err


def test_a_workspace_without_external_images_has_no_such_lock(tmp_path: Path) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", {"BUILD": ""})
    assert project.run("lock").out == "python.lock: 0 packages for 0 requirements\n"
    assert not (project.root / "WORKSPACE.lock").exists()


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("@pyhton", "no external image @pyhton"),
        ("@python:3.12", "'@python:3.12' is not a label"),
        ("@", "'@' is not a label"),
    ],
)
def test_a_base_that_is_not_declared_is_an_error_in_its_line(
    project: Project, base: str, message: str
) -> None:
    project.write({"BUILD": BUILD.replace("@python", base)})
    ran = project.run("build", "//:app")
    assert ran.code == 2
    assert "error: BUILD:1:28: " in ran.err
    assert message in ran.err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[images.python]\nreff = "a/b"\n', "WORKSPACE.toml:2:1: unknown key 'reff' in [images.python]"),
        ("[images.python]\n", "WORKSPACE.toml:1:9: [images.python] does not say which image it is"),
        ('[images.all]\nref = "a/b"\n', "WORKSPACE.toml:1:9: there cannot be an image @all"),
        ('[images]\npython = "a/b"\n', "WORKSPACE.toml:2:1: unknown key 'python' in [images]"),
        ("[images.python]\nref = 3\n", "WORKSPACE.toml:2:1: images.python.ref must be a string"),
        ('[registry]\nmirors = ["a=b"]\n', "WORKSPACE.toml:2:1: unknown key 'mirors' in [registry]"),
        (
            '[config.ci.images.python]\nx = "a"\n',
            "WORKSPACE.toml:2:1: unknown key 'x' in [config.ci.images.python]",
        ),
    ],
)
def test_what_the_workspace_says_wrongly_has_its_place(tmp_path: Path, text: str, message: str) -> None:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", {"BUILD": ""})
    project.write({"WORKSPACE.toml": text})
    ran = project.run("build", "//...")
    assert ran.code == 2
    assert f"error: {message}" in ran.err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ('mirrors = ["a"]', "is not a host and the one"),
        ('insecure = ["a/b"]', "is no host to list as insecure"),
    ],
)
def test_registries_that_cannot_be_are_said_when_one_is_asked(
    moving: Moving, setting: str, message: str
) -> None:
    text = (moving.project.root / "WORKSPACE.toml").read_text()
    lines = [line for line in text.splitlines() if not line.startswith(setting.partition(" ")[0])]
    moving.project.write({"WORKSPACE.toml": "\n".join([*lines, setting, ""])})
    ran = moving.project.run("lock")
    assert ran.code == 2
    assert message in ran.err
    assert "error: WORKSPACE.toml: " in ran.err


def test_a_configuration_may_take_another_image(project: Project) -> None:
    text = (project.root / "WORKSPACE.toml").read_text()
    project.write({"WORKSPACE.toml": text + '\n[config.next.images.python]\nref = "a.invalid/b:c"\n'})
    assert project.run("lock").code == 0
    assert project.run("build", "//:app").code == 0
    ran = project.run("build", "--config", "next", "//:app")
    assert ran.code == 2
    assert "a.invalid/b:c" in ran.err
