"""What is read of layers while they stream is what unpacking them gives."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer_files import MAX_KEPT, read_files
from lambdabuild.oci.unpack import unpack

WANTED = ("a/x", "a/y", "b", "a/sub/z")
names = st.sampled_from(
    [
        *WANTED,
        "c",
        "a/other",
        ".wh.a",
        ".wh.b",
        "a/.wh.x",
        "a/.wh.sub",
        "a/.wh..wh..opq",
        ".wh..wh..opq",
        "./b",
    ]
)
layers = st.lists(st.dictionaries(names, st.binary(max_size=8), max_size=5), max_size=4)


def tar(files: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Returns a tar of files, and of directories where the content is None."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content or b"")
            info.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
            archive.addfile(info, io.BytesIO(content or b""))
    return out.getvalue()


def digest(data: bytes) -> OciDigest:
    return OciDigest("sha256:" + hashlib.sha256(data).hexdigest())


def streamed(data: bytes, size: int = 7) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def read(*tars: bytes) -> dict[str, bytes]:
    return read_files([(digest(data), streamed(gzip.compress(data))) for data in tars], WANTED.__contains__)


@given(layers)
@example([{"b": b"1"}, {".wh.b": b"", "b": b"2"}])
@example([{"a/x": b"1", "a/sub/z": b"2"}, {"a/.wh..wh..opq": b"", "a/y": b"3"}])
@example([{"a/x": b"1"}, {".wh.a": b""}])
def test_files_are_those_that_unpacking_gives(
    tmp_path_factory: pytest.TempPathFactory, layers: list[dict[str, bytes]]
) -> None:
    directory = tmp_path_factory.mktemp("layers")
    tars = [tar(files.items()) for files in layers]
    blobs = []
    for number, data in enumerate(tars):
        blobs.append((digest(data), directory / str(number)))
        blobs[-1][1].write_bytes(data)
    unpack(blobs, directory / "root")
    root = directory / "root"
    there = {path: (root / path).read_bytes() for path in WANTED if (root / path).is_file()}
    assert read(*tars) == there


def test_a_file_hides_what_lay_below_its_name_and_a_directory_the_file_of_its_name() -> None:
    assert read(tar([("a/x", b"1"), ("b", b"2")]), tar([("a", b"")])) == {"b": b"2"}
    assert read(tar([("b", b"2")]), tar([("b", None)])) == {}


def test_a_long_file_is_kept_up_to_a_limit() -> None:
    assert len(read(tar([("b", bytes(MAX_KEPT + 1))]))["b"]) == MAX_KEPT


def test_bytes_that_are_not_the_layers_own_are_refused() -> None:
    data = tar([("b", b"1")])
    with pytest.raises(ExternalError, match="are not its own"):
        read_files([(digest(b""), [data])], WANTED.__contains__)


@given(st.binary(max_size=2000))
def test_anything_else_than_a_tar_is_refused_or_empty(data: bytes) -> None:
    with contextlib.suppress(ImageError, ExternalError):
        assert read_files([(digest(data), [data])], WANTED.__contains__) == {}


def test_what_the_pieces_raise_passes_through(tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield tar([("b", b"1")])[:600]
        raise ExternalError("gone")

    with pytest.raises(ExternalError, match="gone"):
        read_files([(digest(b""), pieces())], WANTED.__contains__)
