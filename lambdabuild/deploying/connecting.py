"""Settings -> the functions of one account and region, and who we are there."""

from __future__ import annotations

from dataclasses import dataclass

from lambdabuild.aws.clients import Aws
from lambdabuild.aws.errors import aws_errors
from lambdabuild.aws.meter import Meter
from lambdabuild.deploying.service import Lambda
from lambdabuild.errors import Location, UserError
from lambdabuild.workspace import FILE_NAME, Workspace


@dataclass(frozen=True, slots=True)
class Connection:
    """Lambda, for who we are. who: the ARN of the role or user."""

    service: Lambda
    account: str
    region: str
    who: str


def connect(workspace: Workspace, elsewhere: str = "") -> Connection:
    """Returns the Lambda of [deploy]; raises UserError for credentials of another account.

    elsewhere: a region instead of that of [deploy].
    """
    wanted, key = _setting(workspace, "account")
    region = elsewhere or _setting(workspace, "region")[0]
    if wanted and not (len(wanted) == 12 and wanted.isascii() and wanted.isdecimal()):
        raise UserError(
            f"{key} is {wanted!r}, not twelve digits",
            at=Location(FILE_NAME),
            hint="aws sts get-caller-identity --query Account",
        )
    aws = Aws(region or None, wanted or None, Meter())
    with aws_errors("cannot find out whose credentials these are", service="sts"):
        found = aws.client("sts").get_caller_identity()
    account, who = str(found["Account"]), str(found["Arn"])
    if wanted and account != wanted:
        raise UserError(
            f"these credentials are of the account {account}, and {key} is {wanted}",
            at=Location(FILE_NAME),
            hint="sign in to the other account (AWS_PROFILE), or choose its settings with --config",
        )
    client = aws.client("lambda")
    region = str(client.meta.region_name)
    partition = who.split(":")[1] if who.count(":") > 1 else "aws"
    where = f"arn:{partition}:lambda:{region}:{account}:function"
    return Connection(Lambda(lambda: client, where), account, region, who)


def _setting(workspace: Workspace, name: str) -> tuple[str, str]:
    """Returns a setting of [deploy], or else of [codebuild], and what it is called."""
    for key in (f"deploy.{name}", f"codebuild.{name}"):
        if workspace.text(key):
            return workspace.text(key), key
    return "", f"deploy.{name}"
