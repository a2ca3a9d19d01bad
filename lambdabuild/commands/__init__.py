"""The commands, one file each, imported only when one of them is asked for."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

# In the order in which help lists them.
_COMMANDS = (
    *("build", "run", "push", "outputs", "deploy", "status", "check", "hash", "why", "query", "aquery"),
    *("affected", "packages", "init", "lock", "bootstrap", "doctor", "info", "clean", "completion"),
)


class _Commands(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        if "_LAMBDABUILD_COMPLETE" in os.environ:
            from lambdabuild.commands import shells  # a shell asks, and nobody else does

            shells.register()
        return super().main(*args, **kwargs)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"lambdabuild.commands.{cmd_name}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from lambdabuild.errors import UserError, did_you_mean

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], _COMMANDS) or f"there are {', '.join(_COMMANDS)}"
            raise UserError(f"there is no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="lambdabuild", message="lambdabuild %(version)s")
def root() -> None:
    """Builds container images for AWS Lambda: only what changed, here, without a daemon.

    \b
      lambdabuild build //...                     everything in the workspace
      lambdabuild build //infra/...  -//infra/x   all below a directory, but one
      lambdabuild run //infra/x:image --event '{"id": 7}'
    """  # noqa: D301  (\b is click's mark for lines that are not joined)
