"""Makes or changes what stands on AWS: the stack, the worker in its bucket, store.json.

A worker is there before the project names it, save in a new stack, whose bucket
does not exist before. So builds that start while a stack changes find theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

from lambdabuild.aws.errors import POLICY, aws_errors
from lambdabuild.errors import ExternalError
from lambdabuild.setup.parameters import Account, Wishes
from lambdabuild.setup.stack import ChangeSet, Stack, Stacks
from lambdabuild.setup.upload import store_document, upload_worker, write_store
from lambdabuild.setup.worker_pex import WorkerFile
from lambdabuild.store.s3.bucket import Bucket

Clients = Callable[[str], Any]
"""Gives the client of a service, such as "s3"."""

_RIGHTS: Final = "run it as somebody who may make stacks, buckets, roles, policies and repositories"


@dataclass(frozen=True, slots=True)
class Deployed:
    """What stands now, as WORKSPACE.toml has to name it.

    lambda_project: "" if there is none.
    registry:       the host that images are pushed to.
    """

    account: Account
    project: str
    lambda_project: str
    bucket: str
    prefix: str
    registry: str
    repository: str
    client_policy: str

    def settings(self) -> Mapping[str, Mapping[str, str | list[str]]]:
        """Returns the sections of WORKSPACE.toml."""
        codebuild = {
            "project": self.project,
            "lambda_project": self.lambda_project,
            "bucket": self.bucket,
            "prefix": self.prefix,
            "account": self.account.id,
            "region": self.account.region,
        }
        return {
            "codebuild": {key: value for key, value in codebuild.items() if value},
            "registry": {"push": [self.registry], "repository": self.repository},
        }


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment: to look at, then to carry out.

    token:   a name that no other change set has.
    scratch: a directory for the worker's zip.
    say:     is told what is being done, a line at a time.
    """

    clients: Clients
    account: Account
    wishes: Wishes
    worker: WorkerFile
    version: str
    token: str
    scratch: Path
    sleep: Callable[[float], None] = field(repr=False)
    say: Callable[[str], None] = field(repr=False)

    @contextmanager
    def prepared(self) -> Iterator[ChangeSet | None]:
        """Gives the changes to the stack, None if there are none."""
        wanted = self.wishes.parameters(self.account, self.worker.sha256)
        initial = self.wishes.initial()
        stacks = self._stacks()
        with (
            _rights(),
            stacks.prepared(self.wishes.name, template(), wanted, initial, token=self.token) as changes,
        ):
            yield changes

    def apply(self, changes: ChangeSet | None) -> Deployed:
        """Returns what stands after `changes`; the worker and store.json are there as well."""
        before = self._stacks().find(self.wishes.name)
        if before is not None:
            self._upload(before)
        if changes is not None:
            self.say(f"{'making' if changes.creates else 'changing'} the stack {changes.stack}")
            self._stacks().apply(changes)
        stack = self._stacks().find(self.wishes.name)
        if stack is None:
            raise ExternalError(f"the stack {self.wishes.name} is gone", hint="try again")
        bucket = self._upload(stack)
        write_store(bucket, store_document(stack.parameters, self.version))
        return self._deployed(stack)

    def _stacks(self) -> Stacks:
        return Stacks(lambda: self.clients("cloudformation"), self.sleep)

    def _upload(self, stack: Stack) -> Bucket:
        outputs = stack.outputs
        bucket = Bucket(lambda: self.clients("s3"), outputs["Bucket"], outputs["Prefix"], self.account.id)
        if upload_worker(bucket, self.worker.path, self.worker.sha256, self.scratch):
            self.say(f"sent the worker to {bucket}")
        return bucket

    def _deployed(self, stack: Stack) -> Deployed:
        outputs = stack.outputs
        return Deployed(
            self.account,
            outputs["Project"],
            outputs.get("LambdaProject", ""),
            outputs["Bucket"],
            outputs["Prefix"],
            outputs["Registry"],
            outputs["Repository"],
            outputs["ClientPolicy"],
        )


def template() -> str:
    """Returns the CloudFormation template."""
    return resources.files("lambdabuild.setup").joinpath("template.yaml").read_text("utf-8")


def whose(clients: Clients) -> Account:
    """Returns the account that the credentials belong to, and the region that is chosen."""
    with aws_errors("cannot find out whose AWS credentials these are", service="sts"):
        client = clients("sts")
        answer = client.get_caller_identity()
    # arn:PARTITION:sts::ACCOUNT:assumed-role/…
    return Account(answer["Arn"].split(":")[1], answer["Account"], client.meta.region_name)


@contextmanager
def _rights() -> Iterator[None]:
    """Gives refusals another hint: the client policy is what is being made here."""
    try:
        yield
    except ExternalError as error:
        if error.hint == POLICY:
            error.hint = _RIGHTS
        raise
