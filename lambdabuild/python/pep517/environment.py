"""Locked wheels -> a virtual environment with them, made once and kept.

    <directory>/<64 hex>/         one environment, named by wheels and interpreter
        bin/python                a link to the interpreter that runs lambdabuild, or its base
        lib/…/site-packages/      the wheels, with bytecode, read-only
        complete                  written last: without it the environment is damaged
    <directory>/….tmp/            one that is being made

It is made under another name and renamed, so that processes can share the
directory and be killed at any moment.

Absent: removing environments that nobody needs any more; `lambdabuild clean
--cache` removes all of them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambdabuild.digest import Canonical, Key, key_of
from lambdabuild.store.local import disk_errors, remove_tree

if TYPE_CHECKING:
    from lambdabuild.python.index import Index
    from lambdabuild.python.selection import LockedWheel

_MARKER = "complete"
_TEMPORARY = ".tmp"
_STALE_SECONDS = 24 * 3600
_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment on disk.

    python:   its interpreter.
    path:     directories for PATH, with the programs of its packages.
    packages: (name, version) of what is installed, normalised, sorted.
    """

    python: Path
    path: tuple[Path, ...]
    packages: tuple[tuple[str, str], ...]


class Environments:
    """The environments of this machine. One instance serves any number of threads.

    directory: where they are kept; it need not be there.
    index:     gives the package index; asked only when there is something to fetch.
    """

    def __init__(self, directory: Path, index: Callable[[], Index]) -> None:
        self._directory = directory
        self._index = index
        self._guard = threading.Lock()
        self._locks: dict[Key, threading.Lock] = {}

    def get(self, wheels: Sequence[LockedWheel], check: Callable[[], None]) -> Environment:
        """Returns the environment that holds `wheels` and nothing else; makes it if need be.

        check: raises to stop making it, which leaves nothing behind.

        Raises UserError for wheels that are broken or in each other's way,
        ExternalError where they cannot be fetched or the disk says no.
        """
        key = _key(wheels)
        place = self._directory / key
        with disk_errors(self._directory), self._alone(key, check):
            if not _is_sound(place):
                self._make(place, wheels, check)
        packages = tuple(sorted((wheel.name, wheel.version) for wheel in wheels))
        return Environment(python_of(place), (place / "bin", site_packages(place) / "bin"), packages)

    @contextlib.contextmanager
    def _alone(self, key: Key, check: Callable[[], None]) -> Iterator[None]:
        """Holds off other threads that want the same environment: it is made once."""
        with self._guard:
            lock = self._locks.setdefault(key, threading.Lock())
        while not lock.acquire(timeout=_POLL_SECONDS):
            check()
        try:
            yield
        finally:
            lock.release()

    def _make(self, place: Path, wheels: Sequence[LockedWheel], check: Callable[[], None]) -> None:
        from lambdabuild.python.pep517.furnish import furnish  # for those who have none yet

        self._directory.mkdir(parents=True, exist_ok=True)
        self._sweep()
        temporary = self._temporary(place)
        try:
            furnish(temporary, place, wheels, self._index, check)
            (temporary / _MARKER).touch()
            if place.exists() and not _is_sound(place):
                damaged = self._temporary(place)
                place.replace(damaged)  # in one step, then as slowly as it likes
                remove_tree(damaged)
            try:
                temporary.replace(place)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not _is_sound(place):
                    raise
        finally:
            if temporary.exists():  # also where another process has been faster
                remove_tree(temporary)

    def _temporary(self, place: Path) -> Path:
        return Path(tempfile.mkdtemp(_TEMPORARY, f"{place.name[:16]}-", self._directory))

    def _sweep(self) -> None:
        """Removes what killed processes left half-made."""
        limit = time.time() - _STALE_SECONDS
        for path in self._directory.glob(f"*{_TEMPORARY}"):
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < limit:
                    remove_tree(path)


def python_of(root: Path) -> Path:
    """Returns the interpreter of the virtual environment at `root`."""
    return root / "bin" / "python"


def site_packages(root: Path) -> Path:
    """Returns where the virtual environment at `root` has its packages."""
    return Path(sysconfig.get_path("purelib", "venv", {"base": str(root), "platbase": str(root)}))


def _key(wheels: Sequence[LockedWheel]) -> Key:
    """Returns the name of an environment: its wheels by content, and this interpreter."""
    # In a virtual environment, the interpreter that it was made from.
    base = getattr(sys, "_base_executable", sys.executable)
    interpreter: Canonical = [
        sys.implementation.name,
        sys.version,
        sysconfig.get_platform(),
        os.path.realpath(base),
    ]
    held = sorted([wheel.name, wheel.file.name, wheel.file.sha256] for wheel in wheels)
    return key_of("environment", {"interpreter": interpreter, "wheels": held})


def _is_sound(place: Path) -> bool:
    return (place / _MARKER).is_file() and python_of(place).is_file()
