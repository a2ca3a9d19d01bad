"""lambdabuild lock"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from lambdabuild.commands import options
from lambdabuild.commands.declare_images import declare_images
from lambdabuild.commands.lock_images import drifted_images, pin_images, pins_json
from lambdabuild.errors import ActionFailed, Location, UserError
from lambdabuild.evaluation import Question
from lambdabuild.external.lock_file import FILE_NAME as IMAGES_FILE
from lambdabuild.label import parse_pattern
from lambdabuild.python.lock import Lock
from lambdabuild.python.lock_file import FILE_NAME, parse_lock, print_lock
from lambdabuild.python.lock_plan import Plan, plan_of, uncovered
from lambdabuild.python.pin_files import read_pins
from lambdabuild.python.pins import PinnedResolver, Pins
from lambdabuild.python.platforms import Combination
from lambdabuild.python.relock import Upgrade, update
from lambdabuild.python.resolve import PexResolver
from lambdabuild.session import Session
from lambdabuild.store.local import write_atomically
from lambdabuild.third_party import host_combination
from lambdabuild.ui import Ui
from lambdabuild.workspace import FILE_NAME as WORKSPACE_FILE
from lambdabuild.workspace import Workspace, load_workspace


@click.command(short_help="Pin third-party requirements and external images.")
@click.option(
    "--check",
    is_flag=True,
    help="Only tell whether the locks still cover them, and which images have moved; exit 1 then.",
)
@click.option(
    "--upgrade",
    metavar="NAME",
    multiple=True,
    help="Take the newest release of a package that fits, or what the tag of an image such as @python "
    "names now, not what is locked; repeatable.",
)
@click.option("--upgrade-all", is_flag=True, help="Do so for all packages and images.")
@click.option(
    "--image",
    "images",
    metavar="NAME=REF",
    multiple=True,
    help="Declare an external image in WORKSPACE.toml, unless it is there, and pin it; repeatable.",
)
@click.option(
    "--from",
    "pins_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Take the versions, and hashes, that uv.lock, pylock.toml or requirements.txt pins.",
)
@options.common
@click.pass_obj
def command(
    ui: Ui,
    check: bool,
    upgrade: tuple[str, ...],
    upgrade_all: bool,
    images: tuple[str, ...],
    pins_file: Path | None,
    directory: str,
    configs: tuple[str, ...],
    as_json: bool,
) -> None:
    """Pin external images in WORKSPACE.lock, and third-party requirements in python.lock.

    Of each image that WORKSPACE.toml declares, manifest and config are kept, for
    every platform that it can be asked for. Requirements are resolved with pex, for
    every combination of Python, C library and platform that occurs. python.lock
    holds names and hashes of files, and no hosts.

    What is locked stays as it is, whatever index and registries have by now, until
    a requirement, a ref or --upgrade asks for something else.
    """
    if sum(map(bool, (check, upgrade or upgrade_all, pins_file))) > 1:
        raise click.UsageError("--check, --upgrade and --from exclude one another")
    if check and images:
        raise click.UsageError("--check and --image exclude one another")
    where = options.place(directory, configs)
    declared = declare_images(where.workspace, images)
    if declared is not None:
        root = where.workspace.root
        workspace = load_workspace(root, configs=configs, env=os.environ, data=declared)
        where = replace(where, workspace=workspace)
    session = options.session(where, ui)
    path = where.workspace.root / FILE_NAME
    if check:
        _check(session, path, ui)
        return
    names = [name.removeprefix("@") for name in upgrade if name.startswith("@")]
    upgrade = tuple(name for name in upgrade if not name.startswith("@"))
    pins = pin_images(session, ui, names, everything=upgrade_all)
    if declared is not None:
        write_atomically((root / WORKSPACE_FILE).resolve(), declared, root)
    plan = _plan(session)
    lock = _read(path, anew=upgrade_all)
    resolver = PexResolver(session.index, host=_host, known=lock, environ=_environ(where.workspace))
    if pins_file:
        made = _taken_over(read_pins(Path(directory) / pins_file), lock, plan, resolver, ui)
    else:
        upgraded = Upgrade.of(upgrade, lock, everything=upgrade_all)
        made = update(lock, plan, resolver, upgrade=upgraded, say=ui.note)
    _write(path, made)
    if as_json:
        ui.document({"file": FILE_NAME, "packages": len(made.packages), "images": pins_json(pins)})
    else:
        if pins.by_key:
            ui.result(f"{IMAGES_FILE}: {len(pins.by_key)} pinned")
        ui.result(f"{FILE_NAME}: {len(made.packages)} packages for {len(made.requirements)} requirements")


def _write(path: Path, lock: Lock) -> None:
    """Writes the lock, if it is another one; none where there is none and nothing to lock."""
    there = path.read_bytes() if path.is_file() else None
    data = print_lock(lock)
    if there != data and (there is not None or lock.requirements or lock.builds or lock.combinations):
        write_atomically(path, data, path.parent)


def _plan(session: Session) -> Plan:
    """Returns what the lock has to cover."""
    answer = session.evaluate(Question((parse_pattern("//..."),), without_lock=True, manual=True))
    return plan_of(answer.asked, answer.asked_builds, _extra_combinations(session.workspace))


def _extra_combinations(workspace: Workspace) -> list[Combination]:
    try:
        return [Combination.parse(text) for text in workspace.list("python.combinations")]
    except UserError as error:
        raise error.located(Location(workspace.origins["python.combinations"])) from None


def _read(path: Path, *, anew: bool) -> Lock:
    """Returns the lock that is there; nothing of one that cannot be read, if it is made `anew`."""
    if not path.is_file():
        return Lock.of((), (), ())
    try:
        return parse_lock(path.read_bytes())
    except UserError:
        if anew:
            return Lock.of((), (), ())
        raise


def _taken_over(pins: Pins, lock: Lock, plan: Plan, resolver: PexResolver, ui: Ui) -> Lock:
    """Returns a lock with the versions that are pinned; of `lock` only build requirements stay."""
    for note in pins.notes:
        ui.note(note)
    pinned = PinnedResolver(resolver, pins)
    made = update(replace(lock, packages=()), plan, pinned, say=ui.note)
    if pinned.unpinned:
        ui.note(f"{pins.file} does not pin {', '.join(sorted(pinned.unpinned))}")
    return made


def _host() -> Combination | None:
    """Returns what the Python that runs this is, or None where that is no system of Lambda's."""
    try:
        return host_combination()
    except UserError:
        return None


def _environ(workspace: Workspace) -> dict[str, str] | None:
    """Returns the environment of a process that asks the index of the workspace, as pip does."""
    index = workspace.text("python.index")
    return {**os.environ, "PIP_INDEX_URL": index} if index else None


def _check(session: Session, path: Path, ui: Ui) -> None:
    """Raises ActionFailed, which is exit 1, for what the locks do not cover, and images that have moved."""
    drift = drifted_images(session)
    if drift:
        what = "not all external images are what is pinned"
        upgrades = [f"--upgrade @{name}" for name in dict.fromkeys(each.name for each in drift if each.old)]
        hint = " ".join(("lambdabuild lock", *upgrades))
        raise ActionFailed(what, hint=hint, details=tuple(map(str, drift)))
    missing, reasons = uncovered(_read(path, anew=False), _plan(session))
    if missing:
        what = f"{FILE_NAME} does not cover {', '.join(missing)}"
        raise ActionFailed(what, hint="lambdabuild lock", details=reasons)
    if session.workspace.images:
        ui.note(f"{IMAGES_FILE} has what the tags of all external images name")
    ui.note(f"{FILE_NAME} covers all requirements")
