"""What is put into a new environment: interpreter, packages, bytecode."""

from __future__ import annotations

import filecmp
import os
import stat
import venv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from lambdabuild.errors import ExternalError, UserError
from lambdabuild.python.pep517 import process
from lambdabuild.python.pep517.environment import python_of, site_packages
from lambdabuild.python.pep517.outcome import last_lines, read_tail
from lambdabuild.python.wheel import install
from lambdabuild.store.local import remove_tree

if TYPE_CHECKING:
    from lambdabuild.python.index import Index
    from lambdabuild.python.selection import LockedWheel

_FETCHED_AT_ONCE = 8


def furnish(
    root: Path,
    final: Path,
    wheels: Sequence[LockedWheel],
    index: Callable[[], Index],
    check: Callable[[], None],
) -> None:
    """Makes of the empty directory `root` an environment that will be renamed to `final`.

    Raises UserError where two wheels have different files for one place, and what
    fetching and installing a wheel raise.
    """
    _Builder(symlinks=True).create(root)
    staging = root / "staging"
    staging.mkdir()
    _fetch(wheels, staging, index, check)
    site = site_packages(root)
    owners: dict[str, str] = {}
    for wheel in sorted(wheels, key=lambda each: each.name):
        check()
        tree = staging / wheel.name
        install(staging / wheel.file.name, tree)
        _move(tree, site, wheel.file.name, owners)
    remove_tree(staging)
    if wheels:
        _compile(root, final, check)
    _make_read_only(site)


class _Builder(venv.EnvBuilder):
    def setup_scripts(self, context: SimpleNamespace) -> None:
        """Leaves them out: they would name the directory that is renamed, and nobody activates anything."""


def _fetch(
    wheels: Sequence[LockedWheel], into: Path, index: Callable[[], Index], check: Callable[[], None]
) -> None:
    if not wheels:
        return
    source = index()

    def fetch(wheel: LockedWheel) -> None:
        file = wheel.file
        source.fetch(wheel.name, file.name, file.size, file.sha256, into / file.name, check)

    with ThreadPoolExecutor(_FETCHED_AT_ONCE) as pool:
        try:
            list(pool.map(fetch, wheels))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _move(tree: Path, site: Path, wheel: str, owners: dict[str, str]) -> None:
    """Moves what a wheel installed into `site`. owners: place -> wheel, of all that is there."""
    for directory, _, names in os.walk(tree):
        below = Path(directory).relative_to(tree)
        try:
            (site / below).mkdir(exist_ok=True)
        except FileExistsError:
            raise _collision(below, owners, wheel) from None
        for name in sorted(names):
            place, source = below / name, tree / below / name
            target = site / place
            if target.is_dir() or (target.exists() and not filecmp.cmp(source, target, shallow=False)):
                raise _collision(place, owners, wheel)
            source.replace(target)
            owners[str(place)] = wheel


def _collision(place: Path, owners: dict[str, str], wheel: str) -> UserError:
    other = next((owner for path, owner in owners.items() if Path(path).is_relative_to(place)), "another")
    return UserError(
        f"two wheels that a build requires want to be at {place}: {other} and {wheel}",
        hint="drop one of them from [build-system] requires, or pin another version; then: lambdabuild lock",
    )


def _compile(root: Path, final: Path, check: Callable[[], None]) -> None:
    """Writes bytecode beside all that compiles; the rest is imported as it is, or never."""
    arguments = [str(python_of(root)), "-s", "-W", "ignore", "-m", "compileall", "-qq"]
    arguments += ["--invalidation-mode", "unchecked-hash", "-s", str(root), "-p", str(final)]
    output = root / "output.txt"
    env = {"LC_ALL": "C.UTF-8", "PATH": os.defpath}
    code = process.run([*arguments, str(site_packages(root))], cwd=root, env=env, output=output, check=check)
    said = last_lines(read_tail(output))
    output.unlink()
    if code not in (0, 1):
        raise ExternalError(
            f"{python_of(root).resolve()} does not work in a virtual environment",
            hint="run lambdabuild with another Python",
            details=said,
        )


def _make_read_only(directory: Path) -> None:
    for path in (directory, *directory.rglob("*")):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
