"""The template: that CloudFormation takes it, and what it allows to whom."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

import pytest
from cfnlint.api import ManualArgs, lint
from hypothesis import given
from hypothesis import strategies as st

from lambdabuild.aws.secret_values import LISTED, listed, parse_listed, parse_secret_place
from lambdabuild.remote.environments import ENVIRONMENTS
from lambdabuild.settings import SECRET_ID
from lambdabuild.setup.deploy import template
from lambdabuild.setup.parameters import INITIAL, Account, Wishes
from tests.setup.rendered import DOCUMENT, PLACE, Asked, Rendering, allows

REGIONS = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1"]
BUCKET = "arn:aws:s3:::lambdabuild-123456789012-eu-central-1"
PROJECT = "arn:aws:codebuild:eu-central-1:123456789012:project/lambdabuild"

RENDERING = Rendering()
CLIENT = RENDERING.of("Resources", "ClientPolicy", "Properties", "PolicyDocument")
WORKER = RENDERING.of("Resources", "WorkerRole", "Properties", "Policies", 0, "PolicyDocument")
TRUST = RENDERING.of("Resources", "WorkerRole", "Properties", "AssumeRolePolicyDocument", "Statement", 0)

READS, WRITES, DELETES = "s3:GetObject", "s3:PutObject", "s3:DeleteObject"
# Folder -> what may be done below it.
CLIENT_RIGHTS = {
    "cas/0": {READS, WRITES},
    "index/0": {READS, WRITES, DELETES},
    "history/0": {READS, WRITES},
    "lineage/0/1": {READS, WRITES},
    "deploys/0/1/begun": {READS},
    "orders/0": {READS, WRITES},
    "leases.json": {READS, WRITES},
    **{key: {READS} for key in ("results/0", "keys/0", "outcomes/0/1", "worker/0.zip", "store.json")},
}
WORKER_RIGHTS = {
    **{key: {READS, WRITES, DELETES} for key in ("cas/0", "index/0", "results/0", "keys/0")},
    **{key: {READS} for key in ("orders/0", "worker/0.zip", "store.json")},
    "outcomes/0/1": {WRITES},
    **{key: set[str]() for key in ("history/0", "lineage/0/1", "deploys/0/1/begun", "leases.json")},
}
# Override of StartBuild -> the condition key that tells of it.
DANGEROUS = (
    *("artifacts", "cache", "environment.certificate", "environment.fleet.fleetArn", "logsConfig"),
    *("secondaryArtifacts", "secondarySources", "serviceRole", "source.buildspec", "source.location"),
)


def test_cloudformation_takes_the_template_everywhere() -> None:
    assert lint(template(), config=ManualArgs(regions=REGIONS)) == []
    assert len(template().encode()) < 51_200, "CreateChangeSet takes no longer body"


def test_every_parameter_has_a_value_in_a_new_stack() -> None:
    account = Account("aws", "123456789012", "eu-central-1")
    wishes = Wishes(name="lambdabuild")
    asked = wishes.parameters(account, "0" * 64)
    assert not {"Secrets", "SecretArns"} & asked.keys(), "who says nothing changes nothing"
    parameters = DOCUMENT["Parameters"]
    assert parameters.keys() == {*asked, *wishes.initial()}
    assert {name: str(parameters[name]["Default"]) for name in INITIAL} == INITIAL
    assert all(each["Description"] for each in parameters.values())


def test_results_go_before_the_blobs_they_name_and_these_before_the_index() -> None:
    rules = RENDERING.of("Resources", "Bucket", "Properties", "LifecycleConfiguration", "Rules")
    days = {rule["Prefix"]: int(rule["ExpirationInDays"]) for rule in rules if "ExpirationInDays" in rule}
    below = {prefix.removeprefix("lambdabuild/").rstrip("/"): count for prefix, count in days.items()}
    assert below["results"] == below["keys"] == below["history"] < below["cas"] < below["index"]
    assert "worker" not in below


@pytest.mark.parametrize("name", ["Bucket", "BucketPolicy", "Repository"])
def test_store_and_repository_stay_when_the_stack_goes(name: str) -> None:
    resource = DOCUMENT["Resources"][name]
    # A creation that fails leaves nothing behind all the same.
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


def test_only_untagged_images_expire() -> None:
    text = RENDERING.of("Resources", "Repository", "Properties", "LifecyclePolicy", "LifecyclePolicyText")
    assert [rule["selection"]["tagStatus"] for rule in json.loads(text)["rules"]] == ["untagged"]


def test_tags_of_hashes_never_move() -> None:
    repository = RENDERING.of("Resources", "Repository", "Properties")
    assert repository["ImageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    for each in repository["ImageTagMutabilityExclusionFilters"]:
        assert not each["ImageTagMutabilityExclusionFilterValue"].startswith(("b", "*"))


def test_nobody_but_the_projects_becomes_the_worker() -> None:
    assert TRUST["Principal"] == {"Service": "codebuild.amazonaws.com"}
    condition = TRUST["Condition"]["StringEquals"]
    assert condition == {
        "aws:SourceAccount": "123456789012",
        "aws:SourceArn": [PROJECT, f"{PROJECT}-lambda"],
    }


@pytest.mark.parametrize("action", [READS, WRITES, DELETES])
@pytest.mark.parametrize("key", CLIENT_RIGHTS)
def test_clients_write_blobs_and_orders_and_no_results(key: str, action: str) -> None:
    asked = Asked(action, f"{BUCKET}/lambdabuild/{key}")
    assert allows(CLIENT, asked) == (action in CLIENT_RIGHTS[key])


@pytest.mark.parametrize("action", [READS, WRITES, DELETES])
@pytest.mark.parametrize("key", WORKER_RIGHTS)
def test_the_worker_writes_results_and_no_orders(key: str, action: str) -> None:
    asked = Asked(action, f"{BUCKET}/lambdabuild/{key}")
    assert allows(WORKER, asked) == (action in WORKER_RIGHTS[key])


@pytest.mark.parametrize("policy", [CLIENT, WORKER], ids=["client", "worker"])
@pytest.mark.parametrize("action", [READS, WRITES, DELETES, "s3:PutBucketPolicy"])
def test_nobody_leaves_the_prefix(policy: object, action: str) -> None:
    for place in (f"{BUCKET}/other/cas/0", f"{BUCKET}-other/lambdabuild/cas/0", BUCKET):
        assert not allows(policy, Asked(action, place))
    listing = Asked("s3:ListBucket", BUCKET, {"s3:prefix": "other/"})
    assert not allows(policy, listing)


@pytest.mark.parametrize("policy", [CLIENT, WORKER], ids=["client", "worker"])
def test_only_what_a_parameter_names_is_pushed_to(policy: object) -> None:
    images = "arn:aws:ecr:eu-central-1:123456789012:repository/"
    assert allows(WORKER, Asked("ecr:PutImage", f"{images}lambdabuild"))
    assert not allows(CLIENT, Asked("ecr:PutImage", f"{images}lambdabuild"))
    assert not allows(policy, Asked("ecr:PutImage", f"{images}other"))
    assert not allows(policy, Asked("ecr:BatchGetImage", f"{images}other"))
    more = Rendering(RepositoryArns=f"{images}other,{images}base/*")
    worker = more.of("Resources", "WorkerRole", "Properties", "Policies", 0, "PolicyDocument")
    for name in ("lambdabuild", "other", "base/python"):
        assert allows(worker, Asked("ecr:PutImage", images + name))


def test_the_worker_reads_the_secrets_that_bootstrap_was_told_and_no_others() -> None:
    secret = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:pip-AbCdEf"
    parameter = "arn:aws:ssm:eu-central-1:123456789012:parameter/npm"
    wishes = Wishes(
        name="lambdabuild",
        secrets={"pip": parse_secret_place(f"{secret}:token"), "npm": parse_secret_place(parameter)},
    )
    parameters = wishes.parameters(Account("aws", "123456789012", "eu-central-1"), "0" * 64)
    told = Rendering(SecretArns=parameters["SecretArns"], Secrets=parameters["Secrets"])
    worker = told.of("Resources", "WorkerRole", "Properties", "Policies", 0, "PolicyDocument")
    for policy, allowed in ((worker, True), (WORKER, False), (CLIENT, False)):
        assert allows(policy, Asked("secretsmanager:GetSecretValue", secret)) == allowed
        assert allows(policy, Asked("ssm:GetParameter", parameter)) == allowed
    assert not allows(worker, Asked("secretsmanager:GetSecretValue", secret.replace("pip", "other")))
    variables = told.of("Resources", "Project", "Properties", "Environment", "EnvironmentVariables")
    assert {"Name": "LAMBDABUILD_SECRETS", "Value": f"npm={parameter},pip={secret}:token"} in variables


@given(
    st.dictionaries(
        st.from_regex(SECRET_ID, fullmatch=True).filter(str.isascii),
        st.from_regex(
            r"arn:aws:(secretsmanager:a-1:[0-9]{12}:secret:[a-z=@+/]+(:[a-z]+)?|ssm:a-1:[0-9]{12}:parameter/b)",
            fullmatch=True,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_the_stack_takes_every_secret_that_a_workspace_may_declare(places: Mapping[str, str]) -> None:
    pattern = DOCUMENT["Parameters"]["Secrets"]["AllowedPattern"]
    assert pattern == LISTED
    text = listed({id_: parse_secret_place(place) for id_, place in places.items()})
    assert re.fullmatch(pattern, text)
    assert parse_listed(text) == places


@pytest.mark.parametrize("text", ["", "NPM_TOKEN=arn:aws:x", "pip.a=arn:aws:x:y=z,npm=arn:aws:y"])
def test_ids_in_capitals_and_with_dots_are_taken(text: str) -> None:
    assert re.fullmatch(DOCUMENT["Parameters"]["Secrets"]["AllowedPattern"], text)


@pytest.mark.parametrize(
    "text", ["npm", "=arn:a", "npm=x", "npm=arn:a,", "n pm=arn:a", "npm=arn:a b", "-=arn:a"]
)
def test_what_is_no_list_of_secrets_is_refused(text: str) -> None:
    assert not re.fullmatch(DOCUMENT["Parameters"]["Secrets"]["AllowedPattern"], text)


def start(**context: str | list[str]) -> Asked:
    return Asked("codebuild:StartBuild", PROJECT, {f"codebuild:{key}": each for key, each in context.items()})


NAMES = "environment.environmentVariables.name"


@given(st.sampled_from(sorted(ENVIRONMENTS)), st.dictionaries(st.sampled_from(DANGEROUS), st.text()))
def test_a_build_starts_with_the_overrides_of_our_environments_and_no_others(
    environment: str, overrides: dict[str, str]
) -> None:
    chosen = ENVIRONMENTS[environment]
    ours: dict[str, str | list[str]] = {
        "environment.type": chosen.type,
        "environment.image": chosen.image,
        NAMES: ["LAMBDABUILD_ORDER"],
    }
    assert allows(CLIENT, start(**ours, **overrides)) == (not overrides)


@pytest.mark.parametrize("key", DANGEROUS)
def test_each_dangerous_override_alone_is_refused(key: str) -> None:
    assert allows(CLIENT, start())
    assert not allows(CLIENT, start(**{key: "anything"}))


@given(st.lists(st.sampled_from(["LAMBDABUILD_ORDER", "LAMBDABUILD_STORE", "LAMBDABUILD_SECRETS", "PATH"])))
def test_a_client_sets_no_variable_but_the_order(names: list[str]) -> None:
    assert allows(CLIENT, start(**{NAMES: names})) == (set(names) <= {"LAMBDABUILD_ORDER"})


@pytest.mark.parametrize("key", ["environment.image", "environment.type"])
def test_a_client_chooses_no_image_and_no_type_of_its_own(key: str) -> None:
    assert not allows(CLIENT, start(**{key: "evil/image:latest"}))


def test_clients_hold_to_it_whatever_else_they_are_allowed() -> None:
    wide = {"Statement": [*CLIENT["Statement"], {"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    assert not allows(wide, start(**{"source.buildspec": "…"}))
    for other_way in ("StartBuildBatch", "StartSandbox"):
        assert not allows(wide, Asked(f"codebuild:{other_way}", PROJECT))
    other = Asked("codebuild:StartBuild", PROJECT.replace("lambdabuild", "other"), {"codebuild:cache": "x"})
    assert allows(wide, other), "other projects are not ours to guard"


@pytest.mark.parametrize("what", ["StartSandbox", "UpdateProject", "RetryBuild", "PutResourcePolicy"])
def test_clients_have_no_other_way_to_run_something(what: str) -> None:
    assert not allows(CLIENT, Asked(f"codebuild:{what}", PROJECT))


def test_the_client_policy_fits_what_iam_takes() -> None:
    place = PLACE | {"AWS::Partition": "aws-us-gov", "AWS::Region": "us-gov-west-1"}
    image = "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/" + "r" * 30
    longest = Rendering(
        place,
        Name="n" * 24,
        Prefix="p" * 24,
        RepositoryName="r" * 40,
        RepositoryArns=",".join([image] * 3),
        KmsKey="arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/" + "k" * 36,
    )
    document = longest.of("Resources", "ClientPolicy", "Properties", "PolicyDocument")
    assert len("".join(json.dumps(document).split())) <= 6144


def test_other_partitions_have_no_arn_of_aws_in_them() -> None:
    place = PLACE | {
        "AWS::Partition": "aws-cn",
        "AWS::Region": "cn-north-1",
        "AWS::URLSuffix": "amazonaws.com.cn",
    }
    everything = json.dumps(Rendering(place).of("Resources"))
    assert "arn:aws:" not in everything
    assert "s3.cn-north-1.amazonaws.com.cn" in everything
