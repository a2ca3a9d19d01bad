from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import hex_of, sha256_of
from lambdabuild.oci.docker_archive import write_docker_archive
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.media_types import FamilyName
from tests.require import require

from .blobs import Blobs
from .tools import run


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


def test_an_archive_lists_config_tag_and_layers_in_order(blobs: Blobs) -> None:
    image = blobs.image({"a": b"a"}, {"b": b"b"}, {"a": b"a"})  # one layer twice
    out = io.BytesIO()
    write_docker_archive(image, "lambda/a:b3-0", blobs.path, out)
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        found = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        data = {name: file.read() for name, file in found.items() if file is not None}
    (listing,) = json.loads(data.pop("manifest.json"))
    assert listing["RepoTags"] == ["lambda/a:b3-0"]
    assert data.pop(listing["Config"]) == image.config
    assert [sha256_of(data[name]) for name in listing["Layers"]] == [layer.digest for layer in image.layers]
    assert data.keys() == set(listing["Layers"])


@pytest.mark.parametrize("family", ["oci", "docker"])
def test_skopeo_reads_an_archive(tmp_path: Path, blobs: Blobs, family: FamilyName) -> None:
    skopeo = require("skopeo")
    image = blobs.image({"a": b"a"}, {"b": b"b"}, family=family)
    with (tmp_path / "image.tar").open("wb") as out:
        write_docker_archive(image, "a:b", blobs.path, out)
    config = run(skopeo, "inspect", "--config", "--raw", f"docker-archive:{tmp_path}/image.tar:a:b")
    assert config.encode() == image.config
    # Blobs are copied whole: their bytes have to be the diff_ids'.
    run(skopeo, "copy", f"docker-archive:{tmp_path}/image.tar", f"dir:{tmp_path}/copy")


def test_an_archive_depends_on_the_image_alone(blobs: Blobs) -> None:
    image, outs = blobs.image({"a": b"a"}), (io.BytesIO(), io.BytesIO())
    for out in outs:
        write_docker_archive(image, "a:b", blobs.path, out)
    assert outs[0].getvalue() == outs[1].getvalue()


@pytest.mark.parametrize("tag", ["", "a", ":b", "a:", "host:5000/a", "a@sha256:00"])
def test_what_is_no_tag_is_refused(blobs: Blobs, tag: str) -> None:
    with pytest.raises(ImageError, match=r"is not a tag$"):
        write_docker_archive(blobs.image(), tag, blobs.path, io.BytesIO())


def test_a_tag_may_have_a_registry_with_a_port(blobs: Blobs) -> None:
    write_docker_archive(blobs.image(), "host:5000/a/b:c", blobs.path, io.BytesIO())


def test_a_layer_of_another_size_is_refused(tmp_path: Path, blobs: Blobs) -> None:
    image = blobs.image({"a": b"a"})
    (tmp_path / "cut").write_bytes(b"cut")
    with pytest.raises(ExternalError, match=rf"^'{hex_of(image.layers[0].digest)}.tar' yields fewer than"):
        write_docker_archive(image, "a:b", lambda _: tmp_path / "cut", io.BytesIO())
