"""Documents that are not an image one could build on, each with what is said of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer

from .strategies import images

LAYER = Layer(diff_id=sha256_of(b"tar"), digest=sha256_of(b"gz"), size=2, uncompressed_size=3)
BASE = Image.scratch("linux/amd64").append([LAYER], ["made"]).with_config(env={"A": "b"})
DOCKER = Image.scratch("linux/amd64", family="docker").append([LAYER], ["made"])

GONE = object()


def changed(data: bytes, path: str, value: Any) -> bytes:
    """Returns the document with the field at a dotted path set, or taken out if GONE."""
    document = json.loads(data)
    *parents, last = [int(key) if key.isdecimal() else key for key in path.split(".")]
    inner = document
    for key in parents:
        inner = inner[key]
    if value is GONE:
        del inner[last]
    else:
        inner[last] = value
    return json.dumps(document).encode()


def parse_with(image: Image, **fields: Any) -> Image:
    """Parses the image with fields of its manifest changed."""
    manifest = image.manifest
    for path, value in fields.items():
        manifest = changed(manifest, path.replace("__", "."), value)
    return Image.parse(manifest, image.config)


def parse_with_config(path: str, value: Any) -> Image:
    """Parses BASE with a changed config that its manifest does name."""
    config = changed(BASE.config, path, value)
    manifest = changed(BASE.manifest, "config.digest", sha256_of(config))
    return Image.parse(changed(manifest, "config.size", len(config)), config)


OCI_TAR = "application/vnd.oci.image.layer.v1.tar"
DOCKER_TAR = "application/vnd.docker.image.rootfs.diff.tar"


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("manifests", [], "^this is an index of several manifests, not the manifest of one image$"),
        ("schemaVersion", 1, "^manifests of schema version 1 are not supported$"),
        ("schemaVersion", GONE, "^manifests of schema version None are not supported$"),
        ("mediaType", "application/x", "^the manifest has the media type 'application/x', which is not"),
        ("mediaType", 7, "^'mediaType' of the manifest is not a string$"),
        ("config", GONE, "^the manifest has no 'config'$"),
        ("config.mediaType", "application/vnd.oci.empty.v1+json", "has no place in an image$"),
        ("config.digest", "sha256:12", "^'digest' of 'config' of the manifest is not a sha256 digest"),
        ("config.digest", "sha512:" + "0" * 128, "is not a sha256 digest"),
        ("config.digest", sha256_of(b"other"), "^the manifest names the config .* but this one is"),
        ("config.size", 1, r"^the manifest names the config sha256:\w+ of 1 bytes, but this one"),
        ("layers", GONE, "^the manifest has no 'layers'$"),
        ("layers", {}, "^'layers' of the manifest is not a list$"),
        ("layers", [], "^the manifest has 0 layers, but the config has 1 diff_ids$"),
        ("layers", ["x"], "^'layers' of the manifest is not a list of objects$"),
        ("layers.0.size", -1, r"^'size' of layers\[0\] of the manifest is not a size: -1$"),
        ("layers.0.size", "1", r"^'size' of layers\[0\] of the manifest is not a number$"),
        ("layers.0.digest", GONE, r"^layers\[0\] of the manifest has no 'digest'$"),
        ("layers.0.mediaType", OCI_TAR + "+zstd", "^the layer sha256:.* is compressed with zstd"),
        (
            "layers.0.mediaType",
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "^the layer sha256:.* is foreign: its bytes are not in the registry$",
        ),
        ("layers.0.mediaType", "application/vnd.in-toto+json", "has no place in an image$"),
        ("layers.0.mediaType", DOCKER_TAR + ".gzip", "but the manifest is of the oci family$"),
    ],
)
def test_a_manifest_that_is_not_an_images_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        parse_with(BASE, **{path: value})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("layers.0.mediaType", OCI_TAR, "but the manifest is of the docker family$"),
        ("config.mediaType", "application/vnd.oci.image.config.v1+json", "^the config .* docker family$"),
        ("layers.0.mediaType", DOCKER_TAR.replace("diff", "foreign.diff"), "is foreign"),
        ("layers.0.mediaType", DOCKER_TAR + ".zstd", "is compressed with zstd"),
        ("mediaType", GONE, "but the manifest is of the oci family$"),
    ],
)
def test_a_docker_manifest_with_strangers_in_it_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        parse_with(DOCKER, **{path: value})


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("os", GONE, "^the config has no 'os'$"),
        ("architecture", None, "^the config has no 'architecture'$"),
        ("architecture", "", "^the config is for no platform: os 'linux', architecture ''$"),
        ("architecture", "arm64/v8", "^the config is for no platform"),
        ("rootfs", GONE, "^the config has no 'rootfs'$"),
        ("rootfs.type", "blobs", "^'rootfs' of the config has the type 'blobs', not 'layers'$"),
        ("rootfs.diff_ids", [], "^the manifest has 1 layers, but the config has 0 diff_ids$"),
        ("rootfs.diff_ids", ["sha1:00"], "^'diff_ids' of 'rootfs' of the config is not a sha256 digest"),
        ("history", ["x"], "^'history' of the config is not a list of objects$"),
        ("config", [], "^'config' of the config is not an object$"),
        ("config.Env", [1], "^'Env' of 'config' of the config is not a list of strings$"),
        ("config.Labels", {"a": 1}, "^'Labels' of 'config' of the config does not map strings to strings$"),
        ("config.Cmd", "python", "^'Cmd' of 'config' of the config is not a list$"),
        ("config.User", 7, "^'User' of 'config' of the config is not a string$"),
    ],
)
def test_a_config_that_is_not_an_images_is_refused(path: str, value: Any, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        parse_with_config(path, value)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"", "^the manifest is not valid JSON: "),
        (b"{" * 100_000, "^the manifest is not valid JSON: "),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "^the manifest is not valid JSON: "),
        (b"null", "^the manifest is not a JSON object$"),
        (b'{"schemaVersion":2,"schemaVersion":2}', "'schemaVersion' occurs twice"),
        (b'{"x":"\\ud800"}', "^the manifest is not valid JSON: "),
        (b'{"x":1e999}', "^the manifest is not valid JSON: "),
        (b'{"x":-Infinity}', "-Infinity is no number"),
        (BASE.manifest.decode().encode("utf-16"), "^the manifest is not valid JSON: "),
    ],
)
def test_a_manifest_that_parsers_could_read_differently_is_refused(manifest: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        Image.parse(manifest, BASE.config)


def test_an_index_is_refused_with_advice() -> None:
    with pytest.raises(UserError) as caught:
        parse_with(BASE, manifests=[])
    assert caught.value.hint == "name the manifest of one platform by its digest"


def test_what_go_leaves_out_or_writes_as_null_may_be_missing() -> None:
    assert parse_with(BASE, mediaType=GONE).family == "oci"
    assert parse_with_config("config", None).env == {}
    assert parse_with_config("history", None).diff_ids == BASE.diff_ids
    scratch = Image.scratch("linux/amd64")
    config = changed(scratch.config, "rootfs.diff_ids", GONE)
    manifest = changed(scratch.manifest, "config.digest", sha256_of(config))
    manifest = changed(changed(manifest, "config.size", len(config)), "layers", None)
    assert Image.parse(manifest, config).append([LAYER], ["x"]).diff_ids == (LAYER.diff_id,)


def test_layers_that_are_plain_tars_are_an_images_too() -> None:
    assert parse_with(BASE, layers__0__mediaType=OCI_TAR).layers[0].media_type == OCI_TAR


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("sha256:" + "0" * 64),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=3), below, max_size=2),
    max_leaves=4,
)


@given(images, st.data())
def test_documents_from_outside_are_read_or_refused_and_nothing_else(
    image: Image, data: st.DataObject
) -> None:
    manifest, config = json.loads(image.manifest), json.loads(image.config)
    for document in (manifest, config):
        for inner in (document, document.get("config"), document.get("rootfs")):
            if isinstance(inner, dict) and inner and data.draw(st.booleans()):
                inner[data.draw(st.sampled_from(sorted(inner)))] = data.draw(anything)
    config_bytes = json.dumps(config).encode()
    if isinstance(manifest.get("config"), dict) and data.draw(st.booleans()):
        manifest["config"].update(digest=sha256_of(config_bytes), size=len(config_bytes))
    try:
        parsed = Image.parse(json.dumps(manifest).encode(), config_bytes)
    except ImageError:
        return
    assert parsed.append([LAYER], ["x"]).with_config(env={"A": "b"}).env["A"] == "b"
