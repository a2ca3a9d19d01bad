"""Repositories of ECR, on moto."""

from __future__ import annotations

import hashlib
import json
import os
import time
from typing import Any

import pytest

from lambdabuild.errors import LambdaBuildError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.retention.shelves import EcrShelf
from tests.cloud import moto_server


@pytest.fixture
def name() -> str:
    made = f"shop-{os.getpid()}-{time.monotonic_ns()}"
    ecr().create_repository(repositoryName=made)
    return made


def ecr() -> Any:
    return moto_server.client("ecr")


def put(name: str, number: int, tag: str) -> OciDigest:
    kind = "application/vnd.oci.image.manifest.v1+json"
    config = {"digest": f"sha256:{number:064}"}
    text = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": []})
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    ecr().put_image(repositoryName=name, imageManifest=text, imageTag=tag, imageDigest=digest)
    return OciDigest(digest)


def test_images_of_ecr_have_digests_tags_and_times(name: str) -> None:
    began = time.time()
    first, second = put(name, 1, "b3-one"), put(name, 2, "b3-two")
    put(name, 2, "live-two")
    found = {each.digest: each for each in EcrShelf(ecr, moto_server.ACCOUNT, name).entries()}
    assert {digest: each.tags for digest, each in found.items()} == {
        first: ("b3-one",),
        second: ("b3-two", "live-two"),
    }
    assert all(each.pushed and abs(each.pushed - began) < 60 for each in found.values())


def test_images_of_ecr_go_by_digest_and_those_that_are_gone_are_no_error(name: str) -> None:
    digests = [put(name, number, f"b3-{number}") for number in range(103)]
    shelf = EcrShelf(ecr, moto_server.ACCOUNT, name)
    shelf.remove(digests[:102])
    assert [each.digest for each in shelf.entries()] == [digests[102]]
    shelf.remove(digests[101:])
    assert shelf.entries() == []


def test_a_repository_that_is_not_there_is_empty() -> None:
    assert EcrShelf(ecr, moto_server.ACCOUNT, "nobody/made/this").entries() == []


def test_what_ecr_does_not_remove_is_told() -> None:
    failure = {"imageId": {"imageDigest": "sha256:1"}, "failureCode": "ImageReferencedByManifestList"}

    class Refusing:
        def batch_delete_image(self, **asked: object) -> object:
            return {"failures": [failure]}

    with pytest.raises(LambdaBuildError, match="ImageReferencedByManifestList"):
        EcrShelf(Refusing, moto_server.ACCOUNT, "shop").remove([OciDigest("sha256:1")])
