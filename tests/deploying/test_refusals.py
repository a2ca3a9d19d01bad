"""What stands against a deploy is told before anything changes, with what can be done."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable

import pytest

from lambdabuild.deploying.offers import choose_destination
from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.pushing.names import parse_destinations
from tests.cloud.aws import ACCOUNT, REGION, access_key
from tests.oci.registry.asking import repository

from .bench import Bench, push_scratch


def refused(kind: type[LambdaBuildError], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.hint
    return f"{caught.value.message}\n{caught.value.hint}"


def test_a_function_that_is_not_there_is_told_at_its_target(bench: Bench) -> None:
    bench.names = (*bench.names, "nowhere")
    bench.handlers["nowhere"] = "app.main"
    text = refused(UserError, lambda: bench.deploy(1))
    assert f"there is no arn:aws:lambda:{REGION}:{ACCOUNT}:function:nowhere" in text


def test_a_function_of_package_type_zip_takes_no_image(bench: Bench) -> None:
    bench.cloud.functions.create(bench.names[1])
    before = bench.function(0).latest
    text = refused(UserError, lambda: bench.deploy(1))
    assert f"{bench.names[1]} is of package type Zip" in text
    assert bench.function(0).latest == before


def test_a_function_for_another_processor_names_both(bench: Bench) -> None:
    arm = push_scratch(bench.registry, "arm", "linux/arm64")
    bench.cloud.functions.create(
        bench.names[0], f"{bench.registry.host}/shop@{arm}", architectures=("arm64",)
    )
    text = refused(UserError, lambda: bench.deploy(1))
    assert "is for arm64, and //shop:image is built for linux/amd64" in text
    assert 'add "linux/arm64" to its platforms' in text


def test_an_image_that_is_gone_from_the_registry_is_told_before_anything_changes(bench: Bench) -> None:
    bench.deploy(1)
    bench.deploy(2)
    gone = push_scratch(bench.registry, "v1")
    there = repository(bench.registry.host, "shop", push=True)
    before = bench.states()

    connection = http.client.HTTPConnection(bench.registry.host)
    connection.request("DELETE", f"/v2/shop/manifests/{gone}")
    assert connection.getresponse().status == 202
    connection.close()
    assert there.head(gone) is None
    text = refused(ExternalError, bench.roll_back)
    assert "its image is not in the registry" in text
    assert gone in text
    assert bench.states() == before


@pytest.mark.parametrize(
    "action", ["GetFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion"]
)
def test_a_right_that_lacks_is_named_with_its_resource(bench: Bench, action: str) -> None:
    bench.publish = True
    bench.cloud.functions.denied.add((access_key("alice"), f"lambda:{action}"))
    before = bench.states()

    def deploy() -> None:
        done = bench.deploy(1)
        for error in [outcome.error for outcome in done.outcomes if outcome.error]:
            raise error

    text = refused(ExternalError, deploy)
    if action != "UpdateFunctionConfiguration":  # what takes code back needs it as well
        assert bench.states() == before
    assert f"lambda:{action} is not allowed on arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench-" in text
    assert "lists what a deploy needs" in text


def test_ecr_has_to_be_of_the_functions_region() -> None:
    places = [f"{ACCOUNT}.dkr.ecr.{region}.amazonaws.com/shop" for region in ("eu-west-1", "us-east-1")]
    destinations = parse_destinations(places)
    assert str(choose_destination(destinations, "us-east-1")) == places[1]
    text = refused(UserError, lambda: choose_destination(destinations, "eu-north-1"))
    assert "functions in eu-north-1 take images from ECR in eu-north-1" in text
    with pytest.raises(UserError):
        choose_destination(parse_destinations(["ghcr.io/me"]), "eu-west-1")
    assert (
        choose_destination(parse_destinations(["ghcr.io/me", "127.0.0.1:5000/x"]), "eu-west-1").prefix == "x"
    )


def test_a_record_that_names_an_image_of_another_registry_is_not_followed(bench: Bench) -> None:
    done = bench.deploy(1)
    records = bench.records("admin")
    key = f"{records.place.prefix}{done.id}/begun"
    storage = bench.cloud.client("s3", "admin")
    data = storage.get_object(Bucket=bench.bucket, Key=f"p/{key}")["Body"].read()
    document = json.loads(data)
    for each in document["functions"]:
        each["from"]["image"] = each["from"]["image"].replace(bench.registry.host, "evil.example")
    storage.put_object(Bucket=bench.bucket, Key=f"p/{key}", Body=json.dumps(document).encode())
    before = bench.states()
    text = refused(UserError, bench.roll_back)
    assert "evil.example, which is no registry of this workspace" in text
    assert bench.states() == before


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"\xff", b'{"version": 2}', b"[" * 100_000])
def test_a_record_that_is_none_is_passed_over(bench: Bench, data: bytes) -> None:
    done = bench.deploy(1)
    records = bench.records("admin")
    key = f"p/{records.place.prefix}99991231-235959-ffffffff/begun"
    bench.cloud.client("s3", "admin").put_object(Bucket=bench.bucket, Key=key, Body=data)
    assert [record.id for record in records.latest()] == [done.id]
    with pytest.raises(UserError, match="there is no deploy"):
        records.find("99991231-235959-ffffffff")
    with pytest.raises(UserError, match="there is no deploy"):
        records.find("../../somewhere")


def test_an_alias_that_is_not_there_is_named_with_its_function(bench: Bench) -> None:
    text = refused(UserError, lambda: bench.steps().service.look(bench.names[0], "live"))
    assert f"there is no arn:aws:lambda:{REGION}:{ACCOUNT}:function:{bench.names[0]}:live" in text
