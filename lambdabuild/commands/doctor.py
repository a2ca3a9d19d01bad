"""lambdabuild doctor"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import click

from lambdabuild import __version__
from lambdabuild.commands import options
from lambdabuild.ui import Ui
from lambdabuild.workspace import Workspace

if TYPE_CHECKING:
    from lambdabuild.setup.checks import Check

_NAME_WIDTH = len("blob mounting")


@click.command(short_help="Check what builds need, here and on AWS.")
@options.common
@click.pass_obj
def command(ui: Ui, directory: str, configs: tuple[str, ...], as_json: bool) -> int:
    """Check what builds need: on this machine, and on AWS where it is set up.

    One line a check: ok, or what is wrong and the command that mends it. The
    exit code is 0 if all is well, else 1.
    """
    from lambdabuild.setup.machine import check_machine

    workspace = options.place(directory, configs).workspace
    checks = []
    for check in chain(check_machine(options.cache_directory()), _on_aws(workspace)):
        checks.append(check)
        if not as_json:
            _show(ui, check)
    if as_json:
        ui.document(
            {
                "ok": all(check.ok for check in checks),
                "checks": [
                    {"name": check.name, "ok": check.ok, "text": check.text, "mend": check.mend}
                    for check in checks
                ],
            }
        )
    return 0 if all(check.ok for check in checks) else 1


def _on_aws(workspace: Workspace) -> Iterator[Check]:
    """Yields the checks of AWS, or that it is not set up."""
    from lambdabuild.setup.checks import Check

    builds = _wants_builds(workspace)
    remote = workspace.text("store.remote")
    if not builds and not remote:
        yield Check("aws", "not set up: builds run on this machine")
        return
    from lambdabuild.aws.clients import Aws
    from lambdabuild.aws.meter import Meter
    from lambdabuild.setup.cloud import CloudChecks, Wanted
    from lambdabuild.store.s3.bucket import parse_place

    place = workspace.text("codebuild.bucket"), workspace.text("codebuild.prefix")
    bucket, prefix = parse_place(remote) if remote else place
    wanted = Wanted(
        builds=builds,
        project=workspace.text("codebuild.project"),
        lambda_project=workspace.text("codebuild.lambda_project"),
        bucket=bucket,
        prefix=prefix,
        account=workspace.text("codebuild.account"),
        registries=workspace.list("registry.push"),
        repository=workspace.text("registry.repository"),
    )
    aws = Aws(workspace.text("codebuild.region") or None, wanted.account or None, Meter())
    yield from CloudChecks(aws.client, wanted, __version__, time.time).all()


def _wants_builds(workspace: Workspace) -> bool:
    """Whether a setting names something of CodeBuild, or the executor that needs it."""
    if workspace.text("executor.default") == "codebuild":
        return True
    return any(workspace.text(f"codebuild.{key}") for key in ("project", "bucket"))


def _show(ui: Ui, check: Check) -> None:
    ui.result(f"{'ok' if check.ok else 'wrong':5}  {check.name:<{_NAME_WIDTH}}  {check.text}")
    if check.mend is not None:
        ui.result(f"  hint: {check.mend}")
