"""Images made wrong on purpose by hand, each with the checks that have to fail, and no other."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdabuild.oci.conformance import CHECKS
from lambdabuild.oci.conformance.document_checks import MAX_LAYERS, MAX_MANIFEST
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.media_types import DOCKER, OCI, OCI_INDEX

from .conformance_images import Made, image_of
from .tars import directory, hardlink, member, symlink, tar_of

APP = tar_of(directory("var"), directory("var/task"), member("var/task/app.py", b"def main(): ..."))
OTHER = sha256_of(b"other")
IMAGE = image_of(APP)
DOCKERS = image_of(APP, family="docker")


def below(*parts: str, **last: Any) -> bytes:
    """Returns the tar of a file and the directories above it."""
    above = [directory("/".join(parts[:end])) for end in range(1, len(parts))]
    return tar_of(*above, member("/".join(parts), **last))


def index(**fields: Any) -> Made:
    """What BuildKit pushes by default: an index of an image and its attestation."""
    attestation = {"vnd.docker.reference.type": "attestation-manifest"}
    manifests = [
        {"mediaType": OCI.manifest, "digest": OTHER, "size": 1, "platform": {"os": "linux"}},
        {"mediaType": OCI.manifest, "digest": OTHER, "size": 1, "annotations": attestation},
    ]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests} | fields
    return Made(json.dumps(document).encode(), b"{}", {}, OCI_INDEX)


def attestation() -> Made:
    """BuildKit's attestation: the manifest of a statement, for no platform."""
    made = image_of(b'{"_type": "https://in-toto.io/Statement/v0.1"}', compress=lambda data: data)
    made = made.with_layer(0, mediaType="application/vnd.in-toto+json")
    return made.with_config(architecture="unknown", os="unknown")


def cut(data: bytes) -> bytes:
    return gzip.compress(data)[:-10]


WRONG: list[tuple[str, Callable[[], Made], set[str], str]] = [
    ("an index", index, {"single-image"}, "it is an index of 2 manifests"),
    (
        "a manifest list",
        lambda: index(mediaType="application/vnd.docker.distribution.manifest.list.v2+json"),
        {"single-image"},
        "it is an index of 2 manifests",
    ),
    (
        "an attestation",
        attestation,
        {"single-image", "platform", "gzip-layers", "layer-bytes"},
        "is an attestation, not files",
    ),
    (
        "an artifact",
        lambda: IMAGE.with_manifest(artifactType="application/spdx+json"),
        {"single-image"},
        "the manifest is that of an artifact: 'application/spdx+json'",
    ),
    ("schema 1", lambda: IMAGE.with_manifest(schemaVersion=1), {"single-image"}, "its schema version is 1"),
    (
        "two media types",
        lambda: Made(IMAGE.manifest, IMAGE.config, IMAGE.blobs, DOCKER.manifest),
        {"single-image"},
        f"the manifest says that it is '{OCI.manifest}', and is kept as '{DOCKER.manifest}'",
    ),
    (
        "a long manifest",
        lambda: IMAGE.with_manifest(annotations={"a": "b" * MAX_MANIFEST}),
        {"manifest-size"},
        f"bytes, and must have less than {MAX_MANIFEST}",
    ),
    (
        "an OCI layer in a Docker manifest",
        lambda: DOCKERS.with_layer(0, mediaType=OCI.gzip_layer),
        {"one-family"},
        f"has the media type '{OCI.gzip_layer}', but the manifest is of the docker family",
    ),
    (
        "a Docker config in an OCI manifest",
        lambda: IMAGE.with_manifest(config=json.loads(DOCKERS.manifest)["config"]),
        {"one-family"},
        f"the config has the media type '{DOCKER.config}', but the manifest is of the oci family",
    ),
    (
        "an empty config",
        lambda: IMAGE.with_manifest(
            config=json.loads(IMAGE.manifest)["config"] | {"mediaType": "application/vnd.oci.empty.v1+json"}
        ),
        {"config"},
        "the config has the media type 'application/vnd.oci.empty.v1+json'",
    ),
    (
        "another config",
        lambda: IMAGE.with_manifest(
            config=json.loads(IMAGE.manifest)["config"] | {"digest": OTHER, "size": 5}
        ),
        {"config"},
        f"the manifest names {OTHER} of 5 bytes, and this is {sha256_of(IMAGE.config)}",
    ),
    (
        "a config of nothing",
        lambda: IMAGE.with_config(rootfs=None),
        {"config"},
        "the config has no 'rootfs'",
    ),
    (
        "128 layers",
        lambda: image_of(APP, *[tar_of(member(f"f{n}")) for n in range(MAX_LAYERS)]),
        {"layer-count"},
        "the image has 128 layers, and may have 127",
    ),
    (
        "another architecture",
        lambda: IMAGE.with_config(architecture="arm64", variant="v8"),
        {"platform"},
        "the image is for linux/arm64, and linux/amd64 is asked for",
    ),
    (
        "another system",
        lambda: IMAGE.with_config(os="windows"),
        {"platform"},
        "the image is for windows/amd64, and linux/amd64 is asked for",
    ),
    (
        "a plain tar of Docker",
        lambda: image_of(APP, family="docker", compress=bytes).with_layer(0, mediaType=DOCKER.plain_layer),
        {"gzip-layers"},
        f"has the media type '{DOCKER.plain_layer}'",
    ),
    (
        "a plain tar of OCI",
        lambda: image_of(APP, compress=bytes).with_layer(0, mediaType=OCI.plain_layer),
        {"gzip-layers"},
        f"has the media type '{OCI.plain_layer}'",
    ),
    (
        "a foreign layer",
        lambda: DOCKERS.with_layer(0, mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        {"gzip-layers"},
        "foreign",
    ),
    (
        "a layer that is not what it says",
        lambda: image_of(APP, compress=bytes),
        {"gzip-layers"},
        "says that it is gzip, but its bytes are not: they are not compressed",
    ),
    ("a cut layer", lambda: image_of(APP, compress=cut), {"layer-bytes"}, "the gzip stream is cut short"),
    (
        "a damaged layer",
        lambda: Made(IMAGE.manifest, IMAGE.config, {IMAGE.layers[0]: gzip.compress(APP + b"x")}),
        {"layer-bytes", "diff-ids"},
        "bytes with the digest sha256:",
    ),
    (
        "a tar with noise in it",
        lambda: image_of(tar_of(member("a"))[:512] + b"noise" * 300),
        {"layer-bytes"},
        "it is not a tar that can be read",
    ),
    (
        "a tar that ends within a file",
        lambda: image_of(tar_of(member("a", bytes(9)))[: 512 + 9]),
        {"layer-bytes"},
        "it is not a tar that can be read: unexpected end of data",
    ),
    (
        "another diff_id",
        lambda: IMAGE.with_config(rootfs={"type": "layers", "diff_ids": [OTHER]}),
        {"diff-ids"},
        f"unpacks to {sha256_of(APP)}, and the config says {OTHER}",
    ),
    (
        "a diff_id too few",
        lambda: IMAGE.with_config(rootfs={"type": "layers", "diff_ids": []}),
        {"diff-ids"},
        "the manifest has 1 layers, and the config 0 diff_ids",
    ),
    (
        "no parents",
        lambda: image_of(tar_of(member("opt/python/app.py"))),
        {"parents"},
        "'opt/python/app.py' comes before any entry for the directory 'opt'",
    ),
    (
        "parents after their children",
        lambda: image_of(tar_of(directory("opt"), member("opt/lib/app.py"), directory("opt/lib"))),
        {"parents"},
        "'opt/lib/app.py' comes before any entry for the directory 'opt/lib'",
    ),
    (
        "a parent that the layer below had until this one hid it",
        lambda: image_of(APP, tar_of(directory("var"), member("var/.wh.task"), member("var/task/more.py"))),
        {"parents"},
        "'var/task/more.py' comes before any entry for the directory 'var/task'",
    ),
    (
        "a file that is a parent",
        lambda: image_of(tar_of(member("opt"), member("opt/app.py"))),
        {"parents"},
        "'opt/app.py' lies below 'opt', which is not a directory",
    ),
    (
        "a hardlink to another layer",
        lambda: image_of(APP, tar_of(hardlink("app.py", "var/task/app.py"))),
        {"hardlinks"},
        "'app.py' is a hardlink to 'var/task/app.py', which the layer does not have before it",
    ),
    (
        "a hardlink to what comes later",
        lambda: image_of(tar_of(hardlink("a", "b"), member("b"))),
        {"hardlinks"},
        "'a' is a hardlink to 'b', which the layer does not have before it",
    ),
    (
        "a hardlink to a directory",
        lambda: image_of(tar_of(directory("d"), hardlink("a", "d"))),
        {"hardlinks"},
        "'a' is a hardlink to 'd', which is a directory",
    ),
    (
        "a symlink out",
        lambda: image_of(tar_of(directory("opt"), symlink("opt/up", "../../etc/passwd"))),
        {"links"},
        "'opt/up' is a symlink to '../../etc/passwd', which leaves the image",
    ),
    (
        "an absolute symlink out",
        lambda: image_of(tar_of(symlink("up", "/../etc/passwd"))),
        {"links"},
        "'up' is a symlink to '/../etc/passwd', which leaves the image",
    ),
    (
        "a hardlink out",
        lambda: image_of(tar_of(hardlink("up", "../etc/passwd"))),
        {"links"},
        "'up' is a hardlink to '../etc/passwd', which leaves the image",
    ),
    ("a name that goes up", lambda: image_of(tar_of(member("a/../../b"))), {"names"}, "'a/../../b' is not"),
    ("an absolute name", lambda: image_of(tar_of(member("/b"))), {"names"}, "'/b' is an absolute name"),
    ("a long name", lambda: image_of(tar_of(member("b" * 5000))), {"names"}, "of more than 4096 bytes"),
    ("a deep name", lambda: image_of(tar_of(member("b/" * 300 + "b"))), {"names"}, "than 256 directories"),
    (
        "a whiteout of nothing",
        lambda: image_of(tar_of(member(".wh."))),
        {"names"},
        "'.wh.' is a whiteout of nothing",
    ),
    (
        "a device",
        lambda: image_of(tar_of(directory("opt"), member("opt/null", kind=b"3", mode=0o666))),
        {"devices"},
        "'opt/null' is a device file",
    ),
    (
        "a disk",
        lambda: image_of(tar_of(member("disk", kind=b"4"))),
        {"devices"},
        "'disk' is a device file",
    ),
    (
        "a private file",
        lambda: image_of(below("var", "task", "app.py", mode=0o640)),
        {"readable"},
        "/var/task/app.py has the mode 0640, which keeps other users out",
    ),
    (
        "a private directory",
        lambda: image_of(tar_of(directory("opt"), directory("opt/python", mode=0o750))),
        {"readable"},
        "/opt/python has the mode 0750, which keeps other users out",
    ),
    (
        "a directory that cannot be searched",
        lambda: image_of(tar_of(directory("opt", mode=0o744))),
        {"readable"},
        "/opt has the mode 0744, which keeps other users out",
    ),
    (
        "a private directory on the way",
        lambda: image_of(tar_of(directory("var", mode=0o700), directory("var/task"))),
        {"readable"},
        "/var has the mode 0700, which keeps other users out",
    ),
    (
        "a private root",
        lambda: image_of(tar_of(directory("./", mode=0o700), directory("opt"))),
        {"readable"},
        "/ has the mode 0700, which keeps other users out",
    ),
    (
        "a private file of a task root of its own",
        lambda: image_of(below("srv", "app.py", mode=0o600), env={"LAMBDA_TASK_ROOT": "/srv"}),
        {"readable"},
        "/srv/app.py has the mode 0600, which keeps other users out",
    ),
    (
        "no entrypoint where it should be",
        lambda: image_of(APP, entrypoint=["/lambda-entrypoint.sh"]),
        {"entrypoint"},
        "the entrypoint '/lambda-entrypoint.sh' is not in the image",
    ),
    (
        "an entrypoint outside of PATH",
        lambda: image_of(below("opt", "run", mode=0o755), entrypoint=["run"]),
        {"entrypoint"},
        "the entrypoint 'run' is not in the image",
    ),
    (
        "an entrypoint that cannot be executed",
        lambda: image_of(below("bin", "run", mode=0o744), entrypoint=["run"]),
        {"entrypoint"},
        "the entrypoint 'run' cannot be executed by all users: mode 0744",
    ),
    (
        "an entrypoint that cannot be reached",
        lambda: image_of(
            tar_of(directory("root", mode=0o700), member("root/run", mode=0o755)),
            entrypoint=["./run"],
            working_dir="/root",
        ),
        {"entrypoint"},
        "the entrypoint './run' cannot be executed by all users: mode 0755",
    ),
]


@pytest.mark.parametrize(
    ("make", "failed", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_is_wrong_fails_its_checks_and_no_other(
    make: Callable[[], Made], failed: set[str], message: str
) -> None:
    found = make().check()
    refusals = [finding for finding in found.values() if finding.state == "failed"]
    assert {finding.check for finding in refusals} == failed
    assert any(message in finding.message for finding in refusals)
    assert all(finding.hint for finding in refusals)


@pytest.mark.parametrize("handler", ["other.main", "app.pkg.main", "main", "app.", ".main", ""])
def test_a_handler_whose_module_is_missing_fails(handler: str) -> None:
    assert IMAGE.failed(handlers=["app.main", handler]) == {"handler"}
    assert IMAGE.failed(handlers=["app.main"]) == set()


def test_every_check_is_seen_to_fail() -> None:
    elsewhere = {"handler", "unpacked-size"}  # above, and in test_conformance
    assert set().union(elsewhere, *(row[2] for row in WRONG)) == {check.name for check in CHECKS}


def test_every_check_says_why_and_where_that_is_written() -> None:
    for check in CHECKS:
        assert check.reason
        assert (check.judge.__doc__ or "").startswith("Passes ")


def test_a_message_names_the_layer_and_counts_the_rest() -> None:
    made = image_of(APP, tar_of(member("opt/a"), member("usr/b"), member("srv/c")))
    assert made.check()["parents"].message == (
        f"layer 2 of 2 ({made.layers[1][:19]}): 'opt/a' comes before any entry for the directory 'opt' (and 2 more)"
    )


def test_what_is_no_image_is_judged_no_further() -> None:
    found = index().check(handlers=["app.main"])
    states = {
        finding.state for name, finding in found.items() if name not in ("single-image", "manifest-size")
    }
    assert states == {"not checked"}
    assert found["manifest-size"].state == "passed"
    assert found["single-image"].hint.startswith("build with --provenance=false")
