"""Archives that engines save: read once, whole or not at all, and believed in nothing."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.oci import documents
from lambdabuild.oci.config import CREATED, parse_config
from lambdabuild.oci.digest import OciDigest, hex_of, sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.foreign_archive import SavedImage, read_archive
from lambdabuild.oci.foreign_image import derived
from lambdabuild.oci.foreign_search import find
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer
from tests.engines.saved import archive_of

from .blobs import Blobs
from .tars import Member, directory, hardlink, member, symlink, tar_of

ONE = tar_of(member("a", b"one"))
TWO = tar_of(member("b", b"two" * 400))


class Stopped(Exception):
    pass


def read(archive: bytes, path: Path, known: Sequence[OciDigest] = ()) -> SavedImage:
    spool = path / "spool"
    spool.mkdir()
    return read_archive(io.BytesIO(archive), spool, known, lambda: None)


def oci_archive(*layers: bytes, compressed: bool) -> bytes:
    """Returns what Docker from 25 on saves: an OCI layout, with manifest.json beside it."""
    config = json.dumps(
        {
            "os": "linux",
            "architecture": "amd64",
            "rootfs": {"type": "layers", "diff_ids": [sha256_of(layer) for layer in layers]},
        }
    ).encode()
    blobs = [gzip.compress(layer) if compressed else layer for layer in layers]
    names = {f"blobs/sha256/{hex_of(sha256_of(blob))}": blob for blob in [*blobs, config]}
    listing = [{"Config": list(names)[-1], "RepoTags": None, "Layers": list(names)[:-1]}]
    return tar_of(
        directory("blobs"),
        directory("blobs/sha256"),
        *(member(name, blob) for name, blob in names.items()),
        member("index.json", b'{"schemaVersion":2,"manifests":[]}'),
        member("manifest.json", json.dumps(listing).encode()),
        member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
    )


def test_the_layers_of_an_archive_are_found_by_what_they_hold(tmp_path: Path) -> None:
    found = read(archive_of([ONE, TWO]), tmp_path)
    assert [path.read_bytes() for path in found.tars if path] == [ONE, TWO]
    assert found.config.diff_ids == (sha256_of(ONE), sha256_of(TWO))


def test_layers_that_are_known_are_not_kept(tmp_path: Path) -> None:
    found = read(archive_of([ONE, TWO]), tmp_path, [sha256_of(ONE)])
    assert [path and path.read_bytes() for path in found.tars] == [None, TWO]
    assert ONE not in [path.read_bytes() for path in (tmp_path / "spool").iterdir()]


@pytest.mark.parametrize("compressed", [False, True])
def test_archives_of_newer_daemons_are_layouts(tmp_path: Path, compressed: bool) -> None:
    found = read(oci_archive(ONE, TWO, compressed=compressed), tmp_path)
    assert [path.read_bytes() for path in found.tars if path] == [ONE, TWO]


def test_a_layer_that_an_image_has_twice_may_be_a_link(tmp_path: Path) -> None:
    config = json.loads(json.dumps({"os": "linux", "architecture": "amd64"}))
    config["rootfs"] = {"type": "layers", "diff_ids": [sha256_of(ONE)] * 2}
    listing = [{"Config": "c.json", "Layers": ["x/layer.tar", "y/layer.tar"]}]
    archive = tar_of(
        symlink("x/layer.tar", "../y/layer.tar"),
        member("y/layer.tar", ONE),
        member("c.json", json.dumps(config).encode()),
        member("manifest.json", json.dumps(listing).encode()),
    )
    assert [path.read_bytes() for path in read(archive, tmp_path).tars if path] == [ONE, ONE]


def test_an_archive_that_ends_anywhere_is_no_image(tmp_path: Path) -> None:
    archive = archive_of([ONE, TWO])
    whole = archive.index(b'"Layers"') + 200
    for size in range(0, whole, 512 + 37):
        at = tmp_path / str(size)
        at.mkdir()
        with pytest.raises(ImageError, match=r"^what the engine saved is no image: "):
            read(archive[:size], at)


@pytest.mark.parametrize("byte", [600, 1200, 3000])
def test_a_layer_that_was_changed_on_the_way_is_not_the_images(tmp_path: Path, byte: int) -> None:
    archive = bytearray(archive_of([tar_of(member("a", b"x" * 5000))]))
    archive[1024 + byte] ^= 1
    with pytest.raises(ImageError, match="its layers are not those that its config names"):
        read(bytes(archive), tmp_path)


def test_a_gzip_that_is_damaged_is_an_error(tmp_path: Path) -> None:
    archive = bytearray(oci_archive(TWO, compressed=True))
    archive[archive.index(b"\x1f\x8b") + 15] ^= 0xFF
    with pytest.raises((ExternalError, ImageError)):
        read(bytes(archive), tmp_path)


def _manifest(document: object) -> Member:
    return member("manifest.json", json.dumps(document).encode())


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (b"no tar at all" * 100, "not a tar that can be read"),
        (tar_of(), "it lacks 'manifest.json'"),
        (tar_of(member("../x")), "is not a name within the image"),
        (tar_of(member("/x")), "is not a name within the image"),
        (tar_of(symlink("x", "../../etc/passwd")), "is not a name within the image"),
        (tar_of(symlink("x", "/etc/passwd")), "is not a name within the image"),
        (tar_of(member("x"), member("x")), "it has 'x' twice"),
        (tar_of(hardlink("x", "y")), "is neither file nor link"),
        (tar_of(member("manifest.json", b"[")), "is not valid JSON"),
        (tar_of(_manifest({})), "is not a list"),
        (tar_of(_manifest([])), "it holds 0 images"),
        (tar_of(_manifest([{"Config": "a"}] * 2)), "it holds 2 images"),
        (tar_of(_manifest([{"Config": "../a", "Layers": []}])), "is not a name within the image"),
        (tar_of(_manifest([{"Config": "a", "Layers": []}])), "it lacks 'a'"),
        (tar_of(_manifest([{"Layers": []}])), "has no 'Config'"),
    ],
)
def test_what_is_no_archive_of_one_image_is_refused(tmp_path: Path, archive: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=re.escape(message)):
        read(archive, tmp_path)


def test_a_document_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdabuild.oci.foreign_archive.MAX_DOCUMENT", 100)
    with pytest.raises(ImageError, match="is no document, or too large"):
        read(archive_of([ONE]), tmp_path)


def test_archives_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdabuild.oci.foreign_archive.MAX_BYTES", 2000)
    with pytest.raises(ImageError, match="it unpacks to more than"):
        read(archive_of([ONE]), tmp_path)


def test_reading_can_be_stopped(tmp_path: Path) -> None:
    def check() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        read_archive(io.BytesIO(archive_of([ONE])), tmp_path, (), check)


def made_on(root: Image, layers: Sequence[Layer | None], tmp_path: Path, **fields: Any) -> Image:
    """Returns what becomes of an image that an engine made with as many layers on the root."""
    tars = [tar_of(member(f"new-{number}")) for number in range(len(layers))]
    rootfs = {"type": "layers", "diff_ids": [*root.diff_ids, *map(sha256_of, tars)]}
    fields = {"rootfs": rootfs, "platform": "linux/amd64"} | fields
    archive = archive_of([], **{**fields, "rootfs": {"type": "layers", "diff_ids": []}})
    found = read(archive, tmp_path).config
    document = {**found.document, "rootfs": fields["rootfs"]}
    return derived(root, parse_config(documents.encode(document)), layers)


@pytest.mark.parametrize("family", ["oci", "docker"])
def test_an_image_keeps_its_roots_family_layers_and_history(tmp_path: Path, family: Any) -> None:
    blobs = Blobs(tmp_path / "blobs")
    root = blobs.image({"a": b"a"}, {"b": b"b"}, family=family)
    layer = blobs.layer({"c": b"c"})
    made = made_on(root, [layer, None], tmp_path)
    assert (made.family, made.layers[:2], made.diff_ids) == (
        family,
        root.layers,
        (*root.diff_ids, layer.diff_id),
    )
    history = made.document["history"]
    assert history[:2] == root.document["history"]
    assert [entry.get("empty_layer", False) for entry in history] == [False, False, False, True]
    assert {entry["created"] for entry in history[2:]} == {CREATED}


def test_nothing_of_the_engine_is_in_the_config(tmp_path: Path) -> None:
    text = made_on(Image.scratch("linux/amd64"), [], tmp_path).config.decode()
    for fingerprint in ("0123456789ab", "docker_version", "20.10.24", "buildkit", "2026", "Hostname"):
        assert fingerprint not in text


def test_steps_are_told_as_the_engine_tells_them(tmp_path: Path) -> None:
    layer = Blobs(tmp_path / "blobs").layer({"c": b"c"})
    history = [
        {"created_by": "RUN make # buildkit", "comment": "buildkit.dockerfile.v0"},
        {"created_by": "ENV A=b", "empty_layer": True},
    ]
    made = made_on(Image.scratch("linux/amd64"), [layer], tmp_path, history=history)
    assert made.document["history"] == [
        {"created": CREATED, "created_by": "RUN make"},
        {"created": CREATED, "created_by": "ENV A=b", "empty_layer": True},
    ]


@pytest.mark.parametrize(
    "history", [[], [{"created_by": "x", "empty_layer": True}], [{"created_by": str(n)} for n in range(9)]]
)
def test_a_history_that_does_not_fit_the_layers_is_not_believed(tmp_path: Path, history: list[Any]) -> None:
    layer = Blobs(tmp_path / "blobs").layer({"c": b"c"})
    made = made_on(Image.scratch("linux/amd64"), [layer], tmp_path, history=history)
    assert [entry.get("empty_layer", False) for entry in made.document["history"]] == [False]


def test_an_image_on_something_else_is_refused(tmp_path: Path) -> None:
    root = Blobs(tmp_path / "blobs").image({"a": b"a"})
    with pytest.raises(ImageError, match="does not stand on the image"):
        made_on(root, [], tmp_path, rootfs={"type": "layers", "diff_ids": [sha256_of(ONE)]})


def test_an_image_for_another_platform_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is for linux/arm64, not for linux/amd64"):
        made_on(Image.scratch("linux/amd64"), [], tmp_path, platform="linux/arm64")


def test_bytes_are_found_in_contents_names_and_links(tmp_path: Path) -> None:
    tar = tmp_path / "tar"
    tar.write_bytes(
        tar_of(
            member("dir/plain", b"x" * 511 + b"needle-one" + b"y"),
            member("dir/needle-two"),
            symlink("dir/link", "needle-three"),
        )
    )
    assert find(tar, [b"needle-one"]) == "dir/plain"
    assert find(tar, [b"absent", b"needle-two"]) == "dir/needle-two"
    assert find(tar, [b"needle-three"]) == "dir/link"
    assert find(tar, [b"absent"]) is None
