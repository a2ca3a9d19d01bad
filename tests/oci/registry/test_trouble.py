"""Registries that are slow, busy, gone or wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.media_types import OCI
from lambdabuild.oci.registry.manifests import MAX_MANIFEST
from lambdabuild.oci.registry.repository import Repository

from ..blobs import Blobs
from .asking import BLOB, DIGEST, Pauses, in_pieces, new_name, push_blob, push_image, repository, settings_of
from .proxy import Fault, Proxy, change, cut_answer, cut_request, reply, without_range
from .real import running
from .server import Reply, Request, Server, error

BUSY = reply(error(503, "UNAVAILABLE", "come back later"))


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


@pytest.fixture
def image(behind: Repository, blobs: Blobs) -> Image:
    """An image with the tag 1."""
    image = blobs.image({"a": b"a"})
    push_image(behind, image, blobs, "1")
    return image


def failure(kind: type[LambdaBuildError], there: Repository, version: str = "1") -> LambdaBuildError:
    with pytest.raises(kind) as caught:
        there.manifest(version)
    assert caught.value.message.startswith(f"cannot read the manifest {version} of {there.name}: ")
    assert caught.value.hint
    return caught.value


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT"])
def test_a_registry_in_trouble_is_asked_again(
    behind: Repository, proxy: Proxy, image: Image, method: str, status: int
) -> None:
    data = f"{method} {status} {new_name()}".encode()
    proxy.plan(method, "/", reply(Reply(status)), reply(Reply(status)))
    assert behind.head("1")
    assert behind.manifest("1").digest == image.digest
    digest = push_blob(behind, data)
    assert behind.put_manifest(image.manifest, image.media_type, "2") == ()
    assert b"".join(behind.blob(digest, len(data))) == data


def test_a_registry_that_stays_in_trouble_is_given_up(proxy: Proxy) -> None:
    pauses = Pauses()
    there = repository(proxy.host, settings=settings_of(backoff=4.0), wait=pauses)
    proxy.plan("GET", "/", BUSY, times=-1)
    error = failure(ExternalError, there)
    assert error.message.endswith("answered 503 Service Unavailable")
    assert error.details == ("UNAVAILABLE: come back later",)
    assert len(proxy.requests) == 3
    assert len(pauses) == 2
    assert 2 <= pauses[0] <= 4 <= pauses[1] <= 8


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 410, 413, 418])
def test_what_a_registry_refuses_is_asked_for_once(proxy: Proxy, status: int) -> None:
    there = repository(proxy.host)
    challenge = {"WWW-Authenticate": "Basic"} if status == 401 else {}
    proxy.plan("GET", "/", reply(error(status, "CODE", "a reason", **challenge)), times=-1)
    kind = UserError if status in (401, 403, 404, 413) else ExternalError
    said = failure(kind, there)
    assert f"{proxy.host} answered {status}" in said.message or status == 401
    assert len(proxy.requests) == 1


def test_a_registry_that_asks_for_a_pause_gets_it(proxy: Proxy) -> None:
    pauses = Pauses()
    there = repository(proxy.host, wait=pauses)
    late = reply(Reply(429, headers={"Retry-After": "7"}))
    for_ever = reply(Reply(429, headers={"Retry-After": "999999"}))
    proxy.plan("HEAD", "/", late, for_ever)
    assert there.head("1") is None
    assert pauses == [7, 120]


def test_too_many_requests_without_a_login_hint_at_one(proxy: Proxy) -> None:
    proxy.plan("GET", "/", reply(error(429, "TOOMANYREQUESTS")), times=-1)
    assert f"docker login {proxy.host}" in (failure(ExternalError, repository(proxy.host)).hint or "")


@pytest.mark.parametrize("at", [-1, 0, 5])
def test_a_manifest_whose_answer_is_cut_is_asked_for_again(
    behind: Repository, proxy: Proxy, image: Image, at: int
) -> None:
    proxy.plan("GET", "/manifests/", cut_answer(at), cut_answer(at))
    assert behind.manifest("1").data == image.manifest


def test_a_blob_that_is_cut_goes_on_where_it_was(behind: Repository, proxy: Proxy) -> None:
    push_blob(behind)
    proxy.plan("GET", "/blobs/", *[cut_answer(300_000)] * 3)  # progress, so no end of patience
    assert b"".join(behind.blob(DIGEST, len(BLOB))) == BLOB
    ranges = [each.headers.get("range") for each in proxy.asked("GET", "/blobs/")]
    assert ranges == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_a_registry_without_ranges_is_read_from_the_start(behind: Repository, proxy: Proxy) -> None:
    push_blob(behind)
    proxy.plan("GET", "/blobs/", cut_answer(300_001))
    proxy.plan("GET", "/blobs/", without_range)
    assert b"".join(behind.blob(DIGEST, len(BLOB))) == BLOB
    assert len(proxy.asked("GET", "/blobs/")) == 2


def test_a_registry_that_gives_another_range_is_refused(behind: Repository, proxy: Proxy) -> None:
    push_blob(behind)
    elsewhere = change(lambda each: replace(each, headers={**each.headers, "Content-Range": "bytes 0-1/2"}))
    proxy.plan("GET", "/blobs/", cut_answer(300_000), elsewhere)
    with pytest.raises(ExternalError, match=r"was asked for bytes from 300000 on and gave 'bytes 0-1/2'"):
        list(behind.blob(DIGEST, len(BLOB)))


def test_a_blob_that_is_always_cut_at_the_same_place_is_given_up(behind: Repository, proxy: Proxy) -> None:
    push_blob(behind)
    proxy.plan(
        "GET", "/blobs/", lambda request, forward: replace(without_range(request, forward), cut=500), times=-1
    )
    with pytest.raises(
        ExternalError, match=rf"cannot read the blob {DIGEST} of .*: {proxy.host} cut the connection"
    ):
        list(behind.blob(DIGEST, len(BLOB)))
    assert len(proxy.asked("GET", "/blobs/")) == 3


WRONG = b"!" + BLOB[1:]


@pytest.mark.parametrize(
    ("answer", "told", "requests"),
    [
        (Reply(200, WRONG), f"gave other bytes, with the digest {sha256_of(WRONG)}", 1),
        (Reply(200, BLOB[:-1]), "has it with 1023999 bytes instead of 1024000", 1),
        (Reply(200, BLOB + b"x"), "has it with 1024001 bytes instead of 1024000", 1),
        (Reply(200, BLOB + b"x", length=-1), "gave more than its 1024000 bytes", 1),
        (Reply(200, BLOB[:-1], length=-1), "gave only 1023999 of its 1024000 bytes", 4),
        (Reply(200, BLOB[:-1], length=-2), "gave only 1023999 of its 1024000 bytes", 4),
    ],
    ids=["other", "short", "long", "long chunked", "short chunked", "short unknown"],
)
def test_a_blob_that_does_not_fit_never_comes_whole(
    proxy: Proxy, answer: Reply, told: str, requests: int
) -> None:
    proxy.plan("GET", "/blobs/", reply(answer), times=-1)
    received = bytearray()

    def receive() -> None:
        for piece in repository(proxy.host).blob(DIGEST, len(BLOB)):
            received.extend(piece)

    with pytest.raises(ExternalError) as caught:
        receive()
    assert told in caught.value.message
    assert proxy.host in caught.value.message
    assert len(received) < len(BLOB)
    assert len(proxy.requests) <= requests


@pytest.mark.parametrize("at", [0, 100_000])
def test_an_upload_that_is_cut_begins_with_a_new_post(behind: Repository, proxy: Proxy, at: int) -> None:
    proxy.plan("PUT", "/uploads/", cut_request(at), cut_request(at))
    assert push_blob(behind) == DIGEST
    methods = [each.method for each in proxy.requests]
    assert methods == ["POST", "PUT"] * 3
    assert len({each.path for each in proxy.asked("PUT")}) == 3
    assert b"".join(behind.blob(DIGEST, len(BLOB))) == BLOB


@pytest.mark.parametrize(
    "fault",
    [cut_answer(-1), reply(error(404, "BLOB_UPLOAD_UNKNOWN")), BUSY],
    ids=["answer lost", "upload lost", "busy"],
)
def test_an_upload_that_fails_begins_with_a_new_post(behind: Repository, proxy: Proxy, fault: Fault) -> None:
    proxy.plan("PUT", "/uploads/", fault)
    push_blob(behind)
    assert [each.method for each in proxy.requests] == ["POST", "PUT"] * 2
    assert behind.has_blob(DIGEST)


def test_an_upload_says_how_long_it_is_and_is_never_chunked(behind: Repository, proxy: Proxy) -> None:
    behind.upload(DIGEST, len(BLOB), in_pieces(BLOB))
    post, put = proxy.requests
    assert post.headers["content-length"] == "0"
    assert put.headers["content-length"] == str(len(BLOB))
    assert "transfer-encoding" not in put.headers


def test_a_manifest_whose_answer_was_lost_is_put_again(
    behind: Repository, proxy: Proxy, image: Image
) -> None:
    proxy.plan("PUT", "/manifests/", cut_answer(-1))
    assert behind.put_manifest(image.manifest, image.media_type, "2") == ()
    assert behind.manifest("2").digest == image.digest


def test_a_registry_that_stores_other_bytes_is_told(behind: Repository, proxy: Proxy, image: Image) -> None:
    other = change(lambda each: replace(each, headers={**each.headers, "Docker-Content-Digest": DIGEST}))
    proxy.plan("PUT", "/", other, times=-1)
    with pytest.raises(ExternalError, match=rf"stored other bytes, with the digest {DIGEST}"):
        behind.put_manifest(image.manifest, image.media_type, "2")
    with pytest.raises(ExternalError, match=rf"stored other bytes: {DIGEST}"):
        push_blob(behind, b"something")


def test_a_manifest_with_other_bytes_is_refused(behind: Repository, proxy: Proxy, image: Image) -> None:
    wrong = change(lambda each: replace(each, body=each.body.replace(b"{", b"{ ", 1), headers={}))
    proxy.plan("GET", "/manifests/", wrong)
    said = failure(ExternalError, behind, image.digest).message
    assert "gave other bytes, with the digest sha256:" in said
    assert f"instead of {image.digest}" in said
    lying = change(lambda each: replace(each, headers={**each.headers, "Docker-Content-Digest": DIGEST}))
    proxy.plan("GET", "/manifests/", lying)
    assert f"instead of {DIGEST}" in failure(ExternalError, behind).message


SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"


@pytest.mark.parametrize(
    ("served", "body", "told"),
    [
        (SCHEMA_1, b'{"schemaVersion": 1}', f"has the media type '{SCHEMA_1}', which is no image's"),
        ("text/html", b'{"mediaType": "x"}', "has the media type 'text/html', which is no image's"),
        ("", b"{}", "has the media type '', which is no image's"),
        (OCI.manifest, b"<html>", "is not valid JSON"),
        (OCI.manifest, b'{"manifests": []}', "and says that it is another kind"),
        (OCI.manifest, b'{"mediaType": "other"}', "and says that it is another kind"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(proxy: Proxy, served: str, body: bytes, told: str) -> None:
    proxy.plan("GET", "/manifests/", reply(Reply(200, body, {"Content-Type": served})))
    there = repository(proxy.host)
    with pytest.raises(UserError) as caught:
        there.manifest("1")
    assert told in caught.value.message
    assert f"{there.name} 1" in caught.value.message


def test_a_manifest_without_end_is_not_kept(proxy: Proxy) -> None:
    proxy.plan("GET", "/manifests/", reply(Reply(200, bytes(MAX_MANIFEST + 1), length=-1)))
    said = failure(ExternalError, repository(proxy.host)).message
    assert said.endswith(f"sent more than {MAX_MANIFEST} bytes where that many are the most")


def test_an_error_without_end_is_not_kept(proxy: Proxy) -> None:
    proxy.plan("GET", "/manifests/", reply(Reply(400, b"x" * (1 << 20), length=-1)))
    assert failure(ExternalError, repository(proxy.host)).message.endswith("answered 400 Bad Request")


def test_control_characters_of_a_registry_never_reach_the_terminal(proxy: Proxy) -> None:
    proxy.plan("GET", "/manifests/", reply(error(400, "X\x1b[2J", "a\r\nb\x9b")))
    assert failure(ExternalError, repository(proxy.host)).details == ("X [2J: a b",)


def test_a_head_without_a_digest_is_made_up_for(behind: Repository, proxy: Proxy, image: Image) -> None:
    proxy.plan("HEAD", "/", change(lambda each: replace(each, headers={})))
    found = behind.head("1")
    assert found
    assert (found.digest, found.media_type) == (image.digest, image.media_type)


def test_blobs_that_are_missing_but_not_named_are_all_taken_to_be(
    behind: Repository, proxy: Proxy, image: Image
) -> None:
    proxy.plan("PUT", "/manifests/", reply(error(400, "MANIFEST_BLOB_UNKNOWN", "blob unknown")))
    named = [image.config_digest, *(layer.digest for layer in image.layers)]
    assert behind.put_manifest(image.manifest, image.media_type, "2") == tuple(named)


def test_a_mount_that_is_refused_becomes_an_upload(behind: Repository, proxy: Proxy) -> None:
    proxy.plan("POST", "/", reply(error(403, "DENIED")))
    assert behind.upload(DIGEST, len(BLOB), in_pieces(BLOB), mount_from=new_name()) is False
    assert behind.has_blob(DIGEST)


def test_a_silent_registry_is_given_up(proxy: Proxy) -> None:
    there = repository(proxy.host, settings=settings_of(silence=0.2, retries=0))
    proxy.plan("GET", "/", reply(Reply(silence=1.0)))
    assert failure(ExternalError, there).message.endswith(f"{proxy.host} was silent for 0.2 s")


def test_a_registry_that_drips_counts_as_silent(proxy: Proxy) -> None:
    there = repository(proxy.host, settings=settings_of(silence=0.2, retries=0))
    proxy.plan("GET", "/", reply(Reply(200, BLOB, piece=1, pause=0.02)))
    with pytest.raises(ExternalError, match=rf"{proxy.host} sent only \d+ bytes in 0\.\d s"):
        list(there.blob(DIGEST, len(BLOB)))


def test_who_is_slow_with_the_bytes_is_not_taken_for_a_slow_registry(proxy: Proxy) -> None:
    data = b"0123456789"
    proxy.plan("GET", "/", reply(Reply(200, data, piece=1, pause=0.02)))
    there = repository(proxy.host, settings=settings_of(silence=0.5, retries=0))
    received = bytearray()
    for piece in there.blob(sha256_of(data), len(data)):
        time.sleep(0 if received else 1)
        received += piece
    assert received == data


def test_a_slow_registry_is_waited_for(behind: Repository, proxy: Proxy) -> None:
    push_blob(behind)
    slowly = change(lambda each: replace(each, piece=len(BLOB) // 4, pause=0.05))
    proxy.plan("GET", "/", slowly)
    assert b"".join(behind.blob(DIGEST, len(BLOB))) == BLOB
    assert len(proxy.asked("GET")) == 1


def test_a_registry_that_goes_down_in_the_middle_is_named(tmp_path: Path) -> None:
    with ExitStack() as stack:
        host = stack.enter_context(running(tmp_path / "registry")).host

        def pieces() -> Iterator[bytes]:
            yield BLOB[:500_000]
            stack.close()
            yield BLOB[500_000:]

        there = repository(host)
        with pytest.raises(ExternalError) as caught:
            there.upload(DIGEST, len(BLOB), pieces)
    assert caught.value.message.startswith(f"cannot send the blob {DIGEST} to {there.name}: {host} ")
    with running(tmp_path / "registry") as again:
        there = repository(again.host, there.name.partition("/")[2])
        assert not there.has_blob(DIGEST)
        push_blob(there)


def test_a_registry_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{unused.getsockname()[1]}"
        said = failure(ExternalError, repository(host)).message
    assert said.endswith(f"{host} took no connection: connection refused")


def test_a_host_that_does_not_exist_is_named() -> None:
    there = repository("registry.invalid", settings=settings_of(retries=0))
    assert failure(ExternalError, there).message.endswith("registry.invalid is not known by that name")


@pytest.mark.parametrize(
    "location", ["", "http://[", "http://127.0.0.1:99999/x", "ftp://x/y", "http://me:opensesame@127.0.0.1/"]
)
def test_an_upload_that_leads_nowhere_is_an_error(proxy: Proxy, location: str) -> None:
    proxy.plan("POST", "/", reply(Reply(202, headers={"Location": location} if location else {})))
    with pytest.raises(ExternalError) as caught:
        push_blob(repository(proxy.host))
    assert "opensesame" not in str(caught.value)


def test_pages_of_tags_are_followed_on_the_same_server_only() -> None:
    where = [""]

    def respond(request: Request) -> Reply:
        if "last" in request.query:
            return Reply(200, b'{"tags": ["c"]}')
        return Reply(
            200, b'{"tags": ["a", "b"]}', {"Link": f'<{where[0]}/v2/x/tags/list?last=b&n=2>; rel="next"'}
        )

    with Server(respond) as server:
        assert repository(server.host, "x").tags() == ("a", "b", "c")
        where[0] = "http://127.0.0.1:1"
        with pytest.raises(ExternalError, match="has its next page on another server"):
            repository(server.host, "x").tags()


@pytest.mark.parametrize("body", [b"", b"[]", b'{"tags": 1}', b'{"tags": [1]}', b"{}"])
def test_a_list_of_tags_that_is_none_is_refused(proxy: Proxy, body: bytes) -> None:
    proxy.plan("GET", "/tags/", reply(Reply(200, body)))
    with pytest.raises(ExternalError, match="sent a list of tags that cannot be read"):
        repository(proxy.host).tags()


def test_no_tags_may_be_null(proxy: Proxy) -> None:
    proxy.plan("GET", "/tags/", reply(Reply(200, b'{"tags": null}')))
    assert repository(proxy.host).tags() == ()
