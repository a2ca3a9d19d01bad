"""What any command imports, and reads from botocore. Clients are forked from who has imported this."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import boto3
import botocore.loaders

import lambdabuild
from lambdabuild.guard.kinds import DETECTORS
from lambdabuild.guard.reading import _plugin

# What runs when it is imported, and what brings another program's library along.
_LEFT_OUT = ("__main__", "pulumi")

for _module in pkgutil.walk_packages(lambdabuild.__path__, "lambdabuild."):
    if not _module.name.endswith(_LEFT_OUT):
        importlib.import_module(_module.name)
for _kind in DETECTORS:
    _plugin(_kind)

# Looking for the models of the services, and reading them, is half of what a client takes.
_known: dict[Any, Any] = {}
_make = botocore.loaders.Loader.__init__


def _with_what_is_known(loader: botocore.loaders.Loader, *arguments: Any, **named: Any) -> None:
    _make(loader, *arguments, **named)
    loader._cache = _known


botocore.loaders.Loader.__init__ = _with_what_is_known
for _service in ("s3", "codebuild", "logs", "lambda", "sts"):
    boto3.session.Session("nobody", "none").client(_service, region_name="eu-central-1")
