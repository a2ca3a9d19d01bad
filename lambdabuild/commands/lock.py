"""lambdabuild lock"""

from __future__ import annotations

from collections.abc import Iterable

import click

from lambdabuild.commands import options
from lambdabuild.errors import ActionFailed
from lambdabuild.evaluation import Question
from lambdabuild.label import parse_pattern
from lambdabuild.python.lock import Lock
from lambdabuild.python.lock_file import FILE_NAME, parse_lock, print_lock
from lambdabuild.python.platforms import Combination
from lambdabuild.python.resolve import resolve
from lambdabuild.store.local import write_atomically
from lambdabuild.third_party import Asked
from lambdabuild.ui import Ui


@click.command(short_help="Pin the third-party requirements in python.lock.")
@click.option("--check", is_flag=True, help="Only tell whether python.lock still covers them; exit 1 if not.")
@options.common
@click.pass_obj
def command(ui: Ui, check: bool, directory: str, configs: tuple[str, ...], as_json: bool) -> None:
    """Resolve the third-party requirements of all targets, and write python.lock.

    They are resolved with pex, for every combination of Python, C library and
    platform that occurs. The lock holds names and hashes of files, and no hosts.
    """
    where = options.place(directory, configs)
    session = options.session(where, ui)
    everything = Question((parse_pattern("//..."),), without_lock=True)
    wanted = _wanted(session.evaluate(everything).asked)
    path = where.workspace.root / FILE_NAME
    if check:
        _check(parse_lock(path.read_bytes()) if path.is_file() else Lock.of((), (), ()), wanted)
        ui.note(f"{FILE_NAME} covers all requirements")
        return
    lock = resolve(wanted, session.index.size_of, progress=lambda each: ui.note(f"resolving for {each}"))
    data = print_lock(lock)
    if not path.is_file() or path.read_bytes() != data:
        write_atomically(path, data, path.parent)
    if as_json:
        ui.document({"file": FILE_NAME, "packages": len(lock.packages)})
    else:
        ui.result(f"{FILE_NAME}: {len(lock.packages)} packages for {len(lock.requirements)} requirements")


def _wanted(asked: Iterable[Asked]) -> dict[Combination, set[str]]:
    wanted: dict[Combination, set[str]] = {}
    for each in asked:
        wanted.setdefault(each.combination, set()).update(each.requirements)
    return wanted


def _check(lock: Lock, wanted: dict[Combination, set[str]]) -> None:
    """Raises ActionFailed, which is exit 1, for what the lock does not cover."""
    missing = [str(each) for each in sorted(wanted) if each not in lock.combinations]
    missing += lock.uncovered(text for texts in wanted.values() for text in texts)
    if missing:
        raise ActionFailed(f"{FILE_NAME} does not cover {', '.join(missing)}", hint="lambdabuild lock")
