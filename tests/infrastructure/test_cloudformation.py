"""examples/infrastructure/cloudformation: linted, and made into a stack with the parameters of a map."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
from cfnlint.api import ManualArgs, lint

from tests.cloud import moto_server

from .conftest import EXAMPLES, Receipts

EXAMPLE = EXAMPLES / "infrastructure" / "cloudformation"


@pytest.mark.parametrize("name", ["template.yaml", "sam.yaml"])
def test_cloudformation_and_sam_take_the_templates(name: str) -> None:
    assert lint((EXAMPLE / name).read_text(), config=ManualArgs(regions=["eu-west-1"])) == []


def test_a_stack_runs_the_images_of_the_map(receipts: Receipts, tmp_path: Path) -> None:
    receipts.write("cfn-parameters", tmp_path / "parameters.json")
    cloudformation = moto_server.client("cloudformation")
    name = f"receipts-{uuid.uuid4().hex}"
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=(EXAMPLE / "template.yaml").read_text(),
        Parameters=json.loads((tmp_path / "parameters.json").read_text()),
        Capabilities=["CAPABILITY_IAM"],
    )
    try:
        (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert stack["Outputs"] == [{"OutputKey": "ListReceiptsImage", "OutputValue": receipts.uri}]
        function = moto_server.client("lambda").get_function(FunctionName="list-receipts")
        assert function["Code"]["ImageUri"] == receipts.uri
    finally:
        cloudformation.delete_stack(StackName=name)
