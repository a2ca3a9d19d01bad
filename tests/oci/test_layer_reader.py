"""How a layer's bytes are read and verified, whatever is in them."""

from __future__ import annotations

import gzip
import io
import random
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.layer_reader import CHUNK, LayerReader
from lambdabuild.oci.unpack import unpack

from .tars import listing, member, tar_of, unpack_bytes


def test_layers_are_read_plain_and_from_any_count_of_gzip_members(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(3 * CHUNK + 5) + bytes(9 * CHUNK)
    tar = tar_of(member("big", data))
    blobs = {
        "plain": tar,
        "one": gzip.compress(tar),
        "many": b"".join(gzip.compress(tar[i : i + 100_000]) for i in range(0, len(tar), 100_000)),
        "empty members": gzip.compress(b"") + gzip.compress(tar) + gzip.compress(b""),
    }
    for name, blob in blobs.items():
        (tmp_path / "blob").write_bytes(blob)
        unpack([(sha256_of(tar), tmp_path / "blob")], tmp_path / name)
        assert (tmp_path / name / "big").read_bytes() == data


@pytest.mark.parametrize("size", [1, 1000, CHUNK, 10 * CHUNK])
def test_a_layer_is_read_in_pieces_no_larger_than_asked(size: int) -> None:
    tar = bytes(2 * CHUNK) if size > 1 else bytes(700)
    reader = LayerReader(io.BytesIO(gzip.compress(tar)))
    pieces = list(iter(lambda: reader.read(size), b""))
    assert b"".join(pieces) == tar
    assert max(map(len, pieces)) <= min(size, CHUNK)
    assert reader.diff_id() == sha256_of(tar)


def test_bytes_after_the_end_of_the_archive_count_for_the_diff_id(tmp_path: Path) -> None:
    padded = tar_of(member("a", b"a")) + bytes(1 << 20)
    assert listing(unpack_bytes(tmp_path / "root", padded)) == {"a": b"a"}


def test_a_layer_with_another_diff_id_is_refused(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(tar_of(member("a")))
    with pytest.raises(ExternalError, match=r"^layer sha256:\w+: its bytes are not the ones it is named by"):
        unpack([(sha256_of(b"other"), tmp_path / "blob")], tmp_path / "root")


@pytest.mark.parametrize("keep", [20, 1000, -1, -9])
def test_a_gzip_stream_that_is_cut_short_is_refused(tmp_path: Path, keep: int) -> None:
    tar = tar_of(member("a", random.Random(1).randbytes(5000)))
    (tmp_path / "blob").write_bytes(gzip.compress(tar)[:keep])
    with pytest.raises(ExternalError, match=r"the gzip stream is cut short$"):
        unpack([(sha256_of(tar), tmp_path / "blob")], tmp_path / "root")


@pytest.mark.parametrize("at", [20, 2000, -6, -2])
def test_a_gzip_stream_with_a_flipped_bit_is_refused(tmp_path: Path, at: int) -> None:
    tar = tar_of(member("a", random.Random(1).randbytes(5000)))
    blob = bytearray(gzip.compress(tar))
    blob[at] ^= 4
    (tmp_path / "blob").write_bytes(blob)
    with pytest.raises(ExternalError, match=r"^layer sha256"):
        unpack([(sha256_of(tar), tmp_path / "blob")], tmp_path / "root")
