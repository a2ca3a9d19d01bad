"""Clients and workers that are not quite as they are: python -P altered.py NAME-OF-A-FUNCTION runs such a worker."""

from __future__ import annotations

import sys
from pathlib import Path

_COMMAND = "version: 0.2\nphases:\n  build:\n    commands:\n      - {python} -P {file} {how}\n"


def hasty() -> None:
    """Lets this process ask AWS again without waiting."""
    from botocore.retries.standard import ExponentialBackoff

    ExponentialBackoff.delay_amount = lambda self, context: 0.0


def newer() -> None:
    """Makes the layers of this process those of a later release."""
    from lambdabuild.tools.layer import LayerTool

    LayerTool.version += 1


def source(how: str) -> dict[str, str]:
    """Returns the source of a project whose workers are altered by the function called `how`."""
    return {
        "type": "NO_SOURCE",
        "buildspec": _COMMAND.format(python=sys.executable, file=Path(__file__), how=how),
    }


if __name__ == "__main__":
    from lambdabuild.worker.__main__ import run

    {each.__name__: each for each in (hasty, newer)}[sys.argv[1]]()
    sys.exit(run())
