"""lambdabuild bootstrap"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lambdabuild import __version__
from lambdabuild.commands import options
from lambdabuild.errors import UserError
from lambdabuild.ui import Ui
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.aws.secret_values import SecretPlace
    from lambdabuild.setup.deploy import Deployed
    from lambdabuild.setup.parameters import Account, Wishes
    from lambdabuild.setup.stack import ChangeSet
    from lambdabuild.setup.worker_pex import WorkerFile

_DEFAULT_NAME = "lambdabuild"


@click.command(short_help="Set up AWS for builds on CodeBuild.")
@click.option(
    "--name",
    metavar="NAME",
    help=f"Name of stack and project.  [default: [codebuild] project, or {_DEFAULT_NAME}]",
)
@click.option("--region", metavar="REGION", help="Where to set it up.  [default: [codebuild] region]")
@click.option(
    "--repository",
    "repositories",
    metavar="NAME",
    multiple=True,
    help="Let the worker push to this repository too, a name or an ARN; may be given again.",
)
@click.option("--kms-key", metavar="ARN", help="Encrypt bucket, repository and logs with this key.")
@click.option("--vpc", metavar="ID", help="Run builds in this VPC.")
@click.option(
    "--subnet", "subnets", metavar="ID", multiple=True, help="A subnet for --vpc; may be given again."
)
@click.option(
    "--security-group",
    "security_groups",
    metavar="ID",
    multiple=True,
    help="A security group for --vpc; may be given again.",
)
@click.option("--permissions-boundary", metavar="ARN", help="Bound the worker's role by this policy.")
@click.option(
    "--lambda-compute/--no-lambda-compute",
    default=None,
    help="Make a second project for short orders, on Lambda compute.",
)
@click.option(
    "--worker",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take this worker.pex.  [default: one made of this lambdabuild]",
)
@click.option(
    "--print", "only_print", is_flag=True, help="Print the CloudFormation template, and do nothing."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@options.common
@click.pass_obj
def command(
    ui: Ui,
    name: str | None,
    region: str | None,
    repositories: tuple[str, ...],
    kms_key: str | None,
    vpc: str | None,
    subnets: tuple[str, ...],
    security_groups: tuple[str, ...],
    permissions_boundary: str | None,
    lambda_compute: bool | None,
    worker: Path | None,
    only_print: bool,
    yes: bool,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make what builds on CodeBuild need, or bring it up to date.

    A bucket, a project, a repository, a role for the worker and a policy for
    those who build, in one CloudFormation stack. What an option does not say
    stays as it is; which secrets builds may read, [secrets] says. See docs/aws.md.
    """
    from lambdabuild.setup.deploy import template
    from lambdabuild.setup.parameters import Wishes

    if only_print:
        if as_json:
            ui.document({"template": template()})
        else:
            ui.result(template().rstrip("\n"))
        return
    workspace = options.place(directory, configs).workspace
    known = workspace.text("codebuild.project")
    name = name or known or _DEFAULT_NAME
    wishes = Wishes(
        name=name,
        prefix=workspace.text("codebuild.prefix"),
        # The settings are those of one project; another one shares no repository and no secret with it.
        repository=_repository(workspace) if known in ("", name) else None,
        repositories=repositories or None,
        kms_key=kms_key,
        vpc=vpc,
        subnets=subnets or None,
        security_groups=security_groups or None,
        permissions_boundary=permissions_boundary,
        lambda_compute=lambda_compute,
        secrets=_secrets(workspace) if known in ("", name) else None,
    )
    if not yes and not _can_ask():
        raise UserError("there is no terminal to ask on", hint="add --yes")
    deployed = _deploy(ui, wishes, region or workspace.text("codebuild.region") or None, worker, yes=yes)
    if deployed is not None:
        _show(ui, deployed, as_json=as_json)


def _deploy(ui: Ui, wishes: Wishes, region: str | None, pex: Path | None, *, yes: bool) -> Deployed | None:
    """Returns what stands now, or None where the user said no."""
    from lambdabuild.aws.clients import Aws
    from lambdabuild.aws.meter import Meter
    from lambdabuild.setup.deploy import Deployment, whose

    aws = Aws(region, None, Meter())
    account = whose(aws.client)
    with tempfile.TemporaryDirectory(prefix="lambdabuild-bootstrap-") as scratch:
        deployment = Deployment(
            aws.client,
            account,
            wishes,
            _worker(ui, pex, Path(scratch)),
            __version__,
            f"lambdabuild-{uuid.uuid4().hex}",
            Path(scratch),
            time.sleep,
            ui.note,
        )
        with deployment.prepared() as changes:
            _tell(ui, changes, account, wishes.name)
            if changes is not None and not yes and not click.confirm("Go on?", err=True):
                return None
            return deployment.apply(changes)


def _worker(ui: Ui, pex: Path | None, scratch: Path) -> WorkerFile:
    from lambdabuild.oci.digest import hex_of, sha256_of
    from lambdabuild.setup.worker_pex import WorkerFile, make_worker

    if pex is not None:
        return WorkerFile(pex, hex_of(sha256_of(pex.read_bytes())))
    ui.note("making the worker")
    return make_worker(scratch / "worker.pex")


def _repository(workspace: Workspace) -> str | None:
    """Returns the one repository that [registry] repository names; None if it depends on the target."""
    template = workspace.text("registry.repository")
    return None if "{" in template else template


def _secrets(workspace: Workspace) -> Mapping[str, SecretPlace]:
    """Returns where AWS has the secrets of [secrets.ID]; raises UserError for what is no ARN."""
    from lambdabuild.aws.secret_values import parse_secret_place

    found = {}
    for id_, secret in workspace.secrets.items():
        try:
            if secret.arn:
                found[id_] = parse_secret_place(secret.arn)
        except UserError as error:
            raise error.located(secret.at) from None
    return found


def _can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _tell(ui: Ui, changes: ChangeSet | None, account: Account, name: str) -> None:
    """Says what is going to be done."""
    where = f"account {account.id}, {account.region}"
    if changes is None:
        ui.note(f"the stack {name} is up to date in {where}")
        return
    ui.note(f"{'a new stack' if changes.creates else 'changes to the stack'} {name} in {where}:")
    for change in changes.changes:
        again = ", by a new one" if change.replaced else ""
        ui.note(f"  {change.action.lower():8}{change.resource} ({change.kind}){again}")


def _show(ui: Ui, deployed: Deployed, *, as_json: bool) -> None:
    settings = deployed.settings()
    if as_json:
        ui.document({"settings": settings, "client_policy": deployed.client_policy})
        return
    ui.note("put this into WORKSPACE.toml:")
    for line in _toml(settings):
        ui.result(line)
    ui.note(f"attach this policy to those who build: {deployed.client_policy}")


def _toml(settings: Mapping[str, Mapping[str, str | list[str]]]) -> list[str]:
    """Returns the lines of the sections."""
    lines: list[str] = []
    for section, values in settings.items():
        lines += ["", f"[{section}]"] if lines else [f"[{section}]"]
        for key, value in values.items():
            # Names of AWS have nothing that JSON would write in another way than TOML.
            lines.append(f"{key} = {json.dumps(value)}")
    return lines
