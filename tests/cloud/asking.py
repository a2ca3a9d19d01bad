"""Asking CodeBuild in tests, as the product asks it: with boto3, through the proxies."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .aws import Cloud, Place

SIMPLE = "version: 0.2\nphases:\n  build:\n    commands:\n      - echo hello\n"
SLEEPING = "version: 0.2\nphases:\n  build:\n    commands:\n      - echo up; sleep 600\n"


def until(true: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


class Asking:
    """One project, asked through the proxies."""

    def __init__(self, cloud: Cloud, buildspec: str = SIMPLE, **project: Any) -> None:
        self.cloud = cloud
        self.place: Place = cloud.place()
        cloud.create_project(self.place, buildspec, **project)
        self.api = cloud.client("codebuild")
        self.logs = cloud.client("logs")

    def start(self, **more: Any) -> str:
        return str(self.api.start_build(projectName=self.place.project, **more)["build"]["id"])

    def get(self, build: str) -> dict[str, Any]:
        (found,) = self.api.batch_get_builds(ids=[build])["builds"]
        return dict(found)

    def run(self, **more: Any) -> dict[str, Any]:
        build = self.start(**more)
        self.cloud.codebuild.wait(build)
        return self.get(build)

    def said(self, build: dict[str, Any]) -> list[str]:
        """Returns the log without what CodeBuild itself says."""
        where = {
            "logGroupName": build["logs"]["groupName"],
            "logStreamName": build["logs"]["streamName"],
        }
        events = self.logs.get_log_events(**where, startFromHead=True)["events"]
        lines = [event["message"].removesuffix("\n") for event in events]
        return [line for line in lines if not line.startswith("[Container]")]

    def until_up(self, build: str) -> None:
        def up() -> bool:
            found = self.get(build)
            return "streamName" in found["logs"] and "up" in self.said(found)

        until(up)


def phases(build: dict[str, Any]) -> dict[str, str]:
    return {each["phaseType"]: each.get("phaseStatus", "") for each in build["phases"]}


def refused(code: str, call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == code
    return str(caught.value.response["Error"]["Message"])
