"""Images on a base from a registry: its layers go from registry to registry, or nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdabuild.external.lock_file import print_pins
from lambdabuild.external.pins import ImagePins
from lambdabuild.oci.image import Image
from lambdabuild.store.local import LocalStore
from tests.external.stand_ins import base, pin
from tests.oci.blobs import Blobs
from tests.oci.registry.asking import push_image, repository
from tests.oci.registry.proxy import Proxy, reply
from tests.oci.registry.real import RealRegistry
from tests.oci.registry.server import Reply
from tests.project import Project

from .conftest import HANDLER
from .pushes import Place, push, statuses

NAME = "lambda/python"
BUILD = """
lambda_image(name = "one", base = "@python", srcs = ["one.py"], handler = "one.main")
base_image(name = "mine", base = "@python", srcs = ["two.py"])
lambda_image(name = "two", base = ":mine", srcs = {"one.py": "three.py"}, handler = "three.main")
"""


@pytest.fixture
def source(other_registry: RealRegistry) -> Iterator[Proxy]:
    """The registry that the base is in."""
    with Proxy(other_registry.host) as proxy:
        yield proxy


@pytest.fixture
def image(source: Proxy, tmp_path: Path) -> Image:
    blobs = Blobs(tmp_path / "blobs")
    image = base(blobs)
    push_image(repository(source.upstream, NAME), image, blobs, "3.12")
    return image


@pytest.fixture
def project(source: Proxy, image: Image, tmp_path: Path) -> Project:
    ref = f"{source.host}/{NAME}:3.12"
    pins = ImagePins.of([pin(image, ref=ref, python="3.12", libc="glibc 2.34")])
    return Project(
        tmp_path / "w",
        tmp_path / "cache" / "lambdabuild",
        {
            "WORKSPACE.toml": f'[workspace]\n[images.python]\nref = "{ref}"\n',
            "WORKSPACE.lock": print_pins(pins),
            "BUILD": BUILD,
            "one.py": HANDLER,
            "two.py": HANDLER,
        },
    )


def test_the_layers_of_a_base_are_copied_once_and_kept_nowhere_here(
    project: Project, place: Place, source: Proxy, image: Image
) -> None:
    results = push(project, place, "//:one", "//:two")
    assert set(statuses(results).values()) == {"pushed"}
    assert results.keys() == {"//:one", "//:two", "//:mine", "@python"}
    copied = [request.path.rpartition("/")[2] for request in source.asked("GET", "/blobs/")]
    assert sorted(copied) == sorted(layer.digest for layer in image.layers)
    there = place.repository("external/python")
    assert there.manifest(there.tags()[0]).data == image.manifest
    for result in results.values():
        assert result.delivered
        below = {"@python": 0, "//:one": 2, "//:mine": 2, "//:two": 3}[str(result.id.label)]
        assert result.delivered.mounted == below
    held = {path.stat().st_size for path in (project.cache / "cas").rglob("*") if path.is_file()}
    assert not held & {layer.size for layer in image.layers}


def test_a_later_image_mounts_what_was_copied_and_asks_the_source_nothing(
    project: Project, place: Place, source: Proxy, image: Image
) -> None:
    push(project, place, "//:one")
    source.requests.clear()
    results = push(project, place, "//:two")
    assert statuses(results) == {"//:two": "pushed", "//:mine": "pushed", "@python": "adopted"}
    assert source.requests == []


def test_within_the_registry_of_the_base_its_layers_are_mounted_from_where_it_is(
    project: Project, source: Proxy, image: Image
) -> None:
    place = Place(source)
    results = push(project, place, "//:one")
    assert statuses(results) == {"//:one": "pushed"}
    delivered = results["//:one"].delivered
    assert delivered
    assert delivered.mounted == len(image.layers)
    assert source.asked("GET", "/blobs/") == []


def test_layers_that_are_held_here_are_sent_from_here(project: Project, place: Place, source: Proxy) -> None:
    assert project.build("//:mine", full=True).errors == ()
    source.requests.clear()
    assert set(statuses(push(project, place, "//:mine")).values()) == {"pushed"}
    assert source.requests == []


def test_wrong_bytes_are_never_passed_on(project: Project, place: Place, source: Proxy, image: Image) -> None:
    layer = image.layers[0]
    source.plan("GET", f"/blobs/{layer.digest}", reply(Reply(200, bytes(layer.size))), times=10)
    results = push(project, place, "//:one", jobs=1)
    assert statuses(results) == {"//:one": "failed", "@python": "failed"}
    assert layer.digest in str(results["//:one"].error)
    assert not place.repository("external/python").has_blob(layer.digest)
    assert not place.tags("one")


def test_an_external_image_is_pushed_when_it_is_asked_for(
    project: Project, place: Place, image: Image
) -> None:
    results = push(project, place, "@python", tags=["3.12"])
    assert statuses(results) == {"@python": "pushed"}
    assert place.repository("external/python").manifest("3.12").data == image.manifest


def test_the_store_is_left_alone(project: Project, place: Place) -> None:
    before = project.run("build", "//...")
    assert before.code == 0, before.err
    stored = project.stored()
    push(project, place, "//:one", "//:two")
    assert {path for path in project.stored() - stored if "/cas/" in path and Path(path).is_file()} == set()
    assert LocalStore(project.cache).scratch.exists()
