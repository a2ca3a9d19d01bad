"""The parameters of template.yaml: what somebody asked for, and what a new stack begins with."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lambdabuild.aws.secret_values import SecretPlace, listed
from lambdabuild.errors import UserError

INITIAL: Final[Mapping[str, str]] = {
    "Prefix": "lambdabuild",
    "BuildMinutes": "60",
    "QueueMinutes": "30",
    "BlobDays": "60",
    "ResultDays": "30",
    "IndexDays": "90",
    "LogDays": "30",
    "KmsKey": "",
    "VpcId": "",
    "Subnets": "",
    "SecurityGroups": "",
    "PermissionsBoundary": "",
    "RepositoryArns": "",
    "SecretArns": "",
    "Secrets": "",
    "LambdaCompute": "false",
}
"""The values of a new stack, equal to the template's own; `Wishes` has those that depend on its name."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,22}[a-z0-9]")
_REPOSITORY = re.compile(r"[a-z0-9*]+(?:[._/-]+[a-z0-9*]+)*")


@dataclass(frozen=True, slots=True)
class Account:
    """Where a stack stands: a partition such as "aws" or "aws-cn", twelve digits, a region."""

    partition: str
    id: str
    region: str

    def repository_arn(self, name: str) -> str:
        """Returns the ARN of a repository of this account; one that is an ARN already stays as it is."""
        if name.startswith("arn:"):
            return name
        if not _REPOSITORY.fullmatch(name):
            raise UserError(
                f"{name!r} is no name of a repository",
                hint="name it as ECR does, such as shop/orders; shop/* means all below shop",
            )
        return f"arn:{self.partition}:ecr:{self.region}:{self.id}:repository/{name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What somebody asked for; None where they said nothing, which leaves a stack as it is.

    name:         of the stack and of the project.
    repositories: names or ARNs of further repositories to push to.
    secrets:      id -> place of what builds of Dockerfiles may read.
    """

    name: str
    prefix: str | None = None
    repository: str | None = None
    repositories: tuple[str, ...] | None = None
    kms_key: str | None = None
    vpc: str | None = None
    subnets: tuple[str, ...] | None = None
    security_groups: tuple[str, ...] | None = None
    permissions_boundary: str | None = None
    lambda_compute: bool | None = None
    secrets: Mapping[str, SecretPlace] | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UserError(
                f"{self.name!r} cannot be the name of a project",
                hint="take 2 to 24 small letters, digits and hyphens, a letter first",
            )
        if self.vpc and not (self.subnets and self.security_groups):
            raise UserError(
                f"builds in {self.vpc} need subnets and security groups",
                hint="name them: --subnet subnet-… --security-group sg-…",
            )

    def initial(self) -> Mapping[str, str]:
        """Returns the parameters of a new stack that are not asked for: no two stacks share a repository."""
        return {**INITIAL, "RepositoryName": self.name}

    def parameters(self, account: Account, worker: str) -> Mapping[str, str]:
        """Returns the parameters that are asked for; `worker` is the SHA-256 of worker.pex."""
        arns = None
        if self.repositories is not None:
            arns = tuple(account.repository_arn(name) for name in self.repositories)
        wanted = {
            "Name": self.name,
            "WorkerDigest": worker,
            "Prefix": self.prefix,
            "RepositoryName": self.repository,
            "RepositoryArns": _joined(arns),
            "KmsKey": self.kms_key,
            "VpcId": self.vpc,
            "Subnets": _joined(self.subnets),
            "SecurityGroups": _joined(self.security_groups),
            "PermissionsBoundary": self.permissions_boundary,
            **self._secret_parameters(),
            "LambdaCompute": None if self.lambda_compute is None else str(self.lambda_compute).lower(),
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _secret_parameters(self) -> Mapping[str, str]:
        if self.secrets is None:
            return {}
        arns = sorted({place.arn for place in self.secrets.values()})
        return {"Secrets": listed(self.secrets), "SecretArns": ",".join(arns)}


def _joined(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else ",".join(values)
