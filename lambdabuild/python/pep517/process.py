"""Runs a program that can be stopped, with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lambdabuild.errors import ExternalError

_POLL_SECONDS = 0.1


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    output: Path,
    check: Callable[[], None],
    user: int | None = None,
) -> int:
    """Runs a program to its end; returns its exit code, negative for a signal.

    env:    the whole environment.
    output: gets what it prints, both streams, after what is there already. A file,
            not a pipe: nobody waits for a child that keeps it open.
    check:  called every tenth of a second, to stop all by an exception.
    user:   whom it runs as, and as which group, with no further groups; None: as this process.

    The program is in a session and process group of its own, which is killed in
    the end, however that comes. Its umask is 022. Raises ExternalError if it
    cannot be started.
    """
    try:
        with open(output, "ab") as out:
            process = subprocess.Popen(
                arguments,
                cwd=cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o022,
                user=user,
                group=user,
                extra_groups=None if user is None else (),
            )
    except (FileNotFoundError, PermissionError) as error:
        raise ExternalError(f"cannot start {arguments[0]}: {error.strerror}") from error
    try:
        while True:
            try:
                return process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                check()
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: nobody but zombies is left
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
