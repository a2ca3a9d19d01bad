"""What a build on CodeBuild imports, and reads from botocore. Clients are forked from who has imported this."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
import botocore.loaders

import lambdabuild.cli
import lambdabuild.commands.build
import lambdabuild.remote.connecting
import lambdabuild.session

__all__ = ["lambdabuild"]

_load = botocore.loaders.JSONFileLoader.load_file


@cache
def _loaded(path: str) -> Any:
    return _load(botocore.loaders.JSONFileLoader(), path)


# Reading the models of the services is half of what a client takes.
botocore.loaders.JSONFileLoader.load_file = lambda self, file_path: _loaded(file_path)
for _service in ("s3", "codebuild", "logs"):
    boto3.session.Session("nobody", "none").client(_service, region_name="eu-central-1")
