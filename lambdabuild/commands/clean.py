"""lambdabuild clean"""

from __future__ import annotations

import click

from lambdabuild.commands import options
from lambdabuild.settings import OUT_DIR
from lambdabuild.store.local import disk_errors, remove_tree
from lambdabuild.ui import Ui


@click.command(short_help="Remove lambdabuild-out/, or the cache as well.")
@click.option(
    "--cache", "with_cache", is_flag=True, help="Remove this machine's content store and action cache too."
)
@options.common
@click.pass_obj
def command(ui: Ui, with_cache: bool, directory: str, configs: tuple[str, ...], as_json: bool) -> None:
    """Remove lambdabuild-out/; the next build puts it back from the cache."""
    targets = [options.place(directory, configs).workspace.root / OUT_DIR]
    if with_cache:
        targets.append(options.cache_directory())
    removed = []
    for target in targets:
        if target.exists():
            with disk_errors(target):
                remove_tree(target)
            removed.append(str(target))
    if as_json:
        ui.document({"removed": removed})
        return
    for path in removed:
        ui.result(f"removed {path}")
