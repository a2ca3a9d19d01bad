"""What a workspace has on AWS: the store in its bucket, and the builds of its project."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lambdabuild.aws.clients import Aws
from lambdabuild.aws.meter import Meter
from lambdabuild.errors import Location, UserError
from lambdabuild.remote.builds import Builds
from lambdabuild.remote.estimates import Estimates
from lambdabuild.remote.leases import Leases
from lambdabuild.remote.logs import Tail
from lambdabuild.store.s3.bucket import Bucket, parse_place
from lambdabuild.store.s3.cache import S3ActionCache
from lambdabuild.store.s3.store import S3Store
from lambdabuild.store.s3.terms import TermsOf
from lambdabuild.workspace import FILE_NAME, Workspace

if TYPE_CHECKING:
    from lambdabuild.remote.following import Read

_SET_UP: Final = "lambdabuild bootstrap makes them, and prints the lines for WORKSPACE.toml"


@dataclass(frozen=True, slots=True)
class SharedStore:
    """The remote content store and action cache.

    meter: counts what they ask for.
    """

    aws: Aws
    bucket: Bucket
    store: S3Store
    cache: S3ActionCache
    meter: Meter


@dataclass(frozen=True, slots=True)
class CodeBuild:
    """The builds of a project.

    client:      names this process in leases.
    concurrency: how many builds it may have under way at once.
    """

    shared: SharedStore
    builds: Builds
    leases: Leases
    tail_of: Callable[[str, str], Read]
    estimates: Estimates
    client: str
    concurrency: int
    sleep: Callable[[float], None]


def place_of(workspace: Workspace) -> str:
    """Returns the URL of the remote store, "s3://bucket/prefix", or "" if there is none."""
    bucket = workspace.text("codebuild.bucket")
    named = f"s3://{bucket}/{workspace.text('codebuild.prefix')}" if bucket else ""
    return workspace.text("store.remote") or named


def shared_store(workspace: Workspace, place: str, cache_dir: Path) -> SharedStore:
    """Returns the store at `place`; asks nothing yet. Raises UserError for settings that cannot be right."""
    region, account = workspace.text("codebuild.region"), workspace.text("codebuild.account")
    if account and not (len(account) == 12 and account.isascii() and account.isdecimal()):
        raise UserError(
            f"codebuild.account is {account!r}, not twelve digits",
            at=Location(FILE_NAME),
            hint="aws sts get-caller-identity --query Account",
        )
    meter = Meter()
    aws = Aws(region or None, account or None, meter)
    name, prefix = parse_place(place)
    bucket = Bucket(lambda: aws.client("s3"), name, prefix, account or None)
    terms = TermsOf(bucket)
    store = S3Store(bucket, cache_dir, terms=terms)
    return SharedStore(aws, bucket, store, S3ActionCache(bucket, cache_dir, terms=terms, strict=False), meter)


def codebuild(workspace: Workspace, shared: SharedStore, cache_dir: Path) -> CodeBuild:
    """Returns the project's builds; asks nothing yet. Raises UserError where no project is named."""
    project = workspace.text("codebuild.project")
    if not project:
        raise UserError(
            "[codebuild] names no project to build with",
            at=Location(FILE_NAME),
            hint=_SET_UP,
        )
    aws = shared.aws
    noise = random.Random(secrets.randbits(64))  # noqa: S311  (spreads clients out, keeps no secret)
    return CodeBuild(
        shared,
        Builds(lambda: aws.client("codebuild"), project, workspace.text("codebuild.lambda_project") or None),
        Leases(shared.bucket, lambda attempt: time.sleep(noise.uniform(0, 0.05 * 2 ** min(attempt, 6)))),
        lambda group, stream: Tail(lambda: aws.client("logs"), group, stream),
        Estimates(cache_dir / "estimates.json", cache_dir / "tmp"),
        secrets.token_hex(8),
        workspace.number("codebuild.concurrency"),
        time.sleep,
    )
