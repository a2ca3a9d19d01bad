"""Runs one command in a process of its own, and says how long it took and how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAST_LINES = 20
_UNITS = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss."""


@dataclass(frozen=True)
class Ran:
    """A command that came to a good end.

    seconds: of the whole process.
    out:     what it printed to stdout.
    peak_mb: memory that was resident at most, of it or of a process that it waited for:
             the largest one, so that what they share counts once.
    """

    seconds: float
    out: str
    peak_mb: float


def run(command: Sequence[str | Path], root: Path, env: Mapping[str, str]) -> Ran:
    """Runs `command` in `root` with `env` as its whole environment; a failure ends the benchmark.

    A Python keeps what it has compiled, as everybody's does who has not told it otherwise.
    """
    env = {name: value for name, value in env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = time.perf_counter()
        # wait4 below reaps it, which is the way to learn what this one process has used.
        process = subprocess.Popen(command, cwd=root, env=env, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        told, said = (file.read().decode(errors="replace") for file in (out, err))
    if process.returncode:
        lines = (told + said).splitlines()[-_LAST_LINES:]
        failed = f"exit code {process.returncode}: {' '.join(map(str, command))}"
        raise SystemExit("\n".join([failed, *lines]))
    return Ran(seconds, told, usage.ru_maxrss * _UNITS / 1e6)
