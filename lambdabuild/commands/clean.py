"""lambdabuild clean"""

from __future__ import annotations

import dataclasses

import click

from lambdabuild.commands import options
from lambdabuild.errors import ExternalError, UserError
from lambdabuild.settings import OUT_DIR
from lambdabuild.store.collecting import GB, Collected, collect
from lambdabuild.store.local import disk_errors, remove_tree
from lambdabuild.ui import Ui, size_of


@click.command(short_help="Remove lambdabuild-out/, or the cache as well.")
@click.option(
    "--cache", "with_cache", is_flag=True, help="Remove this machine's content store and action cache too."
)
@click.option(
    "--expire",
    is_flag=True,
    help="Remove nothing but what the store has beyond [store] max_gb, the longest unused first.",
)
@options.common
@click.pass_obj
def command(
    ui: Ui, with_cache: bool, expire: bool, directory: str, configs: tuple[str, ...], as_json: bool
) -> None:
    """Remove lambdabuild-out/; the next build puts it back from the cache."""
    workspace = options.place(directory, configs).workspace
    if expire:
        if with_cache:
            raise UserError("--cache removes all that --expire would", hint="drop one of the two")
        _expire(ui, workspace.number("store.max_gb") * GB)
        return
    targets = [workspace.root / OUT_DIR]
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


def _expire(ui: Ui, limit: int) -> None:
    root = options.cache_directory()
    found = collect(root, limit) if root.is_dir() else Collected()
    if found is None:
        raise ExternalError(
            f"another lambdabuild is collecting in {root}, or nothing can be locked there",
            hint="try again when it is done",
        )
    if ui.as_json:
        ui.document({"expired": dataclasses.asdict(found)})
        return
    ui.result(
        f"removed {found.blobs} blobs ({size_of(found.freed)}) and {found.documents} documents; "
        f"{size_of(found.kept)} are left"
    )
