"""What a client does that was forked. It imports no more: each client would, and take a second for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path


def main(
    arguments: tuple[str, ...],
    root: Path,
    environ: Mapping[str, str],
    directory: Path,
    before: Callable[[], object] | None,
) -> None:
    """Runs the command line in `root`; what it prints goes to the files out and err of `directory`."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(root)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(directory / name, os.O_WRONLY | os.O_APPEND), number)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if before:
        before()
    from lambdabuild.cli import main as command_line

    command_line(arguments)
