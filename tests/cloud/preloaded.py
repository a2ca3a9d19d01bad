"""What any command imports, and reads from botocore. Clients are forked from who has imported this."""

from __future__ import annotations

import importlib
import pkgutil

import boto3

import lambdabuild
from lambdabuild.guard.kinds import DETECTORS
from lambdabuild.guard.reading import _plugin
from tests.cloud.models import share_models

# What runs when it is imported, and what brings another program's library along.
_LEFT_OUT = ("__main__", "pulumi")

for _module in pkgutil.walk_packages(lambdabuild.__path__, "lambdabuild."):
    if not _module.name.endswith(_LEFT_OUT):
        importlib.import_module(_module.name)
for _kind in DETECTORS:
    _plugin(_kind)

share_models()
for _service in ("s3", "codebuild", "logs", "lambda", "sts"):
    boto3.session.Session("nobody", "none").client(_service, region_name="eu-central-1")
