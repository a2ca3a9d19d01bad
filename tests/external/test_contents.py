"""Which Python and C library are found in the layers of an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lambdabuild.external.contents import Inside, look_inside
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.layer import File, Symlink, write_layer
from lambdabuild.python.host import discover
from tests.external.stand_ins import GLIBC, on_scratch
from tests.oci.blobs import Blobs
from tests.running.images import pieces

MUSL = b"\x7fELF\0musl libc (x86_64)\nVersion %s\n\x001.2.4\0rest"
OLD = b"GNU C Library (GNU libc) stable release version 2.26, by Roland McGrath et al."
UBUNTU = b"GNU C Library (Ubuntu GLIBC 2.35-0ubuntu3.8) stable release version 2.35.\n"


def found(tmp_path: Path, *layers: Mapping[str, bytes], env: Mapping[str, str] | None = None) -> Inside:
    blobs = Blobs(tmp_path / "blobs")
    image = on_scratch("linux/amd64", [blobs.layer(files) for files in layers]).with_config(env=env)
    return look_inside(image, lambda layer: [blobs.path(layer.digest).read_bytes()])


@pytest.mark.parametrize(
    ("files", "python"),
    [
        (["var/lang/bin/python3.12", "var/lang/bin/python3", "usr/bin/python3.9"], "3.12"),
        (["var/lang/lib/libpython3.13.so.1.0"], "3.13"),
        (["usr/local/bin/python3.11", "usr/bin/python3.9"], "3.11"),
        (["usr/lib/x86_64-linux-gnu/libpython3.11.so.1", "usr/bin/python3.11"], "3.11"),
        (["usr/bin/python3.11-config", "usr/bin/python2.7", "bin/python3.8"], ""),
        (["usr/bin/python3.11", "usr/bin/python3.12"], ""),
        ([], ""),
    ],
)
def test_python_is_known_by_the_names_of_its_files(tmp_path: Path, files: list[str], python: str) -> None:
    assert found(tmp_path, dict.fromkeys(files, b""))[0] == python


def test_an_images_own_word_counts_for_more_than_files_but_less_than_lambdas_place(tmp_path: Path) -> None:
    env = {"PYTHON_VERSION": "3.10.4"}
    assert found(tmp_path, {"usr/bin/python3.9": b""}, env=env)[0] == "3.10"
    assert found(tmp_path, {"var/lang/bin/python3.12": b""}, env=env)[0] == "3.12"


@pytest.mark.parametrize(
    ("path", "content", "libc"),
    [
        ("lib64/libc.so.6", GLIBC, "glibc 2.34"),
        ("lib64/libc-2.26.so", OLD, "glibc 2.26"),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", UBUNTU, "glibc 2.35"),
        ("lib/aarch64-linux-gnu/libc.so.6", GLIBC, "glibc 2.34"),
        ("lib/ld-musl-x86_64.so.1", MUSL, "musl 1.2"),
        ("lib64/libc.so.6", b"\x7fELF", ""),
        ("opt/libc.so.6", GLIBC, ""),
    ],
)
def test_the_c_library_says_itself_what_it_is(tmp_path: Path, path: str, content: bytes, libc: str) -> None:
    assert found(tmp_path, {path: content})[1] == libc


def test_two_that_differ_are_none(tmp_path: Path) -> None:
    assert found(tmp_path, {"lib64/libc.so.6": GLIBC, "usr/lib/libc.so.6": OLD})[1] == ""


def test_later_layers_win(tmp_path: Path) -> None:
    lower = {"lib64/libc.so.6": OLD, "var/lang/bin/python3.11": b""}
    upper = {"lib64/libc.so.6": GLIBC, "var/lang/bin/python3.12": b""}
    assert found(tmp_path, lower, upper) == ("", "glibc 2.34")  # both Pythons are there


def test_this_machines_own_python_and_c_library_are_found(tmp_path: Path) -> None:
    host = discover()
    blob = tmp_path / "blob"
    layer = write_layer(
        [
            *(
                File(place, Path(file.path).stat().st_size, True, lambda file=file: pieces(str(file.path)))  # type: ignore[misc]
                for place, file in host.files.items()
                if "bin/" in place or "lib/libc" in place
            ),
            *(Symlink(place, target) for place, target in host.links.items()),
        ],
        blob,
    )
    image = on_scratch(host.platform, [layer])
    assert layer.digest == sha256_of(blob.read_bytes())
    python = ".".join(host.version.split(".")[:2])
    assert look_inside(image, lambda layer: [blob.read_bytes()]) == (python, host.libc)
