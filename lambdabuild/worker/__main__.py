"""python3 worker.pex"""

from __future__ import annotations

import os
import sys

from lambdabuild.errors import LambdaBuildError
from lambdabuild.worker.events import Log
from lambdabuild.worker.main import main


def _write(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


def run() -> int:
    """Returns the exit code."""
    try:
        return main(os.environ, Log(_write))
    except LambdaBuildError as error:
        hint = f"\n  hint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error.message}{hint}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(run())
