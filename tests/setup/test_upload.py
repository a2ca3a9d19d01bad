"""The worker's zip and store.json."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.setup.upload import (
    StoreDocument,
    has_worker,
    read_store,
    upload_worker,
    write_store,
    zip_worker,
)
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.terms import read_terms
from tests.cloud.moto_server import ACCOUNT, client, new_bucket

DIGEST = "ab" * 32


@pytest.fixture
def bucket() -> Bucket:
    s3 = client("s3")
    return Bucket(lambda: s3, new_bucket(), "p", ACCOUNT)


def test_the_zip_depends_on_the_bytes_of_the_worker_alone(tmp_path: Path) -> None:
    one, other = tmp_path / "a.pex", tmp_path / "b.pex"
    for path, time in ((one, 1_000_000_000), (other, 1_600_000_000)):
        path.write_bytes(b"worker")
        os.utime(path, (time, time))
    other.chmod(0o755)
    packed = [zip_worker(path, path.with_suffix(".zip")).read_bytes() for path in (one, other)]
    assert packed[0] == packed[1]
    with zipfile.ZipFile(one.with_suffix(".zip")) as archive:
        assert archive.read("worker.pex") == b"worker"
        assert archive.namelist() == ["worker.pex"]


def test_a_worker_that_is_there_is_not_sent_again(bucket: Bucket, tmp_path: Path) -> None:
    pex = tmp_path / "worker.pex"
    pex.write_bytes(b"worker")
    assert not has_worker(bucket, DIGEST)
    assert upload_worker(bucket, pex, DIGEST, tmp_path)
    assert has_worker(bucket, DIGEST)
    pex.unlink()  # nobody reads it again
    assert not upload_worker(bucket, pex, DIGEST, tmp_path)


def test_store_json_is_written_once_and_replaced_when_it_differs(bucket: Bucket) -> None:
    assert read_store(bucket) is None
    first, second = StoreDocument(60, 30, DIGEST, "0.1.0"), StoreDocument(60, 14, DIGEST, "0.2.0")
    assert [write_store(bucket, each) for each in (first, first, second)] == [True, False, True]
    assert read_store(bucket) == second


def test_the_store_takes_its_terms_from_store_json(bucket: Bucket) -> None:
    write_store(bucket, StoreDocument(60, 8, DIGEST, "0.1.0"))
    terms = read_terms(bucket)
    assert (terms.blobs / 86_400, terms.results / 86_400) == (53, 6)


documents = st.builds(
    StoreDocument, st.integers(1, 3650), st.integers(1, 3650), st.text(max_size=100), st.text(max_size=100)
)
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
fields = st.fixed_dictionaries(
    {"format": st.just(1) | anything, "blob_days": anything, "result_days": anything, "worker": anything}
)


@given(documents)
def test_decoding_is_the_converse_of_encoding(document: StoreDocument) -> None:
    assert StoreDocument.decode(document.encode(), "here") == document


@given(st.binary() | (anything | fields).map(lambda value: json.dumps(value).encode()))
def test_anything_else_in_its_place_is_one_clear_error(data: bytes) -> None:
    try:
        found = StoreDocument.decode(data, "here")
    except UserError:
        return
    assert (found.blob_days > 0, found.result_days > 0) == (True, True)


def test_a_store_without_a_worker_is_one_that_nobody_may_build_in() -> None:
    document = StoreDocument.decode(b'{"format": 1, "blob_days": 60, "result_days": 30}', "here")
    assert (document.worker, document.version) == ("", "")


@pytest.mark.parametrize("depth", [100_000])
def test_deep_nesting_is_one_clear_error(depth: int) -> None:
    with pytest.raises(UserError):
        StoreDocument.decode(b"[" * depth, "here")
