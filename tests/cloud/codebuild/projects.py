"""Projects: what a build starts from.

Sources are S3 zips or none, artifacts none: the rest of CodeBuild's kinds are absent.
"""

from __future__ import annotations

import copy
import threading
import time
from dataclasses import dataclass
from typing import Any

from .model import Document
from .refusal import Refusal, invalid, not_found


@dataclass(frozen=True)
class Account:
    """Where the service runs."""

    id: str
    region: str
    partition: str = "aws"

    def arn(self, what: str) -> str:
        """Returns the ARN of e.g. "project/name"."""
        return f"arn:{self.partition}:codebuild:{self.region}:{self.id}:{what}"


class Projects:
    """The projects of an account, by name. The lock guards all that the service knows."""

    def __init__(self, account: Account, lock: threading.RLock) -> None:
        self._account = account
        self._lock = lock
        self._projects: dict[str, Document] = {}

    def get(self, name: str) -> Document:
        """Returns a copy of a project, by name or ARN. Raises Refusal if there is none."""
        with self._lock:
            short = name.rpartition("project/")[2]
            if short not in self._projects:
                raise not_found(f"Project cannot be found: {self._account.arn(f'project/{short}')}")
            return copy.deepcopy(self._projects[short])

    def create(self, request: Document) -> Document:
        with self._lock:
            name = request["name"]
            arn = self._account.arn(f"project/{name}")
            if name in self._projects:
                raise Refusal("ResourceAlreadyExistsException", f"Project already exists: {arn}")
            now = time.time()
            defaults = {"timeoutInMinutes": 60, "queuedTimeoutInMinutes": 480, "cache": {"type": "NO_CACHE"}}
            project = {**defaults, **request, "arn": arn, "created": now, "lastModified": now}
            self._projects[name] = _checked(project)
            return {"project": self.get(name)}

    def update(self, request: Document) -> Document:
        with self._lock:
            project = {**self.get(request["name"]), **request, "lastModified": time.time()}
            self._projects[project["name"]] = _checked(project)
            return {"project": self.get(project["name"])}

    def delete(self, request: Document) -> Document:
        with self._lock:
            self._projects.pop(request["name"].rpartition("project/")[2], None)
            return {}

    def batch_get(self, request: Document) -> Document:
        with self._lock:
            names = [name.rpartition("project/")[2] for name in request["names"]]
            found = [self.get(name) for name in names if name in self._projects]
            return {
                "projects": found,
                "projectsNotFound": [name for name in names if name not in self._projects],
            }

    def names(self) -> list[str]:
        with self._lock:
            return sorted(self._projects)


def _checked(project: Document) -> Document:
    check_source(project["source"])
    check_environment(project["environment"])
    if project["artifacts"]["type"] != "NO_ARTIFACTS":
        raise invalid("this stand-in knows no artifacts: their type must be NO_ARTIFACTS")
    return project


def check_source(source: dict[str, Any]) -> None:
    if source["type"] == "S3":
        bucket, _, key = source.get("location", "").partition("/")
        if not bucket or not key:
            raise invalid("Invalid project source: location must be a valid S3 source (bucket/key)")
    elif source["type"] != "NO_SOURCE":
        raise invalid(f"this stand-in knows no source of the type {source['type']}")
    elif not source.get("buildspec"):
        raise invalid("Invalid project source: buildspec is required for NO_SOURCE")


def check_environment(environment: dict[str, Any]) -> None:
    is_lambda = is_lambda_compute(environment)
    if is_lambda != environment["computeType"].startswith("BUILD_LAMBDA_"):
        kind, size = environment["type"], environment["computeType"]
        raise invalid(f"Invalid environment: the compute type {size} is none of {kind}")
    if is_lambda and environment.get("privilegedMode"):
        raise invalid("Invalid environment: privileged mode is not supported on Lambda compute")
    for variable in environment.get("environmentVariables", []):
        if variable.get("type", "PLAINTEXT") != "PLAINTEXT":
            raise invalid(f"this stand-in knows no variables of the type {variable['type']}")


def is_lambda_compute(environment: dict[str, Any]) -> bool:
    return bool(environment["type"].endswith("_LAMBDA_CONTAINER"))
