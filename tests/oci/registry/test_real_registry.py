"""Debian's docker-registry: what goes in comes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from urllib3 import connectionpool

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.oci import documents
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.media_types import DOCKER, OCI, OCI_INDEX, FamilyName
from lambdabuild.oci.registry.client import Client
from lambdabuild.oci.registry.index import DOCKER_LIST
from lambdabuild.oci.registry.reference import Reference
from lambdabuild.oci.registry.repository import MAX_DOCUMENT, Head, RawManifest, Repository

from ..blobs import Blobs
from .asking import (
    BLOB,
    DIGEST,
    docker_config,
    in_pieces,
    index_of,
    new_name,
    push_blob,
    push_image,
    repository,
    settings_of,
)
from .proxy import Proxy
from .real import LOGIN, RealRegistry


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


@pytest.mark.parametrize("data", [BLOB, b"", b"x"], ids=len)
def test_a_blob_comes_back_as_it_was_sent(there: Repository, data: bytes) -> None:
    digest = sha256_of(data)
    if data:  # every repository has the empty blob, in the eyes of docker-registry
        assert not there.has_blob(digest)
    assert there.upload(digest, len(data), in_pieces(data)) is False
    assert there.has_blob(digest)
    assert b"".join(there.blob(digest, len(data))) == data


@pytest.mark.parametrize("family", ["oci", "docker"])
def test_a_manifest_comes_back_byte_for_byte(there: Repository, blobs: Blobs, family: FamilyName) -> None:
    image = blobs.image({"a": b"a"}, {"b": b"b"}, family=family)
    odd = json.dumps(json.loads(image.manifest), indent=7).encode()
    push_image(there, image, blobs, "1")
    assert there.put_manifest(odd, image.media_type, "odd") == ()
    assert there.manifest("1") == RawManifest(image.media_type, image.digest, image.manifest)
    assert there.manifest("odd") == RawManifest(image.media_type, sha256_of(odd), odd)
    assert there.manifest(image.digest).data == image.manifest
    assert there.head("odd") == Head(sha256_of(odd), image.media_type)
    assert there.head(image.digest) == Head(image.digest, image.media_type)
    assert there.document(image.config_digest, len(image.config)) == image.config


def test_what_is_not_there_is_none_to_head_and_an_error_to_read(there: Repository, blobs: Blobs) -> None:
    assert there.head("1") is None
    with pytest.raises(
        UserError, match=rf"cannot read the manifest 1 of {there.name}: .* answered 404 Not Found"
    ):
        there.manifest("1")
    push_image(there, blobs.image(), blobs, "1")
    assert there.head("2") is None
    with pytest.raises(UserError, match="answered 404") as caught:
        there.manifest("2")
    assert caught.value.hint == f"is the name right? skopeo list-tags docker://{there.name}"
    assert not there.has_blob(DIGEST)
    with pytest.raises(UserError, match=rf"cannot read the blob {DIGEST} of {there.name}: .* 404 Not Found"):
        list(there.blob(DIGEST, len(BLOB)))


@pytest.mark.parametrize("family", ["oci", "docker"])
def test_a_manifest_that_lacks_blobs_is_answered_with_their_digests(
    there: Repository, blobs: Blobs, family: FamilyName
) -> None:
    image = blobs.image({"a": b"a"}, {"b": b"b"}, {"c": b"c"}, family=family)
    layers = [layer.digest for layer in image.layers]
    assert set(there.put_manifest(image.manifest, image.media_type, "1")) == {image.config_digest, *layers}
    there.upload(image.config_digest, len(image.config), lambda: [image.config])
    push_blob(there, blobs.path(layers[1]).read_bytes())
    assert there.put_manifest(image.manifest, image.media_type, "1") == (layers[0], layers[2])
    assert there.head("1") is None
    push_image(there, image, blobs, "1")
    assert there.manifest("1").digest == image.digest


def test_a_push_of_what_is_there_takes_one_request(behind: Repository, proxy: Proxy, blobs: Blobs) -> None:
    image = blobs.image({"a": b"a"})
    push_image(behind, image, blobs, "1")
    before = len(proxy.requests)
    assert behind.put_manifest(image.manifest, image.media_type, "2") == ()
    assert [each.method for each in proxy.requests[before:]] == ["PUT"]


@pytest.mark.parametrize(("media_type", "family"), [(OCI_INDEX, "oci"), (DOCKER_LIST, "docker")])
def test_an_index_gives_the_image_for_a_platform(
    there: Repository, blobs: Blobs, media_type: str, family: FamilyName
) -> None:
    images = [Image.scratch(each, family=family) for each in ("linux/amd64", "linux/arm64")]
    index = index_of(*images, media_type=media_type)
    assert set(there.put_manifest(index, media_type, "1")) == {image.digest for image in images}
    for image in images:
        push_image(there, image, blobs, image.digest)
    assert there.put_manifest(index, media_type, "1") == ()
    assert there.manifest("1").media_type == media_type
    for image in images:
        assert there.resolve("1", image.platform).data == image.manifest
        assert there.resolve(sha256_of(index), image.platform).digest == image.digest
        assert there.resolve(image.digest, "any/thing").digest == image.digest
    with pytest.raises(UserError) as caught:
        there.resolve("1", "linux/s390x")
    assert caught.value.message == f"{there.name}:1 has nothing for linux/s390x"
    assert caught.value.hint == "it has linux/amd64, linux/arm64"


def test_an_index_that_says_a_wrong_size_is_refused(there: Repository, blobs: Blobs) -> None:
    image = blobs.image()
    push_image(there, image, blobs, image.digest)
    index: dict[str, Any] = json.loads(index_of(image, media_type=OCI_INDEX))
    for entry in index["manifests"]:
        entry["size"] += 1
    there.put_manifest(documents.encode(index), OCI_INDEX, "1")
    with pytest.raises(ExternalError, match=rf"{image.digest} is not what the index sha256:\w+ says"):
        there.resolve("1", "linux/amd64")


@pytest.fixture
def source(registry: RealRegistry) -> Repository:
    return repository(registry.host)


def test_a_blob_is_mounted_from_another_repository(there: Repository, source: Repository) -> None:
    data = b"only for mounting"
    digest = push_blob(source, data)
    name = source.name.partition("/")[2]
    assert there.mount(digest, name) is True
    assert b"".join(there.blob(digest, len(data))) == data

    def never() -> Iterator[bytes]:
        raise AssertionError("asked for bytes")

    assert there.upload(digest, len(data), never, mount_from=name) is True


def test_what_cannot_be_mounted_is_sent_to_the_upload_that_was_opened(
    behind: Repository, proxy: Proxy
) -> None:
    data = b"nobody has this"
    digest = sha256_of(data)
    assert behind.upload(digest, len(data), in_pieces(data), mount_from=new_name()) is False
    assert behind.has_blob(digest)
    assert [each.method for each in proxy.requests] == ["POST", "PUT", "HEAD"]


def test_a_mount_that_fails_cancels_the_upload_that_was_opened(
    behind: Repository, proxy: Proxy, registry: RealRegistry
) -> None:
    assert behind.mount(sha256_of(b"nobody has this either"), new_name()) is False
    assert [each.method for each in proxy.requests] == ["POST", "DELETE"]
    name = behind.name.partition("/")[2]
    assert list(registry.storage.glob(f"docker/registry/v2/repositories/{name}/_uploads/*/data")) == []


def test_a_blob_is_copied_from_registry_to_registry(
    there: Repository, basic_registry: RealRegistry, tmp_path: Path
) -> None:
    home = docker_config(tmp_path, auths={basic_registry.host: {"auth": LOGIN}})
    other = repository(basic_registry.host, settings=settings_of(home))
    push_blob(there)
    other.upload(DIGEST, len(BLOB), lambda: there.blob(DIGEST, len(BLOB)))
    assert b"".join(other.blob(DIGEST, len(BLOB))) == BLOB


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (BLOB[:-1], "only 1023999 of its 1024000 bytes"),
        (BLOB + b"x", "more than its 1024000 bytes"),
        (b"x" + BLOB[1:], "other bytes"),
    ],
    ids=["short", "long", "other"],
)
def test_bytes_that_do_not_fit_are_never_a_blob(there: Repository, data: bytes, told: str) -> None:
    with pytest.raises(
        ExternalError, match=rf"the blob {DIGEST} is damaged here, and was not sent: .*{told}"
    ):
        there.upload(DIGEST, len(BLOB), in_pieces(data))
    assert not there.has_blob(DIGEST)


def test_what_the_source_of_bytes_raises_passes_through(there: Repository) -> None:
    for error in (OSError("disk"), ValueError("value"), KeyError("key")):

        def pieces(error: Exception = error) -> Iterator[bytes]:
            yield BLOB[:1000]
            raise error

        with pytest.raises(type(error)) as caught:
            there.upload(DIGEST, len(BLOB), pieces)
        assert caught.value is error


def test_tags_are_listed(there: Repository, blobs: Blobs) -> None:
    for name in "abc":
        push_image(there, blobs.image(), blobs, name)
    assert sorted(there.tags()) == ["a", "b", "c"]


def test_a_repository_without_a_name_in_the_registry_has_no_tags(there: Repository) -> None:
    with pytest.raises(
        UserError, match=rf"cannot list the tags of {there.name}: .* it has no repository"
    ) as caught:
        there.tags()
    assert "create" in (caught.value.hint or "")


def test_threads_share_a_client(registry: RealRegistry) -> None:
    client = Client(settings_of())
    repositories = [client.repository(Reference(registry.host, new_name()), push=True) for _ in range(4)]

    def work(number: int) -> bool:
        there, data = repositories[number % 4], bytes([number]) * 200_000
        digest = push_blob(there, data)
        return b"".join(there.blob(digest, len(data))) == data

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(work, range(64))) == [True] * 64


def test_connections_are_kept(registry: RealRegistry, blobs: Blobs) -> None:
    there = repository(registry.host)
    made = []
    original = connectionpool.HTTPConnectionPool._new_conn  # what a pool makes a connection with

    def counted(pool: connectionpool.HTTPConnectionPool) -> Any:
        made.append(pool)
        return original(pool)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectionpool.HTTPConnectionPool, "_new_conn", counted)
        push_image(there, blobs.image({"a": b"a"}), blobs, "1")
        there.head("2")
        list(there.blob(push_blob(there), len(BLOB)))
    assert len(made) == 1


def test_a_config_that_is_absurdly_large_is_not_read(there: Repository) -> None:
    with pytest.raises(UserError, match="which is no config"):
        there.document(DIGEST, MAX_DOCUMENT + 1)


@pytest.mark.parametrize("bad", ["", "..", "A", "a?b=c", "a//b"])
def test_names_that_are_none_never_reach_a_url(there: Repository, bad: str) -> None:
    for attempt in (
        lambda: there.manifest(bad + "/"),
        lambda: there.head(bad + "?"),
        lambda: there.put_manifest(b"{}", OCI.manifest, bad + "/"),
        lambda: there.mount(DIGEST, bad),
        lambda: there.upload(DIGEST, 1, lambda: [b"x"], mount_from=bad),
    ):
        with pytest.raises(UserError):
            attempt()


def test_the_media_type_is_the_registrys_business(there: Repository, blobs: Blobs) -> None:
    image = blobs.image()
    there.upload(image.config_digest, len(image.config), lambda: [image.config])
    with pytest.raises(ExternalError, match=r"answered 400 Bad Request") as caught:
        there.put_manifest(image.manifest, DOCKER.manifest, "1")
    assert caught.value.details[0].startswith("MANIFEST_INVALID: ")
