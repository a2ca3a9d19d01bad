"""Objects in S3: conditions, retries, what breaks on the way, whose bucket it is."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.store.s3 import multipart
from lambdabuild.store.s3.bucket import Bucket, parse_place
from tests.cloud.moto_server import ACCOUNT, client
from tests.store.front import Fault, Front, cut_short, flipped, lost, refusal
from tests.store.s3_place import S3Place

BIG = os.urandom(3 << 20)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("s3://bucket", ("bucket", "")),
        ("s3://bucket/", ("bucket", "")),
        ("s3://my.bucket-1/a/b/", ("my.bucket-1", "a/b")),
    ],
)
def test_a_place_is_a_bucket_and_a_prefix(text: str, parts: tuple[str, str]) -> None:
    assert parse_place(text) == parts


@pytest.mark.parametrize(
    "text",
    ["", "bucket", "s3:/bucket", "https://bucket/x", "s3://", "s3://B", "s3://b/x", "s3://bucket//x",
     "s3://bucket/x//y", "s3://bucket/../x", "s3://bucket/x y", "s3://bucket/x?y", "s3://bucket/\nx"],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UserError, match="not a place in S3") as caught:
        parse_place(text)
    assert caught.value.hint


def test_an_object_is_created_once(place: S3Place) -> None:
    bucket = place.bucket()
    assert bucket.read("a", limit=9) is None
    assert bucket.create("a", b"first")
    assert not bucket.create("a", b"second")
    stored = bucket.read("a", limit=9)
    assert stored
    assert stored.data == b"first"
    assert 0 <= stored.now - stored.modified < 60


def test_of_many_who_create_one_succeeds(place: S3Place) -> None:
    bucket = place.bucket()
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda i: bucket.create("a", b"%d" % i), range(16))) == 1


def test_an_object_is_replaced_only_while_it_is_the_one_that_was_seen(place: S3Place) -> None:
    bucket = place.bucket()
    assert bucket.replace("a", b"1", None)
    assert not bucket.replace("a", b"2", None)
    seen = bucket.read("a", limit=9)
    assert seen
    assert bucket.replace("a", b"2", seen.etag)
    assert not bucket.replace("a", b"3", seen.etag)
    bucket.delete("a")
    assert not bucket.replace("a", b"3", seen.etag)


def test_a_range_gives_what_there_is_of_it(place: S3Place) -> None:
    bucket = place.bucket()
    bucket.create("a", b"0123456789")
    for offset, length, data in ((0, 1, b"0"), (3, 4, b"3456"), (8, 9, b"89")):
        stored = bucket.read("a", (offset, length), limit=length)
        assert stored
        assert stored.data == data
    assert bucket.read("a", (10, 1), limit=9) is None


def test_what_is_larger_than_it_may_be_is_not_read(place: S3Place) -> None:
    bucket = place.bucket()
    bucket.create("a", b"0123456789")
    with pytest.raises(ExternalError, match="larger than the 9 bytes"):
        bucket.read("a", limit=9)
    pieces = bucket.pieces("a", limit=9)
    assert pieces
    with pytest.raises(ExternalError, match="larger than the 9 bytes"):
        list(pieces)


def test_a_listing_has_all_pages_with_names_below_its_prefix(place: S3Place) -> None:
    bucket = place.bucket()
    names = [f"{i:04}" for i in range(1003)]
    for name in names:
        place.put(f"cas/{name}", b"data")
    place.put("casual", b"")
    before = place.usage()
    listing = bucket.list("cas/")
    assert dict((place.usage() - before).requests) == {"s3:ListObjectsV2": 2}
    assert sorted(listing.objects) == names
    assert {listed.size for listed in listing.objects.values()} == {4}
    assert all(0 <= listing.now - listed.modified < 600 for listed in listing.objects.values())
    assert bucket.list("none/").objects == {}


def file_of(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_is_created_once_and_replaced_on_condition(
    fronted: S3Place, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    data = os.urandom(13 << 20)
    monkeypatch.setattr(multipart, "PART", 6 << 20)
    monkeypatch.setattr(multipart, "WHOLE", len(data) if whole else len(data) - 1)
    bucket, path = fronted.bucket(), file_of(tmp_path, data)
    assert bucket.create_file("a", path, len(data))
    assert not bucket.create_file("a", path, len(data))
    assert fronted.get("a") == data
    (seen,) = bucket.list("a").objects.values()
    path.write_bytes(b"x" + data[1:])
    front.asked.clear()
    assert bucket.create_file("a", path, len(data), etag=seen.etag)
    assert fronted.get("a") == b"x" + data[1:]
    # The last request decides; moto ignores If-Match where that completes an upload in parts.
    assert front.asked[-2].headers["if-match"] == seen.etag
    assert client("s3").list_multipart_uploads(Bucket=bucket.name).get("Uploads", []) == []


# --- what breaks on the way --------------------------------------------------


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        ("PUT", refusal(503, "SlowDown")),
        ("PUT", refusal(500, "InternalError")),
        ("PUT", refusal(409, "ConditionalRequestConflict")),
        ("GET", refusal(503, "SlowDown")),
        ("GET", cut_short(1_000_000)),
        ("GET", flipped),
    ],
)
def test_one_trouble_is_overcome(fronted: S3Place, front: Front, method: str, fault: Fault) -> None:
    bucket = fronted.bucket()
    front.plan(method, "/a", fault)
    assert bucket.create("a", BIG)
    stored = bucket.read("a", limit=len(BIG))
    assert stored
    assert stored.data == BIG
    assert front.faults == []


def test_pieces_go_on_where_they_broke_off(fronted: S3Place, front: Front) -> None:
    bucket = fronted.bucket()
    bucket.create("a", BIG)
    front.plan("GET", "/a", cut_short(1_000_000), cut_short(1_200_000))
    pieces = bucket.pieces("a", limit=len(BIG))
    assert pieces
    assert b"".join(pieces) == BIG
    assert front.faults == []


@pytest.mark.parametrize("how", ["create", "replace", "file"])
def test_a_write_whose_answer_was_lost_counts_as_done(
    fronted: S3Place, front: Front, tmp_path: Path, how: str
) -> None:
    bucket = fronted.bucket()
    etag = None
    if how == "replace":
        bucket.create("a", b"before")
        (seen,) = bucket.list("a").objects.values()
        etag = seen.etag
    front.plan("PUT", "/a", lost)
    if how == "file":
        assert bucket.create_file("a", file_of(tmp_path, b"data"), 4)
    else:
        assert bucket.replace("a", b"data", etag)
    assert fronted.get("a") == b"data"
    assert not bucket.create("a", b"data")


def test_somebody_elses_write_is_not_taken_for_a_lost_one(fronted: S3Place, front: Front) -> None:
    def overtaken(asked: object, ask: object) -> object:
        fronted.put("a", b"other")
        return refusal(503, "SlowDown")(asked, ask)  # type: ignore[arg-type]

    front.plan("PUT", "/a", overtaken)  # type: ignore[arg-type]
    assert not fronted.bucket().create("a", b"mine")


@pytest.mark.parametrize("method", ["upload_part", "complete_multipart_upload"])
def test_parts_survive_trouble_and_200_with_an_error_inside(
    fronted: S3Place, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    data = os.urandom(6 << 20)
    monkeypatch.setattr(multipart, "PART", 5 << 20)
    monkeypatch.setattr(multipart, "WHOLE", 0)
    if method == "upload_part":
        front.plan("PUT", "partNumber=2", refusal(500, "InternalError"))
    else:
        front.plan(
            "POST", "/a?uploadId=", refusal(200, "InternalError"), refusal(409, "ConditionalRequestConflict")
        )
    assert fronted.bucket().create_file("a", file_of(tmp_path, data), len(data))
    assert fronted.get("a") == data
    assert front.faults == []


def test_conflicts_without_end_are_an_external_error(fronted: S3Place, front: Front) -> None:
    front.plan("PUT", "/a", *[refusal(409, "ConditionalRequestConflict")] * 8)
    with pytest.raises(ExternalError, match="cannot write the remote store: AWS asks for fewer requests"):
        fronted.bucket().create("a", b"")


def test_a_bucket_of_somebody_else_is_told(fronted: S3Place, front: Front) -> None:
    front.plan("GET", "/a", refusal(403, "AccessDenied", "Access Denied"))
    with pytest.raises(ExternalError) as caught:
        fronted.bucket().read("a", limit=1)
    assert caught.value.message == (
        f"cannot read the remote store: s3:GetObject is not allowed on {fronted.bucket()}/a, "
        f"or the bucket does not belong to account {ACCOUNT}"
    )


def test_who_may_not_delete_is_told_by_the_answer(fronted: S3Place, front: Front) -> None:
    bucket = fronted.bucket()
    front.plan("DELETE", "/a", refusal(403, "AccessDenied"), refusal(403, "ExpiredToken"))
    assert not bucket.delete("a")
    with pytest.raises(ExternalError, match="no valid AWS credentials"):
        bucket.delete("a")
    assert bucket.delete("a")


def test_a_bucket_that_is_not_there_is_the_users_matter(place: S3Place) -> None:
    bucket = Bucket(lambda: client("s3"), "no-such-bucket", "", ACCOUNT)
    for use in (
        lambda: bucket.read("a", limit=1),
        lambda: bucket.pieces("a", limit=1),
        lambda: bucket.create("a", b""),
        lambda: bucket.list("a"),
    ):
        with pytest.raises(UserError, match="there is no bucket no-such-bucket") as caught:
            use()
        assert "bootstrap" in (caught.value.hint or "")


def test_every_request_names_the_owner_and_every_object_its_checksum(
    fronted: S3Place, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multipart, "WHOLE", 10)
    bucket = fronted.bucket()
    bucket.create("a", b"1")
    bucket.replace("a", b"2", '"x"')
    bucket.create_file("b", file_of(tmp_path, b"small"), 5)
    bucket.create_file("c", file_of(tmp_path, bytes(11)), 11)
    bucket.create_file("c", file_of(tmp_path, bytes(11)), 11)
    bucket.read("a", limit=9)
    list(bucket.pieces("a", limit=9) or ())
    bucket.list("")
    bucket.delete("a")
    assert {asked.method for asked in front.asked} == {"GET", "PUT", "POST", "DELETE"}
    assert {asked.headers.get("x-amz-expected-bucket-owner") for asked in front.asked} == {ACCOUNT}
    puts = [asked for asked in front.asked if asked.method == "PUT"]
    assert all(asked.headers["x-amz-checksum-sha256"] for asked in puts)


def test_errors_of_the_connection_are_external_errors(tmp_path: Path) -> None:
    place = S3Place(tmp_path, endpoint="http://127.0.0.1:9")
    with pytest.raises(
        LambdaBuildError, match="cannot read the remote store: no whole answer came"
    ) as caught:
        place.bucket().read("a", limit=1)
    assert caught.value.exit_code == 3
