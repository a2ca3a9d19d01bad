"""Published wheels, each fetched once a process from the index that this machine is set up for."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from lambdabuild.errors import ExternalError
from lambdabuild.python.index import Index, config_files, read_settings
from tests.python.faulty_index import never
from tests.require import unavailable


class Published(NamedTuple):
    project: str
    version: str
    filename: str
    size: int
    sha256: str


SIX = Published(
    "six",
    "1.17.0",
    "six-1.17.0-py2.py3-none-any.whl",
    11050,
    "4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274",
)

MARKUPSAFE = Published(
    "MarkupSafe",
    "3.0.2",
    "MarkupSafe-3.0.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    23120,
    "a123e330ef0853c6e822384873bef7507557d8e4a082961e1defa947aa59ba84",
)


def real_wheel(published: Published) -> Path:
    """Returns the wheel; skips where pip cannot get it either."""
    outcome = _outcome(published)
    if isinstance(outcome, str):
        unavailable(outcome)
    return outcome


@functools.cache
def _outcome(published: Published) -> Path | str:
    directory = Path(tempfile.mkdtemp(prefix="wheels-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    home, prefix = Path.home(), Path(sys.prefix)
    settings = read_settings(os.environ, home, config_files(os.environ, home, prefix))
    target = directory / published.filename
    try:
        Index(replace(settings, retries=1)).fetch(published.project, *published[2:], target, never)
    except ExternalError as error:
        if _pip_gets(published, directory):
            raise
        return f"needs a package index that has {published.filename}: {error.message}"
    return target


def _pip_gets(published: Published, directory: Path) -> bool:
    """Whether the fault is ours. `--platform` wants a wheel that need not fit this machine."""
    command = (
        "-m pip download --quiet --retries 1 --no-deps --only-binary=:all: --platform manylinux2014_x86_64"
    )
    target = ["--python-version", "3.11", "--dest", str(directory / "pip")]
    wanted = f"{published.project}=={published.version}"
    return subprocess.run([sys.executable, *command.split(), *target, wanted], check=False).returncode == 0
