"""What stands beside lambdabuild: programs that look at, or read, the same files and do nothing more.

Each has its own way to say that nothing has to be done. A tool that is not
installed is None, and its columns stay empty.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bazel_files import make_bazel_files
from benchmarks.processes import run
from benchmarks.workload import PACKAGES_PER_BASE, Size, make, write

_LSTAT = "import os, sys\nfor path in open(sys.argv[1], 'rb').read().split(b'\\0')[:-1]: os.lstat(path)"
_BLAKE3 = """
import sys
from blake3 import blake3
for path in open(sys.argv[1], "rb").read().split(b"\\0")[:-1]:
    with open(path, "rb") as file:
        blake3(file.read()).hexdigest()
"""
_RULE = "builddir = nout\nrule cat\n  command = cat $in | cksum > $out\n"


@dataclass(frozen=True)
class Beside:
    """A command, with what it is called in the table; `env` is its whole environment."""

    name: str
    command: Sequence[str]
    root: Path
    env: Mapping[str, str]

    def seconds(self) -> float:
        return run(self.command, self.root, self.env).seconds


def make_repository(root: Path) -> Beside:
    """Commits all of a workspace, and returns `git status` of it."""
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    # Packing goes on in the background, under the feet of whatever is measured next.
    subprocess.run(["git", "config", "gc.auto", "0"], cwd=root, check=True)
    commit(root)
    write(root / ".git/info/exclude", "build.ninja\nnout/\n")
    return Beside("git status", ["git", "status", "--porcelain"], root, os.environ)


def commit(root: Path) -> None:
    """Commits all of a workspace."""
    author = ["-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for command in (["add", "-A"], [*author, "commit", "-qm", "workload"]):
        subprocess.run(["git", *command], cwd=root, check=True)


def sources(root: Path, listing: Path) -> int:
    """Writes the paths of all files that targets of a workload name to `listing`; returns their count."""
    found = sorted(
        os.path.relpath(path, root)
        for suffix in ("*.py", "*.json")
        for path in root.rglob(suffix)
        if not {".git", "lambdabuild-out"} & {*path.parts}
    )
    listing.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in found))
    return len(found)


def hasher(root: Path, listing: Path) -> Beside:
    """Returns what reads and hashes the listed files: b3sum, or a loop in Python without it."""
    if shutil.which("b3sum"):
        all_of_them = ["sh", "-c", 'xargs -0 b3sum < "$1"', "sh", str(listing)]
        return Beside("b3sum", all_of_them, root, os.environ)
    loop = [sys.executable, "-c", _BLAKE3, str(listing)]
    return Beside("blake3 in a Python loop (no b3sum)", loop, root, os.environ)


def lstat_loop(root: Path, listing: Path) -> Beside:
    return Beside("lstat loop", [sys.executable, "-c", _LSTAT, str(listing)], root, os.environ)


def ninja(root: Path, size: Size) -> Beside | None:
    """Builds the workload once with ninja, and returns the `ninja -n` that finds nothing to do."""
    program = shutil.which("ninja")
    if program is None:
        return None
    write(root / "build.ninja", "\n".join([_RULE, *_edges(root, size)]))
    run([program], root, os.environ)
    no_op = Beside("ninja -n", [program, "-n"], root, os.environ)
    if "no work to do" not in (told := run(no_op.command, root, os.environ).out):
        raise SystemExit(f"ninja has work to do: {told[-200:]}")
    return no_op


def _edges(root: Path, size: Size) -> list[str]:
    names = [f"pkg{number:04d}" for number in range(size.packages)]
    bases = [names[start : start + PACKAGES_PER_BASE] for start in range(0, len(names), PACKAGES_PER_BASE)]
    edges = []
    for number, members in enumerate(bases):
        files = [path for name in members for path in sorted((root / name).rglob("*.py"))]
        inputs = " ".join(str(path.relative_to(root)) for path in files)
        edges.append(f"build nout/b{number:03d}: cat {inputs}\n")
    for number in range(size.images):
        files = [f"infra/fn{number:05d}/{name}" for name in ("handler.py", "util.py", "config.json")]
        edges.append(f"build nout/fn{number:05d}: cat {' '.join(files)} nout/b{number % len(bases):03d}\n")
    return edges


class Bazel:
    """A workspace of its own with the same files, built once, so that its server is warm.

    first: seconds of that build, with the start of the server.
    """

    def __init__(self, root: Path, size: Size) -> None:
        self.root = root
        root.mkdir()
        make(root, size)
        make_bazel_files(root, size)
        options = ["--noshow_progress", "--spawn_strategy=standalone", "//..."]
        self._start = ["bazel", "--nohome_rc", f"--output_user_root={root}-server"]
        self._build = Beside("warm Bazel", [*self._start, "build", *options], root, os.environ)
        self.first = self._build.seconds()

    def build(self) -> Beside:
        return self._build

    def end(self) -> None:
        """Ends its server."""
        subprocess.run([*self._start, "shutdown"], cwd=self.root, check=True, capture_output=True)
