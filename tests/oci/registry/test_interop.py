"""What lambdabuild pushes, others read; what others push, it reads."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.layout import LayoutEntry, write_layout
from lambdabuild.oci.media_types import FamilyName
from lambdabuild.oci.registry.repository import Repository
from tests.require import require, require_docker

from ..blobs import Blobs
from ..tools import run
from .asking import push_image
from .real import RealRegistry


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


@pytest.mark.parametrize("family", ["oci", "docker"])
def test_skopeo_reads_what_was_pushed(
    there: Repository, blobs: Blobs, tmp_path: Path, family: FamilyName
) -> None:
    skopeo = require("skopeo")
    image = blobs.image({"a": b"a"}, {"b": b"b"}, family=family)
    push_image(there, image, blobs, "1")
    name = f"docker://{there.name}:1"
    assert run(skopeo, "inspect", "--raw", "--tls-verify=false", name).encode() == image.manifest
    run(skopeo, "copy", "--src-tls-verify=false", name, f"dir:{tmp_path}/copy")
    for layer in image.layers:
        assert sha256_of((tmp_path / "copy" / layer.digest[7:]).read_bytes()) == layer.digest


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_skopeo_pushed_is_read(there: Repository, blobs: Blobs, tmp_path: Path, form: str) -> None:
    skopeo = require("skopeo")
    image = blobs.image({"a": b"a"}, {"b": b"b"})
    write_layout(tmp_path / "layout", [LayoutEntry(image, "x")], blobs.copy)
    source, target = f"oci:{tmp_path}/layout:x", f"docker://{there.name}:1"
    run(skopeo, "copy", "--dest-tls-verify=false", f"--format={form}", source, target)
    assert _layers(there, "1") == [blobs.path(layer.digest).read_bytes() for layer in image.layers]


def test_what_docker_pushed_is_read_and_what_was_pushed_docker_runs(
    there: Repository, registry: RealRegistry, blobs: Blobs
) -> None:
    docker = require_docker()
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as files:
        member = tarfile.TarInfo("hello")
        member.size = 5
        files.addfile(member, io.BytesIO(b"hello"))
    pushed, ours = f"{there.name}:docker", f"{there.name}:ours"
    try:
        subprocess.run([docker, "import", "-", pushed], input=tar.getvalue(), check=True, capture_output=True)
        run(docker, "push", pushed)
        assert [b"hello" in _gunzipped(layer) for layer in _layers(there, "docker")] == [True]
        image = blobs.image({"a": b"a"})
        push_image(there, image, blobs, "ours")
        run(docker, "pull", ours)
        (found,) = json.loads(run(docker, "image", "inspect", ours))
        assert found["Id"] == image.config_digest
    finally:
        subprocess.run([docker, "image", "rm", "--force", pushed, ours], capture_output=True, check=False)


def _layers(there: Repository, version: str) -> list[bytes]:
    """Returns the layers of what is an image by all our rules."""
    manifest = there.resolve(version, "linux/amd64")
    fields = json.loads(manifest.data)["config"]
    image = Image.parse(manifest.data, there.document(fields["digest"], fields["size"]))
    return [b"".join(there.blob(layer.digest, layer.size)) for layer in image.layers]


def _gunzipped(data: bytes) -> bytes:
    return gzip.decompress(data)
