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


@click.command(short_help="Remove outputs, the cache, or what is needed nowhere any more.")
@click.option(
    "--cache", "with_cache", is_flag=True, help="Remove this machine's content store and action cache too."
)
@click.option(
    "--expire",
    is_flag=True,
    help="Remove nothing but what the store has beyond [store] max_gb, the longest unused first.",
)
@click.option(
    "--remote",
    is_flag=True,
    help="List what nobody needs of the pushed images and of the remote store: no function, no target, "
    "no rollback, no base in use.",
)
@click.option(
    "--since",
    "revisions",
    metavar="REV",
    multiple=True,
    help="With --remote: keep what this revision of git is made of, too; may be given again.",
)
@click.option("--yes", is_flag=True, help="With --remote: remove them.")
@click.option("--dry-run", is_flag=True, help="With --remote: only list them.  [default]")
@options.common
@click.pass_obj
def command(
    ui: Ui,
    with_cache: bool,
    expire: bool,
    remote: bool,
    revisions: tuple[str, ...],
    yes: bool,
    dry_run: bool,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Remove lambdabuild-out/; the next build puts it back from the cache.

    With --remote it is about images in registries and the remote store
    instead, and nothing is removed without --yes.
    """
    _check(with_cache, expire, remote, revisions, yes, dry_run)
    where = options.place(directory, configs)
    if remote:
        from lambdabuild.commands.clean_remote import clean_remote  # brings AWS and registries

        clean_remote(ui, where, revisions, configs, yes=yes)
    elif expire:
        _expire(ui, where.workspace.number("store.max_gb") * GB)
    else:
        _clean_here(ui, where, with_cache)


def _clean_here(ui: Ui, where: options.Place, with_cache: bool) -> None:
    targets = [where.workspace.root / OUT_DIR]
    if with_cache:
        targets.append(options.cache_directory())
    removed = []
    for target in targets:
        if target.exists():
            with disk_errors(target):
                remove_tree(target)
            removed.append(str(target))
    if ui.as_json:
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


def _check(
    with_cache: bool, expire: bool, remote: bool, revisions: tuple[str, ...], yes: bool, dry_run: bool
) -> None:
    """Raises UserError for options that do not go together."""
    if with_cache and expire:
        raise UserError("--cache removes all that --expire would", hint="drop one of the two")
    if not remote and (revisions or yes or dry_run):
        raise UserError("--since, --yes and --dry-run go with --remote", hint="lambdabuild clean --remote")
    if remote and (with_cache or expire):
        here = "--cache" if with_cache else "--expire"
        raise UserError(
            f"--remote is about registries and stores, and {here} about this machine",
            hint="run it twice, once with each",
        )
    if yes and dry_run:
        raise UserError("--yes removes, and --dry-run does not", hint="leave out one of the two")
