"""`lambdabuild hash //...`, with a clock around all that comes after evaluation until the hashes are known.

usage: python timed_hash.py FILE     (in a workspace; writes the seconds to FILE)

That is: finding the sources of the graph, reading and hashing them, the keys of
all actions and targets, and keeping the digests of the sources. Absent: the start
of Python, evaluation, printing, and the answer that is kept.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from lambdabuild.cli import main
from lambdabuild.session import Session


def measure(result: Path) -> None:
    keys = Session.keys

    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        found = keys(*arguments, **options)
        result.write_text(str(time.perf_counter() - started))
        return found

    Session.keys = timed  # type: ignore[method-assign]
    main(["hash", "//..."])


if __name__ == "__main__":
    measure(Path(sys.argv[1]))
