"""lambdabuild init"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lambdabuild.commands import options
from lambdabuild.errors import UserError
from lambdabuild.report import error_json
from lambdabuild.ui import Ui, counted, render_error, table
from lambdabuild.workspace import FILE_NAME, Workspace, find_root, load_workspace

if TYPE_CHECKING:
    from lambdabuild.migrating.drafting import LeftOut
    from lambdabuild.migrating.proposal import Proposal
    from lambdabuild.migrating.rendering import Draft

NEXT = ("lambdabuild lock", "lambdabuild build //...")


@click.command(short_help="Write BUILD files for packages and Dockerfiles.")
@click.option("--dry-run", is_flag=True, help="Show what would be written as a diff, and write nothing.")
@click.option(
    "--keep-dockerfiles", is_flag=True, help="Declare every image with its Dockerfile, as it is built now."
)
@options.common
@click.pass_obj
def command(
    ui: Ui, dry_run: bool, keep_dockerfiles: bool, directory: str, configs: tuple[str, ...], as_json: bool
) -> int:
    """Write a BUILD file beside each pyproject.toml and each Dockerfile.

    An image for which a Dockerfile only copies files and installs packages is
    declared without it; the others keep theirs, and it is said why. Images
    that install the same packages get a base in common. Without a
    WORKSPACE.toml, DIR becomes a workspace. BUILD files that are there are
    never written.
    """
    from lambdabuild.migrating.proposal import propose
    from lambdabuild.migrating.writing import write_all
    from lambdabuild.sources import WorkingTree

    root, workspace = _workspace(directory, configs)
    view = WorkingTree(root, workspace.ignore if workspace else _default_ignore())
    proposal = propose(view, workspace, ui.said, keep_dockerfiles=keep_dockerfiles)
    if not dry_run:
        write_all(root, proposal.files, proposal.before)
    if as_json:
        ui.document(_json(proposal, dry_run))
    elif dry_run:
        for line in _diff(proposal):
            ui.result(line)
    else:
        for line in _lines(proposal):
            ui.result(line)
    _explain(ui, proposal, dry_run)
    return UserError.exit_code if proposal.broken else 0


def _workspace(directory: str, configs: tuple[str, ...]) -> tuple[Path, Workspace | None]:
    """Returns the root of the workspace that there is or will be, and its settings if there are any."""
    here = Path(directory)
    if not here.is_dir():
        raise UserError(f"there is no directory {directory}")
    here = here.resolve()
    if not any((each / FILE_NAME).is_file() for each in (here, *here.parents)):
        return here, None
    root = find_root(here)
    return root, load_workspace(root, configs=configs, env=os.environ)


def _default_ignore() -> frozenset[str]:
    from lambdabuild.settings import OUT_DIR, SETTINGS

    default = SETTINGS["workspace"]["ignore"].default
    assert isinstance(default, tuple)
    return frozenset(default) | {OUT_DIR}


def _lines(proposal: Proposal) -> Iterator[str]:
    """Yields a line for each file without targets, and each target that was written."""
    packages = {each.package for each in proposal.drafts}
    rows = [
        {"label": path, "rule": "file", "how": "changed" if path in proposal.before else ""}
        for path in proposal.files
        if path == FILE_NAME or path.rpartition("/")[0] not in packages
    ]
    rows += [
        {"label": each.label, "rule": each.rule, "how": _how(proposal, each)} for each in proposal.drafts
    ]
    if rows:
        yield from table(rows, ("label", "rule", "how"))


def _how(proposal: Proposal, draft: Draft) -> str:
    for image in proposal.images:
        if image.draft is draft:
            return "assembled" if image.assembled else "from its Dockerfile"
    for base in proposal.shared:
        if base.draft is draft:
            return f"shared by {len(base.dockerfiles)} images"
    return ""


def _diff(proposal: Proposal) -> Iterator[str]:
    """Yields the lines of a unified diff, as `patch -p1` takes it."""
    import difflib

    for path, text in proposal.files.items():
        before = proposal.before.get(path)
        old = "/dev/null" if before is None else f"a/{path}"
        lines = difflib.unified_diff(
            (before or "").splitlines(), text.splitlines(), old, f"b/{path}", lineterm=""
        )
        yield from lines


def _explain(ui: Ui, proposal: Proposal, dry_run: bool) -> None:
    """Says what is not in the files: why they are as they are, and what is missing."""
    for line in (*_shared(proposal), *_kept_dockerfiles(proposal), *_notes(proposal), *_kept(proposal)):
        ui.note(line)
    for each in proposal.left_out:
        ui.note("\n  ".join([f"{each.path} is left out", *_left_out(each)]))
    for error in proposal.broken:
        ui.note(render_error(error))
    ui.note(_summary(proposal, dry_run))
    if proposal.files and not dry_run:
        ui.note(f"next: {', then '.join(NEXT)}")


def _summary(proposal: Proposal, dry_run: bool) -> str:
    if proposal.files:
        counts = f"{counted(len(proposal.drafts), 'target')} in {counted(len(proposal.files), 'file')}"
        return f"{counts} would be written" if dry_run else f"{counts} written"
    if proposal.declared:
        return f"nothing to write: {counted(proposal.declared, 'target')} declared already"
    if proposal.kept or proposal.left_out or proposal.broken:
        return "nothing to write"
    return "there is no pyproject.toml of a package and no Dockerfile"


def _shared(proposal: Proposal) -> Iterator[str]:
    for base in proposal.shared:
        count = counted(len(base.dockerfiles), "image")
        verb = "install" if len(base.dockerfiles) > 1 else "installs"
        yield f"{base.label} holds what {count} {verb}: {', '.join(base.packages)}"


def _kept_dockerfiles(proposal: Proposal) -> Iterator[str]:
    for image in proposal.images:
        if image.reason:
            yield f"{image.draft.label} keeps its Dockerfile"
            yield f"  {image.reason.at}: {image.reason.message}"


def _notes(proposal: Proposal) -> Iterator[str]:
    for image in proposal.images:
        if image.context:
            yield f"{image.dockerfile}: COPY lines are taken as relative to {image.context}"
        for at, text in image.notes:
            yield f"{at}: {text}"


def _kept(proposal: Proposal) -> Iterator[str]:
    from lambdabuild.migrating.rendering import target_text

    for path, drafts in proposal.kept.items():
        yield f"{path} is there, and stays as it is; it lacks"
        for draft in drafts:
            yield "\n".join(f"    {line}" for line in target_text(draft).rstrip().split("\n"))


def _left_out(each: LeftOut) -> Iterator[str]:
    yield from render_error(each.error).split("\n")
    if each.reason:
        yield "without its Dockerfile it cannot be made either"
        yield f"  {each.reason.at}: {each.reason.message}"


def _json(proposal: Proposal, dry_run: bool) -> dict[str, Any]:
    return {
        "written": not dry_run,
        "files": [
            {"path": path, "change": "changed" if path in proposal.before else "new", "text": text}
            for path, text in proposal.files.items()
        ],
        "targets": [_target_json(proposal, each) for each in proposal.drafts],
        "shared": [{"label": each.label, "dockerfiles": list(each.dockerfiles)} for each in proposal.shared],
        "kept": [
            {"path": path, "lacks": [{"label": each.label, "rule": each.rule} for each in drafts]}
            for path, drafts in proposal.kept.items()
        ],
        "left_out": [
            {
                "path": each.path,
                "error": error_json(each.error),
                "reason": error_json(each.reason) if each.reason else None,
            }
            for each in proposal.left_out
        ],
        "errors": [error_json(error) for error in proposal.broken],
        "declared": proposal.declared,
        "next": list(NEXT) if proposal.files else [],
    }


def _target_json(proposal: Proposal, draft: Draft) -> dict[str, Any]:
    found: dict[str, Any] = {"label": draft.label, "rule": draft.rule}
    for image in proposal.images:
        if image.draft is draft:
            found |= {
                "dockerfile": image.dockerfile,
                "assembled": image.assembled,
                "context": image.context,
                "reason": error_json(image.reason) if image.reason else None,
                "notes": [{"at": str(at), "text": text} for at, text in image.notes],
            }
    return found
