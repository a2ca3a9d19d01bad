"""The receipts functions: a preview predicts their images, an update builds and pushes them."""

import json

import pulumi
import pulumi_aws as aws

from lambdabuild.pulumi import Image

config = pulumi.Config()

role = aws.iam.Role(
    "receipts",
    assume_role_policy=json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }
            ],
        }
    ),
)

image = Image(
    "list-receipts",
    "//infra/list_receipts:image",
    workspace=config.get("workspace") or "../../receipts",
    to=config.get("registry"),
)

function = aws.lambda_.Function(
    "list-receipts",
    name="list-receipts",
    package_type="Image",
    image_uri=image.uri,
    architectures=[image.architecture],
    image_config={"commands": ["handler.lambda_handler"]},
    role=role.arn,
)

pulumi.export("image", image.uri)
pulumi.export("digest", image.digest)
