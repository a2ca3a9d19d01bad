"""The Lambda of the stand-in does what AWS does where a deploy depends on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cloud.asking import refused
from tests.cloud.aws import Cloud
from tests.cloud.functions import Functions
from tests.cloud.proxy import Proxy
from tests.oci.registry.asking import in_pieces, push_blob, repository
from tests.running.images import Images

ANSWER = "def handler(event, context):\n    return {'answer': NUMBER, 'event': event}\ndef other(event, context):\n    return 'other'\n"


@pytest.fixture(scope="module")
def registry(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    return whole_cloud.registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture(scope="module")
def uris(registry: Proxy, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Returns two images in the registry, by digest."""
    images = Images(tmp_path_factory.mktemp("layers"))
    there = repository(registry.host, "answers", push=True)
    made = []
    for number in (1, 2):
        runnable = images.function({"var/task/app.py": ANSWER.replace("NUMBER", str(number))})
        for layer in runnable.image.layers:
            push_blob(there, runnable.blob(layer.digest).read_bytes())
        there.upload(
            runnable.image.config_digest, len(runnable.image.config), in_pieces(runnable.image.config)
        )
        assert there.put_manifest(runnable.image.manifest, runnable.image.media_type, f"v{number}") == ()
        made.append(f"{registry.host}/answers@{runnable.image.digest}")
    return made


def api_of(cloud: Cloud) -> Any:
    return cloud.client("lambda")


def called(api: Any, name: str, **more: Any) -> Any:
    return json.load(api.invoke(FunctionName=name, Payload=b"7", **more)["Payload"])


def settled(api: Any, name: str) -> Any:
    for _ in range(10):
        found = api.get_function(FunctionName=name)
        if found["Configuration"]["LastUpdateStatus"] != "InProgress":
            return found
    raise AssertionError("it never settles")


def test_a_function_answers_with_its_image_and_after_an_update_with_the_new_one(
    cloud: Cloud, uris: list[str]
) -> None:
    api = api_of(cloud)
    cloud.functions.create("answering", uris[0])
    assert called(api, "answering") == {"answer": 1, "event": 7}
    api.update_function_code(FunctionName="answering", ImageUri=uris[1])
    found = settled(api, "answering")
    assert found["Code"]["ResolvedImageUri"] == uris[1]
    assert called(api, "answering") == {"answer": 2, "event": 7}
    api.update_function_configuration(FunctionName="answering", ImageConfig={"Command": ["app.other"]})
    assert called(api, "answering") == "other"


def test_an_update_is_under_way_until_it_was_asked_after_and_refuses_others(
    cloud: Cloud, uris: list[str]
) -> None:
    api = api_of(cloud)
    cloud.functions.create("busy", uris[0])
    before = api.get_function(FunctionName="busy")["Configuration"]["RevisionId"]
    begun = api.update_function_code(FunctionName="busy", ImageUri=uris[1], RevisionId=before)
    assert begun["LastUpdateStatus"] == "InProgress"
    assert "in progress" in refused(
        "ResourceConflictException", lambda: api.update_function_code(FunctionName="busy", ImageUri=uris[0])
    )
    after = settled(api, "busy")["Configuration"]
    assert after["LastUpdateStatus"] == "Successful"
    assert len({before, begun["RevisionId"], after["RevisionId"]}) == 3


def test_a_revision_that_is_not_the_latest_is_refused_also_by_a_dry_run(
    cloud: Cloud, uris: list[str]
) -> None:
    api = api_of(cloud)
    cloud.functions.create("guarded", uris[0])
    wanted = {"FunctionName": "guarded", "RevisionId": "old"}
    for call in (
        lambda: api.update_function_code(**wanted, ImageUri=uris[1], DryRun=True),
        lambda: api.update_function_configuration(**wanted, ImageConfig={"Command": ["app.other"]}),
        lambda: api.publish_version(**wanted),
    ):
        refused("PreconditionFailedException", call)
    api.update_function_code(FunctionName="guarded", ImageUri=uris[1], DryRun=True)
    assert api.get_function(FunctionName="guarded")["Code"]["ResolvedImageUri"] == uris[0]


def test_an_image_has_to_be_in_the_registry_and_for_the_functions_processor(
    cloud: Cloud, uris: list[str]
) -> None:
    api = api_of(cloud)
    cloud.functions.create("choosy", uris[0])
    absent = f"{uris[0].partition('@')[0]}@sha256:{'0' * 64}"
    message = refused(
        "InvalidParameterValueException",
        lambda: api.update_function_code(FunctionName="choosy", ImageUri=absent, DryRun=True),
    )
    assert "does not exist" in message
    refused(
        "InvalidParameterValueException",
        lambda: api.update_function_code(
            FunctionName="choosy", ImageUri=uris[1], Architectures=["arm64"], DryRun=True
        ),
    )


def test_versions_stay_as_they_are_and_an_alias_is_guarded_by_its_revision(
    cloud: Cloud, uris: list[str]
) -> None:
    api = api_of(cloud)
    cloud.functions.create("versioned", uris[0])
    assert api.publish_version(FunctionName="versioned")["Version"] == "1"
    assert api.publish_version(FunctionName="versioned")["Version"] == "1"
    alias = api.create_alias(FunctionName="versioned", Name="live", FunctionVersion="1")
    api.update_function_code(FunctionName="versioned", ImageUri=uris[1])
    settled(api, "versioned")
    assert api.publish_version(FunctionName="versioned")["Version"] == "2"
    assert called(api, "versioned", Qualifier="live")["answer"] == 1
    moved = {"FunctionName": "versioned", "Name": "live", "FunctionVersion": "2"}
    api.update_alias(**moved, RevisionId=alias["RevisionId"])
    assert called(api, "versioned", Qualifier="live")["answer"] == 2
    refused("PreconditionFailedException", lambda: api.update_alias(**moved, RevisionId=alias["RevisionId"]))


def test_an_update_that_fails_leaves_the_code_as_it_was(cloud: Cloud, uris: list[str]) -> None:
    api = api_of(cloud)
    cloud.functions.create("failing", uris[0])
    cloud.functions.failures["failing"] = (
        "ImageAccessDenied",
        "Lambda does not have permission to access the ECR image.",
    )
    api.update_function_code(FunctionName="failing", ImageUri=uris[1])
    found = settled(api, "failing")
    assert found["Configuration"]["LastUpdateStatus"] == "Failed"
    assert found["Configuration"]["LastUpdateStatusReasonCode"] == "ImageAccessDenied"
    assert found["Code"]["ResolvedImageUri"] == uris[0]


def test_what_is_not_served_here_goes_to_moto(cloud: Cloud, tmp_path: Path) -> None:
    assert isinstance(cloud.functions, Functions)
    assert "Functions" in api_of(cloud).list_functions()
