"""lambdabuild completion"""

from __future__ import annotations

import click

from lambdabuild.commands.shells import SHELLS, script
from lambdabuild.ui import Ui


@click.command(short_help="Print what makes a shell complete commands and labels.")
@click.argument("shell", type=click.Choice(list(SHELLS)))
@click.option("--json", "as_json", is_flag=True, help="Write results as JSON.")
@click.pass_context
def command(context: click.Context, shell: str, as_json: bool) -> None:
    """Print a script that has a shell complete commands, options and target labels.

    \b
      eval "$(lambdabuild completion bash)"        in ~/.bashrc
      eval "$(lambdabuild completion zsh)"         in ~/.zshrc, after compinit
      lambdabuild completion fish | source         in ~/.config/fish/config.fish
    """  # noqa: D301  (\b is click's mark for lines that are not joined)
    ui = context.obj
    assert isinstance(ui, Ui)
    text = script(context.find_root().command, shell)
    if as_json:
        ui.document({"shell": shell, "script": text})
    else:
        ui.result(text.rstrip("\n"))
