"""Clients of AWS, and what the Meter counts."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from lambdabuild import __version__
from lambdabuild.aws.clients import Aws
from lambdabuild.aws.meter import Meter, Usage
from lambdabuild.errors import ExternalError, UserError
from tests.cloud.moto_server import ACCOUNT, REGION, environment, new_bucket
from tests.store.front import Front, refusal


@pytest.fixture(autouse=True)
def cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)


def test_a_client_is_made_once_whoever_asks() -> None:
    aws = Aws(REGION, ACCOUNT, Meter())
    with ThreadPoolExecutor(8) as pool:
        clients = list(pool.map(aws.client, ["s3", "sts"] * 8))
    assert len({id(client) for client in clients}) == 2


def test_a_client_waits_tries_again_and_says_who_it_is() -> None:
    config = Aws(None, ACCOUNT, Meter()).client("s3").meta.config
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (10, 60, 32)
    assert config.retries["mode"] == "standard"
    assert config.retries["total_max_attempts"] == 8
    assert f"lambdabuild/{__version__}" in config.user_agent
    assert config.s3["addressing_style"] == "path"


def test_buckets_of_aws_have_host_names_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    s3 = Aws("eu-central-1", ACCOUNT, Meter()).client("s3")
    url = s3.generate_presigned_url("get_object", {"Bucket": "bucket", "Key": "key"})
    assert url.startswith("https://bucket.s3.")


def test_every_attempt_and_every_byte_of_a_body_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket, front, meter = new_bucket(), Front(), Meter()
    with front.serve() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        s3 = Aws(None, ACCOUNT, meter).client("s3")
        refused = refusal(503, "SlowDown")
        front.plan("PUT", "/key", refused)
        s3.put_object(Bucket=bucket, Key="key", Body=b"12345")
        one = meter.usage()
        assert one.requests == {"s3:PutObject": 2}
        assert one.sent == 10
        assert one.received == len(
            b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>no</Message></Error>"
        )
        assert s3.get_object(Bucket=bucket, Key="key")["Body"].read() == b"12345"
    assert meter.usage() - one == Usage({"s3:GetObject": 1}, 0, 5)


def test_a_missing_region_or_profile_is_the_users_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    with pytest.raises(UserError, match="no AWS region is set"):
        Aws(None, ACCOUNT, Meter()).client("codebuild")
    with pytest.raises(UserError, match="cannot prepare to speak to s3"):
        Aws(REGION, ACCOUNT, Meter(), profile="none").client("s3")


def test_boto3_is_not_imported_before_a_client_is_asked_for() -> None:
    code = (
        "import sys\nimport lambdabuild.aws.clients, lambdabuild.store.s3.store, lambdabuild.store.s3.cache\n"
        "import lambdabuild.store.layered\n"
        "lambdabuild.aws.clients.Aws(None, None, lambdabuild.aws.meter.Meter())\n"
        "sys.exit(bool({'boto3', 'botocore', 'deflate'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_without_credentials_the_first_request_is_an_external_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from lambdabuild.store.s3.bucket import Bucket

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/nonexistent")
    aws = Aws(REGION, ACCOUNT, Meter())
    with pytest.raises(
        ExternalError, match="cannot read the remote store: there are no valid AWS credentials"
    ):
        Bucket(lambda: aws.client("s3"), "bucket", "", ACCOUNT).read("key", limit=1)
