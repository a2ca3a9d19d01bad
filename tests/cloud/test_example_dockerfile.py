"""The example's image with a Dockerfile: built here and on CodeBuild, on a base of the workspace."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from tests.cloud import moto_server
from tests.external.conftest import StandIn, stand_in
from tests.require import require_docker

from .aws import Cloud
from .example import receipts_team
from .remote import Ran, Team
from .set_up import Bootstrapped, bootstrap

__all__ = ["stand_in"]

LABEL = "//infra/print_labels:image"
ANSWER = {"printed": 7, "spool": "/var/spool/labels", "owner": "printer"}
SECRET = "a-token-of-the-index"
ASKING = {
    "infra/secret/Dockerfile": (
        "ARG BASE_IMAGE_URI\n"
        "FROM ${BASE_IMAGE_URI}\n"
        "RUN --mount=type=secret,id=pip python3 -c "
        "\"import hashlib; s = open('/run/secrets/pip', 'rb').read(); print('it is', s.decode()); "
        "open('/var/task/seen', 'w').write(hashlib.sha256(s).hexdigest())\"\n"
        "COPY infra/secret/handler.py /var/task/\n"
        'CMD ["handler.main"]\n'
    ),
    "infra/secret/handler.py": "def main(event, context):\n    return open('/var/task/seen').read()\n",
    "infra/secret/BUILD": (
        'lambda_image(name = "image", base = "//bases:dynamo", srcs = ["handler.py"],\n'
        '    dockerfile = "Dockerfile", secrets = ["pip"], tags = ["manual"])\n'
    ),
}


@dataclass(frozen=True)
class Built:
    """The example after the first build of its Dockerfile on CodeBuild."""

    made: Bootstrapped
    team: Team
    first: Ran


@pytest.fixture(scope="module")
def built(whole_cloud: Cloud, stand_in: StandIn, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    require_docker()
    secret = moto_server.client("secretsmanager").create_secret(
        Name=f"pip-{uuid4().hex}", SecretString=SECRET
    )
    settings = f'[secrets.pip]\nenv = "PIP_TOKEN"\narn = "{secret["ARN"]}"\n'
    made = bootstrap(whole_cloud, workspace=settings)
    team = receipts_team(whole_cloud, made, stand_in.host, tmp_path_factory.mktemp("example"))
    workspace = team.root / "WORKSPACE.toml"
    workspace.write_text(f"{workspace.read_text()}\n{settings}")
    whole_cloud.restrict(made.place)
    whole_cloud.restrict_worker(made.place)
    first = team.build(LABEL)
    assert first.code == 0, first.err
    yield Built(made, team, first)
    whole_cloud.reset()


def answer(ran: Ran) -> object:
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


def hash_of(team: Team) -> str:
    return team.run("hash", LABEL).out.split()[0]


def test_codebuild_builds_it_where_there_is_docker_and_its_base_in_the_same_order(built: Built) -> None:
    (build,) = built.first.json["remote"]["builds"]
    assert build["status"] == "SUCCEEDED"
    (document,) = built.team.cloud.client("codebuild").batch_get_builds(ids=[build["id"]])["builds"]
    assert document["environment"]["privilegedMode"]
    assert [each["status"] for each in built.first.json["pushes"] if each["label"] == LABEL] == ["pushed"]


def test_what_codebuild_made_answers(built: Built) -> None:
    assert answer(built.team.run("run", LABEL, "--event", '{"receipt_id": 7}')) == ANSWER


def test_what_this_machine_makes_answers_too(built: Built) -> None:
    ran = built.team.run(
        "run", LABEL, "--event", '{"receipt_id": 7}', client="alone", LAMBDABUILD_EXECUTOR_DEFAULT="local"
    )
    assert answer(ran) == ANSWER
    assert "Dockerfiles are built with" in ran.err


def test_another_client_adopts_the_first_result(built: Built) -> None:
    with built.team.builds_started() as count:
        again = built.team.build(LABEL, client="bob")
    assert count == [0]
    (first,), (second,) = (each.json["targets"] for each in (built.first, again))
    assert first["image_digest"] == second["image_digest"]


def test_an_edit_of_the_bases_package_changes_its_hash_and_one_of_an_undeclared_file_does_not(
    built: Built,
) -> None:
    before = hash_of(built.team)
    undeclared = built.team.root / "infra/print_labels/notes.txt"
    undeclared.write_text("nothing names it\n")
    assert hash_of(built.team) == before
    package = built.team.root / "receipt_label/receipt_label/labels.py"
    plain = package.read_text()
    package.write_text(f"{plain}# edited\n")
    edited = hash_of(built.team)
    package.write_text(plain)
    assert edited != before == hash_of(built.team)


def test_a_secret_comes_from_where_the_project_says_and_goes_nowhere(built: Built) -> None:
    built.team.write(ASKING)
    ran = built.team.build("//infra/secret:image")
    assert ran.code == 0, ran.err
    seen = built.team.run("run", "//infra/secret:image")
    assert answer(seen) == hashlib.sha256(SECRET.encode()).hexdigest()
    (build,) = ran.json["remote"]["builds"]
    (document,) = built.team.cloud.client("codebuild").batch_get_builds(ids=[build["id"]])["builds"]
    where = {"logGroupName": document["logs"]["groupName"], "logStreamName": document["logs"]["streamName"]}
    log = moto_server.client("logs").get_log_events(**where, startFromHead=True)["events"]
    objects = [each.value for each in moto_server.stored_keys(built.made.place.bucket).values()]
    for said in (
        ran.out + ran.err,
        str(log),
        str(document),
        built.team.run("aquery", "//infra/secret:image").out,
    ):
        assert SECRET not in said
    assert not any(SECRET.encode() in data for data in objects)


def test_a_secret_that_the_project_does_not_know_fails_with_what_to_do(built: Built) -> None:
    workspace = built.team.root / "WORKSPACE.toml"
    workspace.write_text(
        f'{workspace.read_text()}\n[secrets.npm]\narn = "arn:aws:ssm:eu-central-1:1:parameter/x"\n'
    )
    changed = {
        path: text.replace("id=pip", "id=npm").replace('"pip"', '"npm"') for path, text in ASKING.items()
    }
    built.team.write(changed)
    ran = built.team.build("//infra/secret:image")
    assert ran.code == 2, ran.err
    assert "the CodeBuild project knows no secret npm" in ran.err
    assert "`lambdabuild bootstrap`" in ran.err


def test_a_failing_step_is_told_with_its_output(built: Built, tmp_path: Path) -> None:
    built.team.write(
        {
            "infra/broken/Dockerfile": (
                "ARG BASE_IMAGE_URI\nFROM ${BASE_IMAGE_URI}\n"
                "RUN echo it cannot be; exit 7\nCOPY infra/broken/handler.py /var/task/\n"
            ),
            "infra/broken/handler.py": "",
            "infra/broken/BUILD": (
                'base_image(name = "image", base = "//bases:dynamo", srcs = ["handler.py"],\n'
                '    dockerfile = "Dockerfile", tags = ["manual"])\n'
            ),
        }
    )
    ran = built.team.build("//infra/broken:image")
    assert ran.code == 1, ran.err
    assert "it cannot be" in ran.err
    assert "exit code: 7" in ran.err or "exit 7" in ran.err
