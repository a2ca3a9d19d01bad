"""Measures lambdabuild beside tools that people know, in one run, and prints ratios.

usage: python -m benchmarks.run [S|M|L]…     (default: S M)

Every figure is the median of several runs of a whole process with a warm page
cache. Tests never assert times; this is where times live.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.workload import SIZES, make

RUNS = 5
LAMBDABUILD = [sys.executable, "-m", "lambdabuild"]


def main(sizes: Sequence[str]) -> None:
    print(f"{'':34}{'lambdabuild':>12}  {'beside it':>12}  ratio")
    with tempfile.TemporaryDirectory(prefix="lambdabuild-bench-") as directory:
        here = Path(directory)
        compare(
            "--version | python -c pass", [*LAMBDABUILD, "--version"], [sys.executable, "-c", "pass"], here
        )
        for size in sizes:
            bench(size, here / size)


def bench(size: str, root: Path) -> None:
    """Measures one workload: the first hash, the first build, no-ops and one edit."""
    root.mkdir()
    make(root, SIZES[size])
    os.environ["XDG_CACHE_HOME"] = str(root.with_name(f"{size}-cache"))
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "workload"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    status = ["git", "status", "--porcelain"]
    if shutil.which("b3sum"):
        hash_all = ["sh", "-c", "git ls-files -z | xargs -0 b3sum"]
        compare(f"{size}: hash //... | b3sum of all", [*LAMBDABUILD, "hash", "//..."], hash_all, root)
    first = seconds([*LAMBDABUILD, "build", "//..."], root, runs=1)
    print(f"{f'{size}: first build':34}{first:>10.3f} s")
    compare(f"{size}: no-op build //... | git status", [*LAMBDABUILD, "build", "//..."], status, root)
    handler = root / "infra/fn00003/handler.py"

    def edit() -> None:
        handler.write_text(handler.read_text() + f"# {time.time_ns()}\n")

    one = ["build", "//infra/fn00003:image"]
    compare(f"{size}: no-op build of one | git status", [*LAMBDABUILD, *one], status, root)
    compare(f"{size}: one handler edited | git status", [*LAMBDABUILD, *one], status, root, before=edit)


def compare(
    what: str,
    ours: Sequence[str],
    theirs: Sequence[str],
    root: Path,
    *,
    before: Callable[[], None] | None = None,
) -> None:
    """Prints how long `ours` takes beside `theirs`, run in turn."""
    mine, other = seconds(ours, root, before=before), seconds(theirs, root)
    print(f"{what:34}{mine:>10.3f} s  {other:>10.3f} s  {mine / other:.2f}")


def seconds(
    command: Sequence[str], root: Path, *, runs: int = RUNS, before: Callable[[], None] | None = None
) -> float:
    """Returns the median seconds of `command` in `root`; `before` runs first each time, untimed."""
    taken = []
    for _ in range(runs):
        if before:
            before()
        started = time.perf_counter()
        subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main(sys.argv[1:] or ["S", "M"])
