"""Measures lambdabuild beside tools that people know, in one run, and prints ratios and budgets.

usage: python -m benchmarks.run [S|M|L]… [--runs N] [--without bazel|ninja]… [--markdown FILE]
                                                                                (default: S M L)

Every figure is the median of several whole processes with a warm page cache;
those that are compared take turns. Tests never assert times; this is where times
live.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import beside, rows, timed_hash
from benchmarks.beside import Bazel, Beside
from benchmarks.processes import Ran, run
from benchmarks.rows import Limit, Row, in_turn
from benchmarks.tables import Table
from benchmarks.workload import SIZES, Size, make

RUNS = 5
PROGRAM = str(Path(sys.executable).with_name("lambdabuild"))
IMAGE = "//infra/fn00003:image"
EDITS = {
    "one handler edited": ("infra/fn00003/handler.py", "infra/fn00003/handler.py"),
    "one package file edited": ("pkg0003/pkg0003/m0/f003.py", "pkg0003/pkg0003/m0/f003.py"),
    "one BUILD file edited": ("infra/fn00003/BUILD", "infra/fn00003/BUILD.bazel"),
}
"""What is edited for lambdabuild, and for Bazel: a comment is added."""

HANDLER = {"M": rows.more(0.150), "L": rows.more(0.300)}
MEMORY = {"M": rows.within(150, "MB"), "L": rows.within(600, "MB")}
_BAZEL_TAKES_MINUTES = frozenset({"L"})
_SETTLING = 0.05
"""Seconds after which what was written is older than a file system's clock can blur."""


def main(arguments: Sequence[str]) -> None:
    options = _options(arguments)
    sizes = options.sizes or [*SIZES]
    figures: dict[str, Mapping[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="lambdabuild-bench-") as directory:
        here = Path(directory)
        tables = [start_up(here, options.runs)]
        print(tables[0].text(), end="\n\n", flush=True)
        for size in sizes:
            bench = Bench(size, SIZES[size], here, options.runs, frozenset(options.without))
            try:
                tables.append(bench.table())
            finally:
                bench.end()
            figures[size] = bench.figures
            print(tables[-1].text(), end="\n\n", flush=True)
    if len(sizes) > 1:
        tables.append(rows.growth(figures))
        print(tables[-1].text())
    if options.markdown:
        options.markdown.write_text("\n\n".join(table.markdown() for table in tables) + "\n")


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__.splitlines()[0])
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help=f"of {', '.join(SIZES)}")
    parser.add_argument("--runs", type=int, default=RUNS, help="of which the median is taken")
    parser.add_argument(
        "--without", action="append", default=[], choices=("bazel", "ninja"), help="leave out"
    )
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write it there as Markdown as well")
    options = parser.parse_args(arguments)
    if unknown := set(options.sizes) - SIZES.keys():
        parser.error(f"no such size: {', '.join(sorted(unknown))}")
    if options.runs < 1:
        parser.error("--runs has to be at least 1")
    return options


def start_up(here: Path, runs: int) -> Table:
    """Returns what a start costs that does nothing. Cheap, so measured more often."""
    commands = {
        "lambdabuild --version": [PROGRAM, "--version"],
        "python -m lambdabuild --version": [sys.executable, "-m", "lambdabuild", "--version"],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    contestants = {
        name: Beside(name, command, here, os.environ).seconds for name, command in commands.items()
    }
    found = in_turn(4 * runs, contestants)
    theirs = found.pop("python -c pass")
    made = [Row(name, ours, "python -c pass", theirs, rows.at_most(2)) for name, ours in found.items()]
    return rows.table(f"Start (median of {4 * runs})", made)


class Bench:
    """One workload in a git repository, with what stands beside it.

    figures: what was measured of lambdabuild, for the table of growth.
    """

    def __init__(self, name: str, size: Size, here: Path, runs: int, without: frozenset[str]) -> None:
        self._name, self._runs = name, runs
        self._root, self._cache = here / name, here / f"{name}-cache"
        self._env = {**os.environ, "XDG_CACHE_HOME": str(self._cache)}
        self._peaks: dict[str, float] = {}
        self._edits = 0
        self._root.mkdir()
        make(self._root, size)
        self._git = beside.make_repository(self._root)
        self._listing = here / f"{name}-files"
        self.figures: dict[str, float] = {"files": beside.sources(self._root, self._listing)}
        self._ninja = None if "ninja" in without else beside.ninja(self._root, size)
        wants_bazel = shutil.which("bazel") and "bazel" not in without and name not in _BAZEL_TAKES_MINUTES
        self._bazel = Bazel(here / f"{name}-bazel", size) if wants_bazel else None

    def end(self) -> None:
        """Ends servers, and makes room for the next size."""
        if self._bazel:
            self._bazel.end()
            shutil.rmtree(self._bazel.root)
        for directory in (self._root, self._cache):
            shutil.rmtree(directory, ignore_errors=True)

    def table(self) -> Table:
        """Measures everything, the first things first."""
        measured = [*self._first_hash(), self._first_build(), *self._no_ops()]
        measured += [row for what in EDITS for row in self._edited(what)]
        measured += [self._peak(what, peak) for what, peak in self._peaks.items()]
        title = f"Workload {self._name}: {self.figures['files']:,.0f} files (median of {self._runs})"
        return rows.table(title, measured)

    def _first_hash(self) -> list[Row]:
        theirs = beside.hasher(self._root, self._listing)
        contestants = {
            "all": lambda: self._without_cache("first hash", "hash", "//..."),
            "hashing": self._hashing,
            "theirs": theirs.seconds,
        }
        theirs.seconds()
        found = in_turn(self._runs, contestants)
        limit = rows.at_most(2) if self._name in MEMORY else None
        name, seconds = theirs.name, found["theirs"]
        return [
            self._row("first hash, evaluation not counted", found["hashing"], name, seconds, limit),
            self._row("first hash, whole process", found["all"], name, seconds),
        ]

    def _hashing(self) -> float:
        """Returns the seconds of one first hash in which sources are read and hashed, and keys made."""
        shutil.rmtree(self._cache, ignore_errors=True)
        result = self._cache.with_suffix(".seconds")
        run([sys.executable, timed_hash.__file__, result], self._root, self._env)
        return float(result.read_text())

    def _first_build(self) -> Row:
        """Measured once: it takes long, and is no ratio that anybody waits for twice."""
        seconds = self._without_cache("first build", "build", "//...")
        bazel = self._bazel
        return self._row(
            "first build (once)", seconds, "first Bazel" if bazel else "", bazel.first if bazel else None
        )

    def _no_ops(self) -> list[Row]:
        contestants = {
            "everything": lambda: self._seconds("no-op", "build", "//..."),
            "one": lambda: self._seconds("no-op of one", "build", IMAGE),
            "git": self._git.seconds,
            "lstat": beside.lstat_loop(self._root, self._listing).seconds,
        }
        if self._ninja:
            contestants["ninja"] = self._ninja.seconds
        if self._bazel:
            contestants["bazel"] = self._bazel.build().seconds
        self._settle(["build", "//..."], ["build", IMAGE])
        in_turn(1, contestants)
        found = in_turn(self._runs, contestants)
        what, ours = "no-op build //...", found["everything"]
        limit = rows.at_most(1.5) if self._name in MEMORY else None
        made = [self._row(what, ours, "git status", found["git"], limit)]
        others = {"ninja": "ninja -n", "lstat": "lstat loop", "bazel": "warm Bazel"}
        limits = {"bazel": rows.faster(4)} if self._name == "M" else {}
        made += [
            self._row(what, ours, name, found[key], limits.get(key))
            for key, name in others.items()
            if key in found
        ]
        return [*made, self._row(f"no-op build {IMAGE}", found["one"], "git status", found["git"])]

    def _edited(self, what: str) -> list[Row]:
        """Edits a file and builds everything, in turn with a build that has nothing to do."""
        ours, theirs = EDITS[what]
        contestants = {
            "edited": lambda: self._after_edit(self._root / ours, what),
            "no-op": lambda: self._settled(["build", "//..."]),
        }
        if self._bazel:
            bazel, file = self._bazel, self._bazel.root / theirs
            contestants["bazel"] = lambda: self._bazel_after_edit(bazel, file)
        found = in_turn(self._runs, contestants)
        limit = HANDLER.get(self._name) if what == "one handler edited" else None
        made = [self._row(f"{what}, build //...", found["edited"], "no-op", found["no-op"], limit)]
        if self._bazel:
            made.append(self._row(f"{what}, build //...", found["edited"], "Bazel", found["bazel"]))
        return made

    def _after_edit(self, file: Path, what: str) -> float:
        self._edit(file)
        return self._seconds(what, "build", "//...")

    def _bazel_after_edit(self, bazel: Bazel, file: Path) -> float:
        self._edit(file)
        return bazel.build().seconds()

    def _edit(self, file: Path) -> None:
        self._edits += 1
        with file.open("a") as text:
            text.write(f"# {self._edits}\n")
        time.sleep(_SETTLING)

    def _settled(self, *commands: Sequence[str]) -> float:
        """Returns the seconds of the last command, once the answers to all hold."""
        self._settle(*commands)
        return self._seconds("no-op", *commands[-1])

    def _settle(self, *commands: Sequence[str]) -> None:
        for command in commands:
            time.sleep(_SETTLING)
            self._lambdabuild(*command)

    def _without_cache(self, what: str, *command: str) -> float:
        shutil.rmtree(self._cache, ignore_errors=True)
        return self._seconds(what, *command)

    def _seconds(self, what: str, *command: str) -> float:
        ran = self._lambdabuild(*command)
        self._peaks[what] = max(ran.peak_mb, self._peaks.get(what, 0.0))
        return ran.seconds

    def _lambdabuild(self, *command: str) -> Ran:
        return run([PROGRAM, *command], self._root, self._env)

    def _row(
        self, what: str, ours: float, name: str, theirs: float | None = None, limit: Limit | None = None
    ) -> Row:
        self.figures[what] = ours
        return Row(what, ours, name, theirs, limit)

    def _peak(self, what: str, peak: float) -> Row:
        name = f"peak MB, {what}"
        self.figures[name] = peak
        return Row(name, peak, limit=MEMORY.get(self._name), digits=1)


if __name__ == "__main__":
    main(sys.argv[1:])
