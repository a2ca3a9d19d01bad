from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest, hex_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layout import LayoutEntry, layout_is, write_layout
from lambdabuild.oci.media_types import FamilyName
from tests.require import require

from .blobs import Blobs
from .tools import run


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


@pytest.fixture
def entries(blobs: Blobs) -> list[LayoutEntry]:
    shared = {"opt/shared.py": b"shared"}
    return [
        LayoutEntry(blobs.image(shared, {"var/task/a.py": b"a"}), "a"),
        LayoutEntry(blobs.image(shared, {"var/task/b.py": b"b"}), "b"),
    ]


def files(directory: Path) -> dict[str, tuple[int, int]]:
    """Every file below with what changes when it is written again."""
    paths = [path for path in directory.rglob("*") if not path.is_dir()]
    return {str(path.relative_to(directory)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def test_a_layout_holds_each_blob_once_under_its_digest(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]
) -> None:
    assert write_layout(tmp_path / "out", entries, blobs.link) == ()
    assert layout_is(tmp_path / "out", entries)
    found = {path.name: path.read_bytes() for path in (tmp_path / "out/blobs/sha256").iterdir()}
    expected = {layer.digest for entry in entries for layer in entry.image.layers}
    assert len(expected) == 3 == len(blobs.placed)
    for entry in entries:
        expected |= {entry.image.digest, entry.image.config_digest}
        assert found[hex_of(entry.image.digest)] == entry.image.manifest
        assert found[hex_of(entry.image.config_digest)] == entry.image.config
    assert found.keys() == {hex_of(digest) for digest in expected}
    assert (tmp_path / "out/oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'


def test_the_index_describes_each_image_by_name_and_platform(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]
) -> None:
    arm = LayoutEntry(Image.scratch("linux/arm64/v8", family="docker"), "0")
    write_layout(tmp_path / "out", [*entries, arm], blobs.link)
    index = json.loads((tmp_path / "out/index.json").read_bytes())
    assert index["schemaVersion"] == 2
    assert index["mediaType"] == "application/vnd.oci.image.index.v1+json"
    assert index["manifests"][0] == {
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "digest": arm.image.digest,
        "size": len(arm.image.manifest),
        "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"},
        "annotations": {"org.opencontainers.image.ref.name": "0"},
    }
    assert [entry["platform"] for entry in index["manifests"][1:]] == [
        {"os": "linux", "architecture": "amd64"}
    ] * 2


@pytest.mark.parametrize(("family", "name"), [("oci", ":an.image"), ("oci", ""), ("docker", "")])
def test_skopeo_reads_a_layout(tmp_path: Path, blobs: Blobs, family: FamilyName, name: str) -> None:
    skopeo = require("skopeo")
    image = blobs.image({"a.py": b"a"}, {"b.py": b"b"}, family=family).with_config(labels={"k": "v"})
    write_layout(tmp_path / "out", [LayoutEntry(image, "an.image")], blobs.link)
    found = json.loads(run(skopeo, "inspect", f"oci:{tmp_path}/out{name}"))
    assert found["Digest"] == image.digest
    assert found["Layers"] == [layer.digest for layer in image.layers]
    assert (found["Architecture"], found["Os"], found["Labels"]) == ("amd64", "linux", {"k": "v"})


def test_umoci_unpacks_a_layout(tmp_path: Path, blobs: Blobs) -> None:
    umoci = require("umoci")
    image = blobs.image({"opt/a.py": b"a"}, {"opt/ü/b.py": b"b"})
    write_layout(tmp_path / "out", [LayoutEntry(image, "x")], blobs.link)
    run(umoci, "unpack", "--rootless", "--image", f"{tmp_path}/out:x", str(tmp_path / "bundle"))
    assert (tmp_path / "bundle/rootfs/opt/a.py").read_bytes() == b"a"
    assert (tmp_path / "bundle/rootfs/opt/ü/b.py").read_bytes() == b"b"


def test_what_is_there_is_not_written_again(tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]) -> None:
    write_layout(tmp_path / "out", entries, blobs.copy)
    before, placed = files(tmp_path / "out"), len(blobs.placed)
    write_layout(tmp_path / "out", entries[::-1], blobs.copy)
    assert files(tmp_path / "out") == before
    assert len(blobs.placed) == placed


def test_blobs_that_no_entry_names_any_more_go_away(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]
) -> None:
    write_layout(tmp_path / "out", entries, blobs.link)
    write_layout(tmp_path / "out", entries[:1], blobs.link)
    write_layout(tmp_path / "fresh", entries[:1], blobs.link)
    assert files(tmp_path / "out").keys() == files(tmp_path / "fresh").keys()
    assert layout_is(tmp_path / "out", entries[:1])
    assert not layout_is(tmp_path / "out", entries)


def test_files_are_read_only(tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]) -> None:
    old = os.umask(0o077)
    try:
        write_layout(tmp_path / "out", entries, blobs.link)
    finally:
        os.umask(old)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert modes == {0o444}


def test_a_layer_that_is_not_held_is_left_out_and_reported(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]
) -> None:
    missing = entries[0].image.layers[1].digest

    def place(digest: OciDigest, target: Path) -> None:
        if digest != missing:
            blobs.link(digest, target)

    assert write_layout(tmp_path / "out", entries, place) == (missing,)
    assert not layout_is(tmp_path / "out", entries)
    assert layout_is(tmp_path / "out", entries, absent=[missing])
    assert write_layout(tmp_path / "out", entries, blobs.link) == ()
    assert layout_is(tmp_path / "out", entries)


def test_a_layer_of_the_wrong_size_is_not_taken(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]
) -> None:
    def place(_: OciDigest, target: Path) -> None:
        target.write_bytes(b"junk")

    with pytest.raises(ExternalError, match=r"^the blob of layer sha256:\w+ has 4 bytes, not \d+$"):
        write_layout(tmp_path / "out", entries, place)
    assert not (tmp_path / "out/index.json").exists()
    assert not list((tmp_path / "out/blobs/sha256").glob(".*"))


def truncate(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1])


def make_other(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"~")


def make_link(path: Path) -> None:
    """Puts a symlink in the file's place that has its size and leads to its bytes."""
    path.rename(path.with_name("e"))
    os.symlink("./".ljust(path.with_name("e").stat().st_size - 1, "/") + "e", path)


@pytest.mark.parametrize("damage", [Path.unlink, truncate, make_link])
@pytest.mark.parametrize("which", ["oci-layout", "index.json", "layer", "config", "manifest"])
def test_damage_is_seen_and_repaired(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry], which: str, damage: Callable[[Path], None]
) -> None:
    image, out = entries[0].image, tmp_path / "out"
    write_layout(out, entries, blobs.copy)
    digest = {"layer": image.layers[0].digest, "config": image.config_digest}.get(which, image.digest)
    damage(out / which if "-" in which or "." in which else out / "blobs/sha256" / hex_of(digest))
    assert not layout_is(out, entries)
    write_layout(out, entries, blobs.copy)
    assert layout_is(out, entries)


@pytest.mark.parametrize("which", ["index.json", "config", "manifest"])
def test_another_document_of_the_same_size_is_replaced(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry], which: str
) -> None:
    image, out = entries[0].image, tmp_path / "out"
    write_layout(out, entries, blobs.copy)
    paths = {
        "index.json": out / "index.json",
        "config": out / "blobs/sha256" / hex_of(image.config_digest),
        "manifest": out / "blobs/sha256" / hex_of(image.digest),
    }
    before = paths[which].read_bytes()
    make_other(paths[which])
    write_layout(out, entries, blobs.copy)
    assert paths[which].read_bytes() == before


def test_a_directory_without_a_layout_is_none(tmp_path: Path, entries: list[LayoutEntry]) -> None:
    assert not layout_is(tmp_path / "nowhere", entries)
    assert not layout_is(tmp_path, entries)


def test_names_that_leave_a_reader_in_doubt_are_refused(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]
) -> None:
    image = entries[0].image
    for doubtful in ([LayoutEntry(image, "")], [LayoutEntry(image, "a"), entries[0]]):
        with pytest.raises(ImageError, match=r"^each image of a layout needs a name of its own"):
            write_layout(tmp_path / "out", doubtful, blobs.link)
    assert not (tmp_path / "out").exists()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of threads; the child starts none
def test_a_writer_killed_at_any_moment_leaves_what_the_next_one_completes(
    tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, replace = tmp_path / "out", Path.replace
    write_layout(out, entries[:1], blobs.copy)
    clean = set(files(out))

    for step in range(12):
        if (child := os.fork()) == 0:
            left = step

            def die_instead(path: Path, target: Path) -> Path:
                nonlocal left
                left -= 1
                if left < 0:
                    os._exit(9)  # as SIGKILL does: no clean-up runs
                return replace(path, target)

            monkeypatch.setattr(Path, "replace", die_instead)
            write_layout(out, entries, blobs.copy)
            os._exit(0)
        died = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        # Whatever happened, a reader finds a whole layout: the old or the new.
        assert layout_is(out, entries[:1] if died else entries)
        if not died:
            break
        write_layout(out, entries[:1], blobs.copy)
        assert set(files(out)) == clean
    assert not died
    assert step > 3


def test_several_writers_at_once_do_no_harm(tmp_path: Path, blobs: Blobs, entries: list[LayoutEntry]) -> None:
    wanted = [entries[:1], entries[1:], entries, entries[::-1]]
    errors: list[BaseException] = []

    def work(mine: list[LayoutEntry]) -> None:
        try:
            for _ in range(20):
                write_layout(tmp_path / "out", mine, blobs.link)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert any(layout_is(tmp_path / "out", mine) for mine in wanted)
    write_layout(tmp_path / "out", entries, blobs.link)
    write_layout(tmp_path / "fresh", entries, blobs.link)
    assert files(tmp_path / "out").keys() == files(tmp_path / "fresh").keys()
