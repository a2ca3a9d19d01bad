"""The shell of a build: one process that gets all commands of all phases, as buildspec 0.2 wants it.

A command that ends the shell itself ("exit 3", or a signal) fails with the shell's status; what comes
after it gets a new shell.
"""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import uuid
from collections.abc import Callable, Iterator


class Shell:
    """Runs commands in the process that `start` gives; lines of output go to `say`, without their ends."""

    def __init__(self, start: Callable[[], subprocess.Popen[str]], say: Callable[[str], None]) -> None:
        self._start = start
        self._say = say
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: str, succeeding: bool) -> int:
        """Returns the command's exit status, 128 + n for signal n.

        succeeding: whether no phase has failed so far (CODEBUILD_BUILD_SUCCEEDING).
        """
        if self._process is None:
            self._process = self._start()
        process = self._process
        mark = f"end of {uuid.uuid4().hex}"
        script = (
            f"export CODEBUILD_BUILD_SUCCEEDING={int(succeeding)}\n"
            f"eval {shlex.quote(command)} </dev/null\n"
            # The empty line ends what the command's last line left open.
            f"printf '\\n%s %s\\n' '{mark}' $?\n"
        )
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(script)
            process.stdin.flush()
        for line in self._lines(process, mark):
            status = line.removeprefix(f"{mark} ")
            if status != line:
                return int(status)
            self._say(line)
        return self._ended(process)

    def close(self) -> None:
        """Lets the shell end."""
        if self._process is not None:
            self._ended(self._process)

    def _lines(self, process: subprocess.Popen[str], mark: str) -> Iterator[str]:
        """Yields lines up to that of the mark, but not the empty one before it."""
        assert process.stdout is not None
        empty = False
        for raw in process.stdout:
            line = raw.rstrip("\n")
            if line.startswith(mark):
                yield line
                return
            if empty:
                yield ""
            empty = not line
            if line:
                yield line

    def _ended(self, process: subprocess.Popen[str]) -> int:
        self._process = None
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        status = process.wait()
        process.stdout.close()
        return 128 - status if status < 0 else status
