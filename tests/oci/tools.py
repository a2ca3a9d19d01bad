"""Programs that some tests compare us with."""

from __future__ import annotations

import subprocess


def run(*command: str) -> str:
    """Returns what the command prints; fails the test, with its complaint, if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
