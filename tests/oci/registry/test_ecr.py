"""AWS's logins, from boto3 against an AWS of our own; and a registry that answers as ECR does."""

from __future__ import annotations

import base64
import json
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import run

import pytest

from lambdabuild.errors import ExternalError, LambdaBuildError, UserError
from lambdabuild.oci.image import Image
from lambdabuild.oci.registry.credentials import Credentials
from lambdabuild.oci.registry.ecr import ecr_login, region_of
from lambdabuild.oci.registry.refusals import Complaint, Refusal, trouble_of
from lambdabuild.oci.registry.repository import Repository, TagTaken

from ..blobs import Blobs
from .asking import docker_config, in_pieces, push_image, repository, settings_of
from .ecr_like import EcrLike
from .real import RealRegistry
from .server import Reply, Request, Server

HOST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
SECRET = "s3cr3t-of-aws"
TOKEN = base64.b64encode(f"AWS:{SECRET}".encode()).decode()


class Aws(Server):
    """Gives authorization tokens, or `reply`."""

    def __init__(self) -> None:
        super().__init__(self._respond)
        self.reply: Reply | None = None

    def _respond(self, request: Request) -> Reply:
        if self.reply:
            return self.reply
        data: object = {"authorizationToken": TOKEN}
        if "/ecr-public/" not in request.headers["authorization"]:
            data = [data]
        return Reply(200, json.dumps({"authorizationData": data}).encode())


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Aws]:
    with Aws() as server:
        for name in ("AWS_ENDPOINT_URL_ECR", "AWS_ENDPOINT_URL_ECR_PUBLIC"):
            monkeypatch.setenv(name, server.url)
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_WEB_IDENTITY_TOKEN_FILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield server


@pytest.mark.parametrize(
    ("host", "region"),
    [
        (HOST, "eu-central-1"),
        (HOST + ".cn", "eu-central-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("public.ecr.aws", None),
        (HOST + ".evil.com", None),
        ("evil.com/" + HOST, None),
        ("x." + HOST, None),
        ("123456789012.dkr.ecr.eu_central.amazonaws.com", None),
    ],
)
def test_ecr_is_known_by_its_hosts(host: str, region: str | None) -> None:
    assert region_of(host) == region


def test_aws_gives_the_login(aws: Aws, tmp_path: Path) -> None:
    login = Credentials(settings_of(tmp_path)).login(HOST)
    assert login
    assert (login.user, login.password) == ("AWS", SECRET)
    assert "/eu-central-1/ecr/" in aws.requests[0].headers["authorization"]
    assert ecr_login("ghcr.io") is None
    assert len(aws.requests) == 1


def test_public_ecr_has_a_call_of_its_own(aws: Aws) -> None:
    login = ecr_login("public.ecr.aws")
    assert login
    assert login.password == SECRET
    assert "/us-east-1/ecr-public/" in aws.requests[0].headers["authorization"]


def test_dockers_configuration_goes_before_aws(aws: Aws, tmp_path: Path) -> None:
    docker_config(tmp_path, auths={HOST: {"auth": base64.b64encode(b"AWS:own").decode()}})
    login = Credentials(settings_of(tmp_path)).login(HOST)
    assert login
    assert login.password == "own"
    assert aws.requests == []


def refused(status: int, code: str) -> Reply:
    return Reply(status, json.dumps({"__type": code, "message": f"{SECRET} is wrong"}).encode())


@pytest.mark.parametrize(
    ("reply", "kind", "told"),
    [
        (refused(400, "UnrecognizedClientException"), UserError, "aws sso login"),
        (refused(400, "ExpiredTokenException"), UserError, "aws sso login"),
        (refused(400, "AccessDeniedException"), UserError, "allow ecr:GetAuthorizationToken"),
        (refused(500, "ServerException"), ExternalError, "try again"),
        (Reply(cut=-1), ExternalError, "it cannot be reached"),
    ],
)
def test_what_aws_refuses_is_told(aws: Aws, reply: Reply, kind: type[LambdaBuildError], told: str) -> None:
    aws.reply = reply
    with pytest.raises(kind) as caught:
        ecr_login(HOST)
    said = f"{caught.value.message} {caught.value.hint}"
    assert caught.value.message.startswith(f"AWS gives no login for {HOST}: ")
    assert told in said
    assert SECRET not in said
    assert ecr_login("public.ecr.aws") is None  # everybody may read there


def test_without_credentials_of_aws_the_user_is_told(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        UserError, match=rf"AWS gives no login for {HOST}: Unable to locate credentials"
    ) as caught:
        ecr_login(HOST)
    assert "AWS_PROFILE" in (caught.value.hint or "")
    assert ecr_login("public.ecr.aws") is None


def test_boto3_is_loaded_for_ecr_alone() -> None:
    script = (
        "import sys, pathlib\n"
        "from lambdabuild.oci.registry import client, credentials, settings\n"
        "found = settings.read_settings({}, pathlib.Path('/nowhere'))\n"
        "assert credentials.Credentials(found).login('ghcr.io') is None\n"
        "assert not {'boto3', 'botocore'} & sys.modules.keys()\n"
    )
    run([sys.executable, "-c", script], check=True)


def test_references_and_settings_load_no_http_library() -> None:
    script = (
        "import sys\nfrom lambdabuild.oci.registry import reference, settings\n"
        "assert 'urllib3' not in sys.modules\n"
    )
    run([sys.executable, "-c", script], check=True)


def test_a_stale_login_for_public_ecr_is_better_given_up() -> None:
    host = "public.ecr.aws"
    trouble = trouble_of(Refusal(host, 403, ()), host, "lambda/python", f"config.json for {host}")
    assert f"docker logout {host}" in (trouble.hint or "")


@pytest.mark.parametrize(
    ("status", "complaint", "hint"),
    [
        (
            404,
            Complaint("NAME_UNKNOWN", "no repository", "null"),
            "aws ecr create-repository --region eu-central-1 --repository-name a/b",
        ),
        (
            403,
            Complaint("DENIED", "Your authorization token has expired.", "null"),
            f"docker logout {HOST}; ",
        ),
        (403, Complaint("DENIED", "User: x is not authorized", "null"), "allow the role in use"),
    ],
)
def test_hints_for_ecr_are_those_of_aws(status: int, complaint: Complaint, hint: str) -> None:
    trouble = trouble_of(Refusal(HOST, status, (complaint,)), HOST, "a/b", "AWS for x")
    assert trouble.users
    assert (trouble.hint or "").startswith(hint)


@pytest.fixture
def ecr(registry: RealRegistry) -> Iterator[EcrLike]:
    with EcrLike(registry.host) as running:
        yield running


@pytest.fixture
def known(ecr: EcrLike) -> Repository:
    """A repository that exists."""
    there = repository(ecr.host)
    ecr.create(there.name.partition("/")[2])
    return there


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "store")


def test_a_push_to_ecr_patches_nothing(ecr: EcrLike, known: Repository, blobs: Blobs) -> None:
    image = blobs.image({"a": b"a" * 200_000})
    missing = known.put_manifest(image.manifest, image.media_type, "1")
    assert set(missing) == {image.config_digest, image.layers[0].digest}
    push_image(known, image, blobs, "1")
    assert known.manifest("1").data == image.manifest
    assert ecr.asked("PATCH") == []


def test_a_repository_that_ecr_does_not_have_is_told(ecr: EcrLike, blobs: Blobs) -> None:
    there = repository(ecr.host)
    image = blobs.image()
    for attempt in (
        lambda: there.put_manifest(image.manifest, image.media_type, "1"),
        lambda: there.upload(image.config_digest, len(image.config), in_pieces(image.config)),
        lambda: there.manifest("1"),
    ):
        with pytest.raises(UserError, match=r"it has no repository 'test/r\d+'") as caught:
            attempt()
        assert there.name in caught.value.message
        assert "create" in (caught.value.hint or "")
    assert there.head("1") is None


def test_an_immutable_tag_takes_what_it_has_and_nothing_else(known: Repository, blobs: Blobs) -> None:
    image, other = blobs.image({"a": b"a"}), blobs.image({"a": b"b"})
    push_image(known, image, blobs, "1")
    assert known.put_manifest(image.manifest, image.media_type, "1") == ()
    push_image(known, other, blobs, "2")
    with pytest.raises(TagTaken) as caught:
        known.put_manifest(other.manifest, other.media_type, "1")
    assert caught.value.digest == image.digest
    assert caught.value.message == (
        f"the tag 1 of {known.name} is immutable and names {image.digest}, not {other.digest}"
    )


def test_an_error_about_a_tag_that_keeps_what_is_there_survives_pickling(
    known: Repository, blobs: Blobs
) -> None:
    first, second = blobs.image({"a": b"a"}), Image.scratch("linux/arm64")
    push_image(known, first, blobs, "1")
    known.upload(second.config_digest, len(second.config), lambda: [second.config])
    with pytest.raises(TagTaken) as caught:
        known.put_manifest(second.manifest, second.media_type, "1")
    assert pickle.loads(pickle.dumps(caught.value)).digest == first.digest
