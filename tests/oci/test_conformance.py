"""What Lambda takes passes every check, and what was not looked at is never said to pass."""

from __future__ import annotations

import gzip
import json
import posixpath
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError
from lambdabuild.oci.conformance import CHECKS, Finding, check_image
from lambdabuild.oci.conformance.scan import scan_layers
from lambdabuild.oci.conformance.tree import Tree
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Entry, Symlink, write_layer
from lambdabuild.oci.manifest import Descriptor
from lambdabuild.oci.media_types import FamilyName
from tests.project import Project

from .conformance_images import Made, from_layout, image_of, of_image
from .strategies import entries
from .tars import Member, directory, hardlink, listing, member, symlink, tar_of, unpack_bytes
from .test_unpack import temporary

PASSED = {check.name: Finding(check.name, "passed") for check in CHECKS}
APP = tar_of(directory("var"), directory("var/task"), member("var/task/app.py", b"def main(): ..."))


def stays_within(entry: Entry) -> bool:
    """Whether it is no symlink with more ".." than directories: the writer takes those, Docker does not."""
    if not isinstance(entry, Symlink):
        return True
    start = "" if entry.target.startswith("/") else posixpath.dirname(entry.path)
    return not posixpath.normpath(f"{start}/{entry.target}".lstrip("/")).startswith("..")


@given(st.lists(entries, min_size=1, max_size=3), st.sampled_from(["oci", "docker"]))
def test_what_the_layer_writer_writes_passes(stack: list[list[Entry]], family: FamilyName) -> None:
    blobs: dict[OciDigest, bytes] = {}
    layers = []
    with temporary() as directory_:
        for some in stack:
            layers.append(write_layer(filter(stays_within, some), directory_ / "layer"))
            blobs[layers[-1].digest] = (directory_ / "layer").read_bytes()
    image = Image.scratch("linux/amd64", family=family).append(layers, ["made"] * len(layers))
    assert of_image(image, blobs).check() == PASSED


def test_what_lambdabuild_builds_passes(tmp_path: Path) -> None:
    project = Project(
        tmp_path / "w",
        tmp_path / "cache",
        {
            "BUILD": 'host_python_image(name = "python")\n'
            'lambda_image(name = "app", base = ":python", srcs = ["app.py"], handler = "app.main")\n',
            "app.py": "def main(event, context):\n    return event\n",
        },
    )
    assert set(project.statuses().values()) == {"built"}
    made = from_layout(tmp_path / "w/lambdabuild-out/app")
    platform = "/".join(json.loads(made.config)[name] for name in ("os", "architecture"))
    assert made.check(platform=platform, handlers=["app.main"]) == PASSED
    assert made.failed(platform=platform, handlers=["gone.main"]) == {"handler"}


def test_a_base_like_debians_passes() -> None:
    # Hardlinks within the layer, "./" before names, links that begin at the root, devices, private directories.
    base = tar_of(
        directory("./"),
        directory("./dev"),
        member("./dev/null", kind=b"3", devmajor=1, devminor=3),
        directory("./etc"),
        member("./etc/shadow", b"root", mode=0o640),
        directory("./root", mode=0o700),
        directory("./usr"),
        directory("./usr/bin"),
        member("./usr/bin/perl", b"\x7fELF", mode=0o755),
        hardlink("./usr/bin/perl5.36.0", "./usr/bin/perl"),
        symlink("./bin", "usr/bin"),
        symlink("./etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    )
    made = image_of(base, APP, family="docker", entrypoint=["perl5.36.0"], env={"PATH": "/sbin:/bin"})
    assert made.check(handlers=["app.main"]) == PASSED


@given(st.integers(0, 2), st.sampled_from(["oci", "docker"]))
def test_layers_that_are_not_held_are_said_to_be_unchecked(above: int, family: FamilyName) -> None:
    base = tar_of(directory("bin"), member("bin/sh", mode=0o755))
    made = image_of(base, *[APP] * above, family=family, entrypoint=["/bin/sh"])
    found = made.check(absent=[0], handlers=["app.main"])
    unchecked = {name for name, finding in found.items() if finding.state == "not checked"}
    handler = set() if above else {"handler"}
    bytes_ = {"gzip-layers", "layer-bytes", "diff-ids", "unpacked-size"}
    assert unchecked == {
        *bytes_,
        *("parents", "hardlinks", "links", "names", "devices", "readable", "entrypoint"),
        *handler,
    }
    assert {found[name].message for name in bytes_} == {
        f"layer 1 of {above + 1} ({made.layers[0][:19]}) is not held here"
    }
    assert not made.failed(absent=[0], handlers=["app.main"])


def test_a_failure_outweighs_what_was_not_checked() -> None:
    secret = tar_of(directory("opt"), member("opt/secret", mode=0o600), symlink("up", "../.."))
    made = image_of(APP, secret)
    assert made.failed(absent=[0]) == {"readable", "links"}
    # What lies above could have made it right, or wrong.
    assert image_of(secret, APP).failed(absent=[1]) == {"links"}


def test_what_a_layer_that_is_not_held_could_change_is_unchecked() -> None:
    start = tar_of(directory("bin"), member("bin/run", mode=0o755))
    other = tar_of(member("other"))
    found = image_of(APP, start, other, entrypoint=["run"]).check(absent=[2], handlers=["app.main"])
    assert found["handler"].state == found["entrypoint"].state == "not checked"
    found = image_of(other, start, APP, entrypoint=["run"]).check(absent=[0], handlers=["app.main"])
    assert found["handler"].state == found["entrypoint"].state == "passed"


def test_a_parent_may_be_in_a_lower_layer() -> None:
    made = image_of(APP, tar_of(member("var/task/more.py")))
    assert made.check() == PASSED
    found = made.check(absent=[0])["parents"]
    assert found.state == "not checked"
    assert "is not held here" in found.message
    assert image_of(APP, tar_of(member("var/task/pkg/more.py"))).failed() == {"parents"}


def test_a_parent_may_be_a_symlink_to_a_directory() -> None:
    base = [directory("usr"), directory("usr/lib"), directory("srv")]
    links_ = [symlink("lib", "usr/lib"), symlink("usr/lib64", "lib"), symlink("srv/lib", "/usr/lib64")]
    made = image_of(
        tar_of(*base, *links_), tar_of(member("lib/x"), member("usr/lib64/y"), member("srv/lib/z"))
    )
    assert made.check() == PASSED
    assert image_of(tar_of(symlink("a", "b"), symlink("b", "a")), tar_of(member("a/x"))).failed() == {
        "parents"
    }


@pytest.mark.parametrize(
    ("whiteouts", "there"),
    [
        ([member("var/task/.wh.app.py")], False),
        ([member("var/.wh.task")], False),
        ([member(".wh.var")], False),
        ([member("var/.wh..wh..opq")], False),
        ([member("var/task/.wh.app")], True),
        ([member(".wh..wh.var")], True),
        ([directory("var"), directory("var/task"), member("var/task/app.py"), member("var/.wh.task")], True),
    ],
)
def test_whiteouts_count_when_the_handler_is_looked_for(whiteouts: list[Member], there: bool) -> None:
    made = image_of(APP, tar_of(*whiteouts))
    assert made.failed(handlers=["app.main"]) == (set() if there else {"handler"})


def test_a_file_that_nobody_may_read_does_not_matter_once_it_is_hidden() -> None:
    private = tar_of(directory("opt"), member("opt/secret", mode=0o600))
    assert image_of(private).failed() == {"readable"}
    assert image_of(private, tar_of(member("opt/.wh.secret"))).check() == PASSED
    assert image_of(private, tar_of(member("opt/secret", mode=0o644))).check() == PASSED


@pytest.mark.parametrize(
    ("path", "handler"),
    [
        ("var/task/app.py", "app.main"),
        ("opt/python/app.py", "app.main"),
        ("var/task/app/__init__.py", "app.main"),
        ("var/task/app.so", "app.main"),
        ("var/task/app.pyc", "app.main"),
        ("var/task/app.cpython-312-x86_64-linux-gnu.so", "app.main"),
        ("var/task/pkg/app.py", "pkg.app.main"),
        ("var/task/pkg/app.py", "pkg/app.main"),
        ("srv/code/app.py", "app.main"),
        ("code/app.py", "app.main"),
    ],
)
def test_a_module_is_found_where_python_finds_it(path: str, handler: str) -> None:
    parts = path.split("/")
    above = [directory("/".join(parts[:end])) for end in range(1, len(parts))]
    made = image_of(
        tar_of(*above, member(path)), env={"LAMBDA_TASK_ROOT": "/srv/code", "PYTHONPATH": "lib:/code"}
    )
    assert made.check(handlers=[handler]) == PASSED
    assert made.failed(handlers=["other.main"]) == {"handler"}


@pytest.mark.parametrize("end", [0, 512, 1024, 10240])
def test_a_tar_may_lack_its_two_blocks_of_zeros(end: int) -> None:
    file = member("a", b"x" * 512)
    assert image_of(tar_of(file)[:1024] + bytes(end)).check() == PASSED


def test_each_layer_is_asked_for_once_from_the_lowest_up() -> None:
    made = image_of(APP, tar_of(member("a")), tar_of(member("b")))
    made.check()
    assert made.asked == made.layers


def test_layers_are_streamed_and_reading_stops_at_the_limit() -> None:
    blob, taken = gzip.compress(tar_of(member("noise", random.Random(0).randbytes(4 << 20))), 1), 0
    made = image_of(APP, compress=lambda _: blob)

    def pieces() -> Iterator[bytes]:
        nonlocal taken
        for at in range(0, len(blob), 64):
            taken += 64
            yield blob[at : at + 64]

    found = check_image(
        made.manifest, "", made.config, lambda _: pieces(), platform="linux/amd64", max_size=1 << 20
    )
    assert {finding.check for finding in found if finding.state == "failed"} == {"unpacked-size"}
    assert 1 << 20 <= taken < 2 << 20


def test_a_gzip_bomb_is_not_read_to_its_end() -> None:
    bomb = tar_of(directory("var"), member("var/zeros", bytes(20 << 20)))
    above = tar_of(member("more"))
    made = image_of(bomb, above)
    found = made.check(max_size=1 << 20)
    assert {name for name, finding in found.items() if finding.state == "failed"} == {"unpacked-size"}
    assert found["parents"].state == found["readable"].state == "not checked"
    assert made.asked == made.layers[:1]
    assert image_of(bomb, above).check(max_size=len(bomb) + len(above)) == PASSED
    assert image_of(bomb, above).failed(max_size=len(bomb) + len(above) - 1) == {"unpacked-size"}


def test_a_header_that_would_fill_the_memory_is_refused() -> None:
    info = tar_of(member("x", b"", kind=b"x"))[:512]
    size = b"%011o\0" % (1 << 32)
    header = bytearray(info[:124] + size + info[136:])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    found = image_of(bytes(header) + bytes(1 << 20)).check()["layer-bytes"]
    assert found.state == "failed"
    assert "an extended header of 4294967296 bytes" in found.message


def test_global_headers_that_would_fill_the_memory_are_refused() -> None:
    def headers(count: int) -> bytes:
        records = {f"key{n}": "value" for n in range(count)}
        return tarfile.TarInfo.create_pax_global_header(records) + tar_of(member("a"))

    assert image_of(headers(3)).check() == PASSED
    assert image_of(headers(1000)).check()["layer-bytes"].message.endswith("it has too many global headers")


def test_a_tree_that_would_fill_the_memory_is_refused() -> None:
    tree = Tree(max_nodes=2)
    tree.put(("a", "b"), "file", 0o644)
    with pytest.raises(ImageError, match=r"^the image has more than 2 files$"):
        tree.put(("c",), "file", 0o644)


def test_a_layer_that_cannot_be_fetched_is_not_the_images_fault() -> None:
    made = image_of(APP)

    def pieces() -> Iterator[bytes]:
        yield made.blobs[made.layers[0]][:20]
        raise ExternalError("the connection was lost")

    with pytest.raises(ExternalError, match=r"^the connection was lost$"):
        check_image(made.manifest, "", made.config, lambda _: pieces(), platform="linux/amd64")


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=2000))
def test_no_bytes_are_too_bad_to_be_judged(manifest: bytes, config: bytes, tar: bytes) -> None:
    for made in (Made(manifest, config, {}), image_of(tar)):
        assert [finding.check for finding in made.check().values()] == list(PASSED)
        assert made.failed()


names = st.lists(
    st.sampled_from(["a", "b", "..", ".", "", ".wh.a", ".wh..wh..opq", "d" * 60]), max_size=4
).map("/".join)
members = st.one_of(
    st.builds(member, names),
    st.builds(directory, names),
    st.builds(symlink, names, names),
    st.builds(hardlink, names, names),
    st.builds(member, names, kind=st.sampled_from([b"3", b"4", b"6", b"7", b"V"])),
)


@given(st.lists(st.lists(members, max_size=6), min_size=1, max_size=3))
def test_any_tar_is_judged(layers: list[list[Member]]) -> None:
    made = image_of(*(tar_of(*some) for some in layers))
    assert not made.failed() & {"layer-bytes", "diff-ids", "gzip-layers", "single-image", "config"}


ordinary = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3).map("/".join)
hidden = st.builds(
    lambda above, name: f"{above}/{name}" if above else name,
    st.sampled_from(["", "a", "a/b"]),
    st.sampled_from([".wh.a", ".wh.b", ".wh..wh..opq"]),
)
ordinary_members = st.one_of(
    st.builds(member, ordinary | hidden),
    st.builds(directory, ordinary),
    st.builds(symlink, ordinary, ordinary),
)


@given(st.lists(st.lists(ordinary_members, max_size=6), min_size=1, max_size=3))
def test_the_tree_in_memory_is_the_tree_on_disk(layers: list[list[Member]]) -> None:
    tars = [tar_of(*some) for some in layers]
    with temporary() as place:
        try:
            on_disk = listing(unpack_bytes(place / "root", *tars))
        except ImageError:  # a file in the way, or a loop: there is no tree on disk
            return
    assert _tree_of(tars) == set(on_disk)


def _tree_of(tars: list[bytes]) -> set[str]:
    made, tree = image_of(*tars), Tree()
    layers = [Descriptor("", digest, len(made.blobs[digest])) for digest in made.layers]
    scan_layers(layers, lambda layer: [made.blobs[layer.digest]], tree, 1 << 30)
    return {"/".join(path) for path, _ in tree.below(()) if path}
