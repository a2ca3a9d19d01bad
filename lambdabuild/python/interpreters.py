"""The interpreters of this machine: one of an exact version, for what only it can make.

Looked for are the Python that runs this, `python3.12` and `python3` in every
directory of PATH, and what pyenv keeps. Each is asked for its version.

Absent: installing one.
"""

from __future__ import annotations

import functools
import glob
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from lambdabuild.errors import ExternalError

_ASK: Final = "import sys; print(sys.implementation.name, sys.version.split()[0].rstrip('+'), sys.executable)"
_SECONDS: Final = 20.0


def find_interpreter(version: str, path: Sequence[str] | None = None, home: Path | None = None) -> Path:
    """Returns a CPython of exactly `version`, e.g. "3.12.7".

    path: directories to look in; those of PATH if not given.
    home: has .pyenv; the user's if not given.

    Raises ExternalError that names the versions that are there instead.
    """
    found: set[str] = set()
    for its_version, executable in interpreters(version, path, home):
        if its_version == version:
            return executable
        found.add(its_version)
    there = ", ".join(sorted(found, key=_order)) or "none"
    raise ExternalError(
        f"bytecode for Python {version} needs that very version on this machine, which has {there}",
        hint=f"install it, e.g. pyenv install {version}, or change `bytecode`",
    )


def interpreters(
    like: str, path: Sequence[str] | None = None, home: Path | None = None
) -> Iterator[tuple[str, Path]]:
    """Yields (version, executable) of the CPythons that are there, lazily: those `like` a version first."""
    short = ".".join(like.split(".")[:2])
    for candidate in _candidates(short, os.get_exec_path() if path is None else path, home or Path.home()):
        if answer := _ask(candidate):
            yield answer[0], Path(answer[1])


def _candidates(short: str, path: Sequence[str], home: Path) -> Iterator[str]:
    """Yields interpreters that may be of the version: the likely ones first, each once."""
    seen: set[str] = set()
    for each in _places(short, path, home):
        real = os.path.realpath(each)
        if real not in seen and os.access(each, os.X_OK) and not os.path.isdir(each):
            seen.add(real)
            yield each


def _places(short: str, path: Sequence[str], home: Path) -> Iterator[str]:
    yield sys.executable
    for name in (f"python{short}", "python3"):
        for directory in filter(os.path.isabs, path):
            yield os.path.join(directory, name)
    # All of pyenv's, so that an error can name them.
    root = os.environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    yield from sorted(glob.glob(os.path.join(glob.escape(root), "versions/*/bin/python3")))


@functools.cache
def _ask(candidate: str) -> tuple[str, str] | None:
    """Returns version and executable of a CPython, or None if it is none, or does not work.

    pyenv's shims are scripts; the executable is what they lead to.
    """
    try:
        ran = subprocess.run(
            [candidate, "-I", "-S", "-c", _ASK],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    answer = ran.stdout.strip().split(" ", 2)
    if ran.returncode or len(answer) != 3 or answer[0] != "cpython":
        return None
    return answer[1], answer[2]


def _order(version: str) -> list[int]:
    return [int("".join(filter(str.isdigit, part)) or 0) for part in version.split(".")]
