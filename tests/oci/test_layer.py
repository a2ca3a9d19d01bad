from __future__ import annotations

import random
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import ExternalError
from lambdabuild.oci import layer as module
from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer import Dir, Entry, File, Layer, Symlink, write_layer

from .strategies import file, layers

SMALL: list[Entry] = [
    file("opt/python/lib/__init__.py", b""),
    file("opt/python/lib/data.json", b'{"answer": 42}\n' * 100),
    file("opt/python/bin/tool", b"#!/bin/sh\n", executable=True),
    file("opt/python/" + "deep/" * 60 + "file.txt", b"long"),
    file("opt/python/größe/日本.txt", "ä".encode()),
    Symlink("opt/python/link", "lib/data.json"),
    Dir("tmp", 0o1777),
]


def big() -> list[Entry]:
    """12 MiB that compress to 58 %, the same on any Python (random's Mersenne Twister)."""
    rng = random.Random(12)
    words = [rng.randbytes(rng.randint(2, 9)) for _ in range(4000)]
    chunks = [b"".join(rng.choices(words, k=4096))[: 16 << 10] for _ in range(64)]
    some: list[Entry] = []
    for i in range(48):
        data = b"".join(rng.choices(chunks, k=16))
        some.append(file(f"opt/python/package_{i % 7}/module_{i}.bin", data))
    return some


def test_the_bytes_of_a_small_layer_never_change(tmp_path: Path) -> None:
    assert write_layer(SMALL, tmp_path / "layer") == Layer(
        diff_id=OciDigest("sha256:769e60dfeec156f749c8221887a00ab699d97d1fcaaeb3d6b992bd6789cd3248"),
        digest=OciDigest("sha256:1225f6d53b77cfb548fb5e5cf82636cfd05c6b01a3f750060767f845d40690f8"),
        size=1_812,
        uncompressed_size=88_064,
    )


def test_the_bytes_of_a_layer_made_through_a_temporary_file_never_change(tmp_path: Path) -> None:
    layer = write_layer(big(), tmp_path / "layer")
    assert layer.uncompressed_size > module.IN_MEMORY
    assert layer == Layer(
        diff_id=OciDigest("sha256:43e2e33a8fbc73d4949c14c1ed09945fcdc6eaf81cab9821e3263bfae087ef74"),
        digest=OciDigest("sha256:adfea26e9214f9524b0019310d7e0345d851d2b25dd77b02b5b1e0aed1039c98"),
        size=7_305_792,
        uncompressed_size=12_613_120,
    )


def test_memory_and_temporary_file_give_the_same_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory = write_layer(SMALL, tmp_path / "a")
    monkeypatch.setattr(module, "IN_MEMORY", 0)
    assert write_layer(SMALL, tmp_path / "b") == in_memory
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_what_is_returned_describes_what_is_written(tmp_path: Path) -> None:
    layer = write_layer(SMALL, tmp_path / "layer")
    compressed = (tmp_path / "layer").read_bytes()
    tar = zlib.decompress(compressed, 16 + zlib.MAX_WBITS)
    assert (layer.digest, layer.size) == (sha256_of(compressed), len(compressed))
    assert (layer.diff_id, layer.uncompressed_size) == (sha256_of(tar), len(tar))


def test_a_layer_is_one_gzip_member_with_nothing_of_time_or_system_in_it(tmp_path: Path) -> None:
    write_layer(SMALL, tmp_path / "layer")
    compressed = (tmp_path / "layer").read_bytes()
    assert compressed[:10] == b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    inflater.decompress(compressed)
    assert inflater.eof
    assert inflater.unused_data == b""


def test_a_layer_of_nothing_is_an_empty_tar(tmp_path: Path) -> None:
    assert write_layer([], tmp_path / "layer").diff_id == sha256_of(bytes(1024))


@pytest.mark.parametrize(
    ("bad", "error"),
    [(file("../a", b""), ImageError), (File("a", 3, False, lambda: [b"12"]), ExternalError)],
)
def test_a_layer_that_fails_leaves_the_target_as_it_was(
    tmp_path: Path, bad: Entry, error: type[Exception]
) -> None:
    (tmp_path / "layer").write_bytes(b"before")
    with pytest.raises(error):
        write_layer([*SMALL, bad], tmp_path / "layer")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


@given(layers)
def test_a_layer_record_reads_back_as_itself(layer: Layer) -> None:
    assert Layer.from_json(layer.to_json()) == layer


def test_a_layer_record_is_canonical_json() -> None:
    some = Layer(diff_id=sha256_of(b"a"), digest=sha256_of(b"b"), size=1, uncompressed_size=2)
    assert (
        some.to_json()
        == (
            f'{{"diff_id":"{some.diff_id}","digest":"{some.digest}","size":1,"uncompressed_size":2}}'
        ).encode()
    )


GOOD = Layer(diff_id=sha256_of(b""), digest=sha256_of(b""), size=7, uncompressed_size=8).to_json()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not valid JSON"),
        (b"[]", "^the layer record is not a JSON object$"),
        (b"{}", "^the layer record has no 'diff_id'$"),
        (b"\xff" + GOOD, "not valid JSON"),
        (GOOD.replace(b"sha256", b"sha512"), "not a sha256 digest"),
        (GOOD.replace(b":7", b":-7"), "^'size' of the layer record is not a size: -7$"),
        (GOOD.replace(b":7", b":true"), "^'size' of the layer record is not a size: True$"),
        (GOOD.replace(b":7", b":7.0"), "^'size' of the layer record is not a number$"),
        (GOOD.replace(b":7", b":NaN"), "NaN is no number"),
        (GOOD.replace(b'"size":7', b'"size":7,"size":9'), "'size' occurs twice"),
        (GOOD.replace(b'"size":7', b'"size":7,"zise":9'), "^the layer record has an unknown field 'zise'$"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_what_is_no_layer_record_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        Layer.from_json(data)


@given(st.binary() | st.text().map(str.encode))
def test_no_bytes_make_reading_a_layer_record_fail_otherwise(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - that it is a ValueError is the law
        Layer.from_json(data)
