"""What other tools write: judged as it is, wrong on purpose or right by chance."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdabuild.oci.digest import sha256_of
from tests.require import require, require_docker

from .conformance_images import Made, from_dir, from_layout, image_of
from .tools import run


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """A function's files, with modes that do not depend on the umask."""
    directory = tmp_path / "sources"
    for path, mode in (("bin/run", 0o755), ("var/task/app.py", 0o644), ("opt/python/lib.py", 0o644)):
        file = directory / path
        file.parent.mkdir(parents=True)
        file.write_text("def main(event, context): ...\n")
        file.chmod(mode)
    for above, _, _ in os.walk(directory):
        Path(above).chmod(0o755)
    return directory


@pytest.fixture
def layout(tmp_path: Path, sources: Path) -> Path:
    """An OCI layout with the image "app": umoci's difference of a bundle and the sources."""
    umoci, layout = require("umoci"), tmp_path / "layout"
    run(umoci, "init", "--layout", str(layout))
    run(umoci, "new", "--image", f"{layout}:app")
    run(umoci, "config", "--image", f"{layout}:app", "--config.entrypoint=/bin/run", "--architecture=amd64")
    run(umoci, "unpack", "--rootless", "--image", f"{layout}:app", str(tmp_path / "bundle"))
    shutil.copytree(sources, tmp_path / "bundle/rootfs", dirs_exist_ok=True)
    run(umoci, "repack", "--image", f"{layout}:app", str(tmp_path / "bundle"))
    return layout


def gnu_tar(tmp_path: Path, *arguments: str) -> bytes:
    target = tmp_path / "made.tar"
    run("tar", "--create", f"--file={target}", *arguments)
    return target.read_bytes()


def test_umocis_image_passes(layout: Path) -> None:
    found = from_layout(layout, "app").check(handlers=["app.main", "lib.main"])
    assert {finding.state for finding in found.values()} == {"passed"}


def test_what_umoci_inserts_has_implicit_parents(layout: Path, sources: Path) -> None:
    run(require("umoci"), "insert", "--rootless", "--image", f"{layout}:app", str(sources / "var"), "/srv/x")
    found = from_layout(layout, "app").check()
    assert "'srv/x' comes before any entry for the directory 'srv'" in found["parents"].message
    failed = {name for name, finding in found.items() if finding.state == "failed"}
    # umoci 0.4.7 leaves out the end of the tar as well.
    assert {"parents"} <= failed <= {"parents", "layer-bytes"}


def test_umocis_whiteout_takes_the_handler_away(tmp_path: Path, layout: Path) -> None:
    umoci, bundle = require("umoci"), tmp_path / "emptied"
    run(umoci, "unpack", "--rootless", "--image", f"{layout}:app", str(bundle))
    (bundle / "rootfs/var/task/app.py").unlink()
    run(umoci, "repack", "--image", f"{layout}:emptied", str(bundle))
    assert from_layout(layout, "app").failed(handlers=["app.main"]) == set()
    assert from_layout(layout, "emptied").failed(handlers=["app.main"]) == {"handler"}


def test_umocis_image_for_another_architecture_fails(layout: Path) -> None:
    run(require("umoci"), "config", "--image", f"{layout}:app", "--architecture", "arm64")
    assert from_layout(layout, "app").failed() == {"platform"}
    assert from_layout(layout, "app").failed(platform="linux/arm64") == set()


def test_skopeos_zstd_fails(tmp_path: Path, layout: Path) -> None:
    target = tmp_path / "zstd"
    run(require("skopeo"), "copy", "--dest-compress-format=zstd", f"oci:{layout}:app", f"oci:{target}:app")
    found = from_layout(target).check(handlers=["app.main"])
    assert {name for name, finding in found.items() if finding.state == "failed"} == {"gzip-layers"}
    assert "tar+zstd" in found["gzip-layers"].message
    assert found["handler"].state == found["layer-bytes"].state == "not checked"
    assert found["handler"].message.endswith("it is compressed with zstd")


@pytest.mark.parametrize("family", ["oci", "v2s2"])
def test_skopeos_uncompressed_layers_fail(tmp_path: Path, layout: Path, family: str) -> None:
    source, target = f"oci:{layout}:app", tmp_path / "plain"
    run(require("skopeo"), "copy", "--format", family, "--dest-decompress", source, f"dir:{target}")
    assert from_dir(target).failed(handlers=["app.main"]) == {"gzip-layers"}


def test_skopeos_docker_manifest_passes(tmp_path: Path, layout: Path) -> None:
    run(require("skopeo"), "copy", "--format=v2s2", f"oci:{layout}:app", f"dir:{tmp_path / 'docker'}")
    made = from_dir(tmp_path / "docker")
    assert "docker.distribution.manifest" in json.loads(made.manifest)["mediaType"]
    assert made.failed(handlers=["app.main"]) == set()


def test_gnu_tars_layer_without_parents_fails(tmp_path: Path, sources: Path) -> None:
    tar = gnu_tar(tmp_path, f"--directory={sources}", "var/task/app.py")
    assert image_of(tar).failed(handlers=["app.main"]) == {"parents"}
    whole = gnu_tar(tmp_path, f"--directory={sources}", ".")
    assert image_of(whole).failed(handlers=["app.main"]) == set()


def test_gnu_tars_hardlinks_pass_within_a_layer_and_fail_across_layers(tmp_path: Path, sources: Path) -> None:
    os.link(sources / "var/task/app.py", sources / "var/task/same.py")
    both = gnu_tar(tmp_path, "--sort=name", f"--directory={sources}", "var")
    run("tar", "--delete", f"--file={tmp_path / 'made.tar'}", "var/task/app.py")
    link = (tmp_path / "made.tar").read_bytes()
    assert image_of(both).failed(handlers=["app.main", "same.main"]) == set()
    assert image_of(both, link).failed() == {"hardlinks"}
    separate = gnu_tar(tmp_path, "--sort=name", "--hard-dereference", f"--directory={sources}", "var")
    assert image_of(separate).failed() == set()


def test_gnu_tars_names_that_go_up_or_begin_at_the_root_fail(tmp_path: Path, sources: Path) -> None:
    up = gnu_tar(tmp_path, "--absolute-names", f"--directory={sources}/opt", "../var/task/app.py")
    assert image_of(up).failed() == {"names"}
    absolute = gnu_tar(
        tmp_path, "--absolute-names", f"--transform=s,^{sources},,", "--no-recursion", f"{sources}/opt"
    )
    assert image_of(absolute).failed() == {"names"}


def test_gnu_tars_sparse_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 20)
    tar = gnu_tar(tmp_path, "--sparse", "--format=gnu", f"--directory={tmp_path}", "sparse")
    assert image_of(tar).failed() == {"layer-bytes"}


@pytest.fixture
def docker() -> str:
    return require_docker()


@pytest.fixture
def tag(docker: str) -> Iterator[str]:
    """A tag that the test may build; the image is removed after it."""
    tag = f"lambdabuild-conformance-{uuid.uuid4().hex}:test"
    yield tag
    subprocess.run([docker, "rmi", "--force", tag], capture_output=True, check=False)


def docker_build(docker: str, tag: str, sources: Path, tmp_path: Path, *lines: str) -> Made:
    """Builds an image of `sources` with Docker's own builder, and returns it as `docker push` would send it."""
    (tmp_path / "Dockerfile").write_text("\n".join(["FROM scratch", *lines]))
    build = [docker, "build", "--quiet", "--tag", tag, "--file", str(tmp_path / "Dockerfile"), str(sources)]
    done = subprocess.run(
        build, env=os.environ | {"DOCKER_BUILDKIT": "0"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run(docker, "save", "--output", str(tmp_path / "saved.tar"), tag)
    source, target = f"docker-archive:{tmp_path / 'saved.tar'}", f"dir:{tmp_path / 'pushed'}"
    run(require("skopeo"), "copy", "--format=v2s2", "--dest-compress", source, target)
    return from_dir(tmp_path / "pushed")


def test_dockers_image_passes(docker: str, tag: str, sources: Path, tmp_path: Path) -> None:
    made = docker_build(
        docker,
        tag,
        sources,
        tmp_path,
        "COPY bin /bin",
        "COPY var/task /var/task",
        "COPY opt/python/lib.py /opt/python/",
        'ENTRYPOINT ["run"]',
    )
    platform = "linux/" + json.loads(made.config)["architecture"]
    found = made.check(platform=platform, handlers=["app.main", "lib.main"])
    assert {finding.state for finding in found.values()} == {"passed"}


def test_what_docker_copies_with_its_mode_fails(docker: str, tag: str, sources: Path, tmp_path: Path) -> None:
    (sources / "var/task/app.py").chmod(0o600)
    (sources / "bin/run").chmod(0o644)
    made = docker_build(docker, tag, sources, tmp_path, "COPY . /", 'ENTRYPOINT ["/bin/run"]')
    platform = "linux/" + json.loads(made.config)["architecture"]
    assert made.failed(platform=platform, handlers=["app.main", "gone.main"]) == {
        "readable",
        "entrypoint",
        "handler",
    }


def test_an_index_that_skopeo_can_read_fails(tmp_path: Path, layout: Path) -> None:
    """A layout whose one entry is an index, as BuildKit makes it for an image and its attestation."""
    made = from_layout(layout, "app")
    platform = {"os": "linux", "architecture": "amd64"}
    entry = {"mediaType": made.media_type, "digest": sha256_of(made.manifest), "size": len(made.manifest)}
    index = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [
                entry | {"platform": platform},
                entry | {"platform": {"os": "unknown", "architecture": "unknown"}},
            ],
        }
    ).encode()
    digest = sha256_of(index)
    (layout / "blobs/sha256" / digest.removeprefix("sha256:")).write_bytes(index)
    named = {"org.opencontainers.image.ref.name": "index"}
    outer = json.loads((layout / "index.json").read_text())
    outer["manifests"].append(
        {
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "digest": digest,
            "size": len(index),
            "annotations": named,
        }
    )
    (layout / "index.json").write_text(json.dumps(outer))
    raw = run(require("skopeo"), "inspect", "--raw", f"oci:{layout}:index").encode()
    assert Made(raw, made.config, made.blobs).failed() == {"single-image"}
    assert made.failed() == set()
