"""lambdabuild bootstrap, from nothing to a build that runs the worker."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from lambdabuild.setup.deploy import template
from lambdabuild.setup.upload import zip_worker
from lambdabuild.workspace import load_workspace
from tests.setup.conftest import WORKER, Workplace


def project_of(workplace: Workplace) -> Any:
    (found,) = workplace.cloud.client("codebuild").batch_get_projects(names=[workplace.name])["projects"]
    return found


def run_build(workplace: Workplace) -> tuple[str, str]:
    """Starts a build as clients do; returns its status, and its log."""
    codebuild, logs = workplace.cloud.client("codebuild"), workplace.cloud.client("logs")
    order = [{"name": "LAMBDABUILD_ORDER", "value": "0" * 64}]
    started = codebuild.start_build(projectName=workplace.name, environmentVariablesOverride=order)
    workplace.cloud.codebuild.wait(started["build"]["id"])
    (build,) = codebuild.batch_get_builds(ids=[started["build"]["id"]])["builds"]
    where = {"logGroupName": build["logs"]["groupName"], "logStreamName": build["logs"]["streamName"]}
    assert where["logGroupName"] == f"/aws/codebuild/{workplace.name}"
    events = logs.get_log_events(**where, startFromHead=True)["events"]
    return build["buildStatus"], "\n".join(each["message"] for each in events)


def test_what_it_prints_are_settings(workplace: Workplace) -> None:
    workplace.set_up()
    workspace = load_workspace(workplace.project.root, env={})
    assert workspace.text("codebuild.project") == workplace.name
    assert workspace.text("codebuild.bucket") == workplace.bucket
    assert workspace.text("codebuild.account") == "123456789012"
    assert workspace.text("codebuild.region") == "eu-central-1"
    assert workspace.list("registry.push") == ("123456789012.dkr.ecr.eu-central-1.amazonaws.com",)
    assert workspace.text("registry.repository") == workplace.name


def test_json_says_the_same(workplace: Workplace) -> None:
    printed = workplace.bootstrap()
    document = json.loads(workplace.bootstrap("--json"))
    assert document["settings"] == tomllib.loads(printed)
    assert document["client_policy"].startswith("arn:aws:iam::123456789012:policy/")


def test_a_build_runs_the_worker_and_nothing_else(workplace: Workplace) -> None:
    workplace.bootstrap()
    status, log = run_build(workplace)
    assert status == "SUCCEEDED"
    assert f"the worker of 123456789012 s3://{workplace.bucket}/lambdabuild" in log


def test_a_worker_that_was_exchanged_does_not_run(workplace: Workplace, tmp_path: Path) -> None:
    workplace.bootstrap()
    bucket, _, key = project_of(workplace)["source"]["location"].partition("/")
    evil = tmp_path / "evil.pex"
    evil.write_text("print('something else')\n")
    packed = zip_worker(evil, tmp_path / "evil.zip").read_bytes()
    workplace.cloud.client("s3").put_object(Bucket=bucket, Key=key, Body=packed)
    status, log = run_build(workplace)
    assert status == "FAILED"
    assert "worker.pex: FAILED" in log
    assert "something else" not in log


def test_a_second_run_changes_nothing_and_sends_nothing(workplace: Workplace) -> None:
    first = workplace.bootstrap()
    workplace.cloud.reset()
    assert workplace.bootstrap() == first
    assert workplace.cloud.cloudformation.asked(operation="ExecuteChangeSet") == []
    assert workplace.cloud.s3.asked("PUT") == []


def test_a_new_worker_is_there_before_the_project_names_it(workplace: Workplace) -> None:
    workplace.bootstrap()
    before = project_of(workplace)
    workplace.worker("new.pex", WORKER + "print('the new one')\n")
    there: list[bool] = []
    carried_out = workplace.cloud.codebuild.projects.update

    def update(request: Any) -> Any:
        bucket, _, key = request["source"]["location"].partition("/")
        there.append("Contents" in workplace.cloud.client("s3").list_objects_v2(Bucket=bucket, Prefix=key))
        return carried_out(request)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workplace.cloud.codebuild.projects, "update", update)
        workplace.bootstrap(worker="new.pex")
    assert there == [True]
    assert project_of(workplace)["source"] != before["source"]
    assert "the new one" in run_build(workplace)[1]


def test_what_an_option_said_once_stays(workplace: Workplace) -> None:
    workplace.bootstrap("--repository", "base/*", "--lambda-compute")
    workplace.worker("new.pex", WORKER + "\n")
    workplace.bootstrap(worker="new.pex")
    (stack,) = workplace.cloud.client("cloudformation").describe_stacks(StackName=workplace.name)["Stacks"]
    values = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    assert values["RepositoryArns"] == "arn:aws:ecr:eu-central-1:123456789012:repository/base/*"
    assert values["LambdaCompute"] == "true"


def test_lambda_compute_is_a_second_project(workplace: Workplace) -> None:
    lines = tomllib.loads(workplace.bootstrap("--lambda-compute"))
    name = lines["codebuild"]["lambda_project"]
    assert name == f"{workplace.name}-lambda"
    (project,) = workplace.cloud.client("codebuild").batch_get_projects(names=[name])["projects"]
    assert project["environment"]["type"] == "LINUX_LAMBDA_CONTAINER"
    assert project["source"] == project_of(workplace)["source"]


def test_the_repository_of_the_settings_is_the_one_that_is_made(workplace: Workplace) -> None:
    workplace.project.write({"WORKSPACE.toml": f'[registry]\nrepository = "shop/{workplace.name}"\n'})
    assert tomllib.loads(workplace.bootstrap())["registry"]["repository"] == f"shop/{workplace.name}"


def test_a_second_project_has_a_repository_of_its_own(workplace: Workplace) -> None:
    workplace.set_up()
    workplace.name += "x"
    assert tomllib.loads(workplace.bootstrap())["registry"]["repository"] == workplace.name


SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pip-AbCdEf"


def test_the_project_knows_the_secrets_of_the_workspace(workplace: Workplace) -> None:
    workplace.set_up()
    settings = workplace.project.root / "WORKSPACE.toml"
    plain = settings.read_text()
    for listed, expected in ((f'[secrets.pip]\narn = "{SECRET}:token"\n', f"pip={SECRET}:token"), ("", "")):
        settings.write_text(f'{plain}[secrets.npm]\nenv = "NPM_TOKEN"\n{listed}')
        workplace.bootstrap()
        variables = project_of(workplace)["environment"]["environmentVariables"]
        assert {each["name"]: each["value"] for each in variables}["LAMBDABUILD_SECRETS"] == expected


def test_another_project_gets_no_secret(workplace: Workplace) -> None:
    workplace.set_up()
    settings = workplace.project.root / "WORKSPACE.toml"
    settings.write_text(f'{settings.read_text()}[secrets.pip]\narn = "{SECRET}"\n')
    workplace.name += "x"
    workplace.bootstrap()
    variables = project_of(workplace)["environment"]["environmentVariables"]
    assert SECRET not in str(variables)


def test_a_place_of_a_secret_that_is_none_is_said_with_its_line(workplace: Workplace) -> None:
    workplace.project.write({"WORKSPACE.toml": '[secrets.pip]\narn = "pip"\n'})
    ran = workplace.project.run("bootstrap", "--yes", "--name", workplace.name, "--worker", "worker.pex")
    assert ran.code == 2
    assert "WORKSPACE.toml:1:10: 'pip' is no ARN of a secret" in ran.err


def test_print_needs_no_aws(workplace: Workplace) -> None:
    ran = workplace.project.run("bootstrap", "--print")
    assert (ran.code, ran.out) == (0, template())
    assert all(not proxy.requests for proxy in workplace.cloud.proxies.values())


def test_without_a_terminal_it_wants_to_be_told(workplace: Workplace) -> None:
    ran = workplace.project.run("bootstrap", "--name", workplace.name, "--worker", "worker.pex")
    assert ran.code == 2
    assert "there is no terminal to ask on" in ran.err
    assert all(not proxy.requests for proxy in workplace.cloud.proxies.values())


def test_who_says_no_gets_nothing(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lambdabuild.commands.bootstrap._can_ask", lambda: True)
    monkeypatch.setattr("click.confirm", lambda text, err: False)
    ran = workplace.project.run("bootstrap", "--name", workplace.name, "--worker", "worker.pex")
    assert (ran.code, ran.out) == (0, "")
    assert f"a new stack {workplace.name} in account 123456789012, eu-central-1:" in ran.err
    assert "Bucket (AWS::S3::Bucket)" in ran.err
    assert workplace.cloud.cloudformation.asked(operation="ExecuteChangeSet") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--name", "Shop_1"), "cannot be the name of a project"),
        (("--name", "shop", "--vpc", "vpc-1"), "need subnets and security groups"),
        (("--name", "shop", "--repository", "UPPER"), "is no name of a repository"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_made(
    workplace: Workplace, arguments: tuple[str, ...], says: str
) -> None:
    ran = workplace.project.run("bootstrap", "--yes", "--worker", "worker.pex", *arguments)
    assert ran.code == 2
    assert says in ran.err
    assert workplace.cloud.cloudformation.asked(operation="CreateChangeSet") == []


def test_an_expired_token_is_said_as_such(workplace: Workplace) -> None:
    workplace.cloud.guards.expired.add("AKIAADMIN")
    ran = workplace.project.run("bootstrap", "--yes", "--name", workplace.name, "--worker", "worker.pex")
    assert ran.code == 3
    assert "there are no valid AWS credentials" in ran.err
