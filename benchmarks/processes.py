"""Runs one command in a process of its own, and says how long it took."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAST_LINES = 20


@dataclass(frozen=True)
class Ran:
    """A command that came to a good end: seconds of the whole process, and what it printed."""

    seconds: float
    out: str


def run(command: Sequence[str | Path], root: Path, env: Mapping[str, str]) -> Ran:
    """Runs `command` in `root` with `env` as its whole environment; a failure ends the benchmark."""
    started = time.perf_counter()
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode:
        lines = (done.stdout + done.stderr).splitlines()[-_LAST_LINES:]
        raise SystemExit("\n".join([f"exit code {done.returncode}: {' '.join(map(str, command))}", *lines]))
    return Ran(seconds, done.stdout)
