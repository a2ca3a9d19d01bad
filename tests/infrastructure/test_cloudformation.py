"""examples/infrastructure/cloudformation: linted, and made into a stack with the parameters of a map."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from cfnlint.api import ManualArgs, lint
from moto import mock_aws

from .conftest import EXAMPLES, Receipts

EXAMPLE = EXAMPLES / "infrastructure" / "cloudformation"


@pytest.mark.parametrize("name", ["template.yaml", "sam.yaml"])
def test_cloudformation_and_sam_take_the_templates(name: str) -> None:
    assert lint((EXAMPLE / name).read_text(), config=ManualArgs(regions=["eu-west-1"])) == []


def test_a_stack_runs_the_images_of_the_map(
    receipts: Receipts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts.write("cfn-parameters", tmp_path / "parameters.json")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    with mock_aws():
        cloudformation = boto3.client("cloudformation", "eu-west-1")
        cloudformation.create_stack(
            StackName="receipts",
            TemplateBody=(EXAMPLE / "template.yaml").read_text(),
            Parameters=json.loads((tmp_path / "parameters.json").read_text()),
            Capabilities=["CAPABILITY_IAM"],
        )
        (stack,) = cloudformation.describe_stacks(StackName="receipts")["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert stack["Outputs"] == [{"OutputKey": "ListReceiptsImage", "OutputValue": receipts.uri}]
        function = boto3.client("lambda", "eu-west-1").get_function(FunctionName="list-receipts")
        assert function["Code"]["ImageUri"] == receipts.uri
