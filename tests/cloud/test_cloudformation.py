"""Stacks on the stand-in: projects go to our CodeBuild, buckets are whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .aws import ACCOUNT, REGION, Cloud

TEMPLATE: dict[str, Any] = {
    "Parameters": {
        "Minutes": {"Type": "Number", "Default": 30},
        "Word": {"Type": "String", "Default": "one"},
    },
    "Resources": {
        "Bucket": {
            "Type": "AWS::S3::Bucket",
            "Properties": {
                "LifecycleConfiguration": {
                    "Rules": [{"Id": "r", "Status": "Enabled", "Prefix": "x/", "ExpirationInDays": "7"}]
                },
                "PublicAccessBlockConfiguration": {"BlockPublicAcls": True},
            },
        },
        "Policy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {
                "Bucket": {"Ref": "Bucket"},
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Deny",
                            "Principal": "*",
                            "Action": "s3:*",
                            "Resource": "*",
                            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                        }
                    ],
                },
            },
        },
        "Project": {
            "Type": "AWS::CodeBuild::Project",
            "Properties": {
                "Name": {"Ref": "AWS::StackName"},
                "ServiceRole": "arn:aws:iam::123456789012:role/worker",
                "Source": {
                    "Type": "S3",
                    "Location": {"Fn::Sub": "${Bucket}/x/worker.zip"},
                    "BuildSpec": {"Fn::Sub": "version: 0.2\nphases: {build: {commands: [echo ${Word}]}}\n"},
                },
                "Artifacts": {"Type": "NO_ARTIFACTS"},
                "Environment": {
                    "Type": "LINUX_CONTAINER",
                    "Image": "image",
                    "ComputeType": "BUILD_GENERAL1_SMALL",
                    "PrivilegedMode": "false",
                    "EnvironmentVariables": [{"Name": "STORE", "Value": {"Ref": "Bucket"}}],
                },
                "TimeoutInMinutes": {"Fn::Sub": "${Minutes}"},
            },
        },
    },
    "Outputs": {
        "Bucket": {"Value": {"Ref": "Bucket"}},
        "Project": {"Value": {"Ref": "Project"}},
        "Arn": {"Value": {"Fn::GetAtt": ["Project", "Arn"]}},
    },
}


class Stack:
    def __init__(self, cloud: Cloud) -> None:
        self.cloud = cloud
        self.api = cloud.client("cloudformation")
        self.name = cloud.place().project
        self.api.create_stack(StackName=self.name, TemplateBody=json.dumps(TEMPLATE))

    def outputs(self) -> dict[str, str]:
        (stack,) = self.api.describe_stacks(StackName=self.name)["Stacks"]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    def project(self) -> dict[str, Any]:
        (found,) = self.cloud.client("codebuild").batch_get_projects(names=[self.name])["projects"]
        return dict(found)


@pytest.fixture
def stack(cloud: Cloud) -> Stack:
    return Stack(cloud)


def test_a_stack_makes_a_project(stack: Stack) -> None:
    outputs, project = stack.outputs(), stack.project()
    assert outputs["Project"] == stack.name
    assert outputs["Arn"] == project["arn"] == f"arn:aws:codebuild:{REGION}:{ACCOUNT}:project/{stack.name}"
    assert project["source"]["location"] == f"{outputs['Bucket']}/x/worker.zip"
    assert "echo one" in project["source"]["buildspec"]
    assert project["environment"]["privilegedMode"] is False
    assert project["environment"]["environmentVariables"] == [{"name": "STORE", "value": outputs["Bucket"]}]
    assert project["timeoutInMinutes"] == 30


def test_a_changed_parameter_changes_the_project(stack: Stack) -> None:
    parameters = [
        {"ParameterKey": "Minutes", "ParameterValue": "45"},
        {"ParameterKey": "Word", "ParameterValue": "two"},
    ]
    stack.api.update_stack(StackName=stack.name, UsePreviousTemplate=True, Parameters=parameters)
    project = stack.project()
    assert project["timeoutInMinutes"] == 45
    assert "echo two" in project["source"]["buildspec"]


def test_a_bucket_of_a_stack_has_its_lifecycle_and_can_be_used(stack: Stack) -> None:
    s3, bucket = stack.cloud.client("s3"), stack.outputs()["Bucket"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert (rule["ID"], rule["Expiration"]["Days"], rule["Filter"]["Prefix"]) == ("r", 7, "x/")
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert block["BlockPublicAcls"] is True
    s3.put_object(Bucket=bucket, Key="x/1", Body=b"1")
    assert s3.get_object(Bucket=bucket, Key="x/1")["Body"].read() == b"1"


def test_a_deleted_stack_takes_its_project_along(stack: Stack) -> None:
    stack.api.delete_stack(StackName=stack.name)
    found = stack.cloud.client("codebuild").batch_get_projects(names=[stack.name])
    assert found["projectsNotFound"] == [stack.name]


def test_a_project_that_codebuild_would_not_take_fails_its_stack(cloud: Cloud) -> None:
    template = json.loads(json.dumps(TEMPLATE))
    template["Resources"]["Project"]["Properties"]["Environment"]["Type"] = "TOASTER"
    with pytest.raises(ClientError, match="TOASTER"):
        cloud.client("cloudformation").create_stack(StackName="bad", TemplateBody=json.dumps(template))
