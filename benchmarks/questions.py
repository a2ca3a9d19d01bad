"""Measures query, affected and why on a synthetic monorepo, beside a Bazel that asks the same.

usage: python -m benchmarks.questions [S|M|L]… [--runs N] [--drop-caches] [--markdown FILE]     (default: L)

The workspace has BUILD files of both, with the same targets. Every figure is a
whole process. lambdabuild's cold run is the first one, with --drop-caches (needs
root) after the kernel has forgotten all files; a warm `query` finds that nothing
has changed. Bazel's cold run has to start its server; its warm ones ask it again.
Without a `bazel` in PATH (Debian has 4.2.3: apt-get install bazel-bootstrap),
its columns are empty.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bazel_files import GENERATED, make_bazel_files
from benchmarks.beside import commit, make_repository
from benchmarks.processes import run
from benchmarks.tables import Table
from benchmarks.workload import SIZES, make

LAMBDABUILD = (sys.executable, "-m", "lambdabuild")
IMAGE = "//infra/fn00003:image"
QUERIES = (f"deps({IMAGE})", "rdeps(//..., //pkg0000:pkg0000)")
EDITED = ("pkg0003/pkg0003/m0/f003.py", "infra/fn00003/handler.py")
"""Changed by the last commit, and after it."""

_DROP = Path("/proc/sys/vm/drop_caches")


@dataclass(frozen=True)
class Times:
    """Seconds of the first run, and of those after it; labels: what was printed, without generated files."""

    cold: float
    warm: Sequence[float]
    labels: frozenset[str]

    def cells(self) -> tuple[str, ...]:
        return (f"{self.cold:.2f}", f"{min(self.warm):.2f}", f"{statistics.median(self.warm):.2f}")


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.questions", description=__doc__.splitlines()[0]
    )
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help="S, M or L")
    parser.add_argument("--runs", type=int, default=5, help="warm runs of each")
    parser.add_argument("--drop-caches", action="store_true", help="before each cold run; needs root")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write it there as Markdown as well")
    options = parser.parse_args(arguments)
    if unknown := set(options.sizes) - SIZES.keys():
        parser.error(f"no such size: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="lambdabuild-bench-") as directory:
        tables = [
            Bench(size, Path(directory) / size, options.runs, drop=options.drop_caches).table()
            for size in options.sizes or ["L"]
        ]
    for table in tables:
        print(table.text(), end="\n\n")
    if options.markdown:
        options.markdown.write_text("\n\n".join(table.markdown() for table in tables) + "\n")


class Bench:
    """One workload at `root`, in git, with one file changed since the commit before the last."""

    def __init__(self, size: str, root: Path, runs: int, *, drop: bool) -> None:
        self._size, self._root, self._runs, self._drop = size, root, runs, drop
        self._env = {**os.environ, "XDG_CACHE_HOME": str(root.with_name(f"{size}-cache"))}
        self._bazel = self._found_bazel()
        root.mkdir()
        make(root, SIZES[size])
        make_bazel_files(root, SIZES[size])
        make_repository(self._root)
        self._edit(EDITED[0])
        commit(self._root)

    def table(self) -> Table:
        rows = [self._query(text) for text in QUERIES]
        since = ["affected", "--since", "HEAD~1"]
        rows.append(self._row(" ".join(since), self._times([*LAMBDABUILD, *since], self._env)))
        run([*LAMBDABUILD, "build", IMAGE], self._root, self._env)
        self._edit(EDITED[1])
        rows.append(self._row(f"why {IMAGE}", self._times([*LAMBDABUILD, "why", IMAGE], self._env)))
        head = ("question", "cold s", "best s", "median s", "Bazel cold s", "best s", "median s")
        return Table(f"Questions to workload {self._size} ({self._runs} warm runs)", head, rows)

    def _query(self, text: str) -> tuple[str, ...]:
        ours = self._times([*LAMBDABUILD, "query", text], self._env)
        if not self._bazel:
            return self._row(f"query {text}", ours)
        subprocess.run([*self._bazel, "shutdown"], cwd=self._root, check=True, capture_output=True)
        asked = [*self._bazel, "query", "--noimplicit_deps", "--noshow_progress", text]
        theirs = self._times(asked, os.environ)
        subprocess.run([*self._bazel, "shutdown"], cwd=self._root, check=True, capture_output=True)
        if ours.labels != theirs.labels:
            raise SystemExit(f"Bazel answers otherwise: {sorted(ours.labels ^ theirs.labels)[:10]}")
        return self._row(f"query {text}", ours, theirs)

    def _row(self, what: str, ours: Times, theirs: Times | None = None) -> tuple[str, ...]:
        return (what, *ours.cells(), *(theirs.cells() if theirs else ("", "", "")))

    def _times(self, command: Sequence[str], env: Mapping[str, str]) -> Times:
        if self._drop:
            os.sync()
            _DROP.write_text("3")
        first = run(command, self._root, env)
        warm = [run(command, self._root, env).seconds for _ in range(self._runs)]
        labels = {line for line in first.out.splitlines() if line.startswith("//")}
        return Times(first.seconds, warm, frozenset(line for line in labels if not line.endswith(GENERATED)))

    def _found_bazel(self) -> list[str]:
        bazel = shutil.which("bazel")
        output = self._root.with_name(f"{self._size}-bazel")
        return [bazel, "--nohome_rc", f"--output_user_root={output}"] if bazel else []

    def _edit(self, path: str) -> None:
        file = self._root / path
        file.write_text(f"{file.read_text()}# edited\n")


if __name__ == "__main__":
    main(sys.argv[1:])
