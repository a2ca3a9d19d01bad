"""Measures layers of Python packages beside pip and uv, in one run, and cold starts of handlers.

usage: python -m benchmarks.packages [--only {layers,cold-start}] [--runner NAME] [--markdown FILE]

The caches of all three tools are temporary: cold is cold, but for what the
package index keeps. lambdabuild goes first, so that this never favours it.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cold_start import cold_starts
from benchmarks.contestants import LambdaBuild, Pip, Sample, Uv
from benchmarks.package_workspace import PLATFORM, PYTHON, VERSIONS, Workspace
from benchmarks.processes import run
from benchmarks.tables import Table
from lambdabuild import __version__
from lambdabuild.store.local import remove_tree

RUNS = len(VERSIONS) - 1


@dataclass(frozen=True)
class Line:
    """The runs of one tool in one scenario."""

    scenario: str
    tool: str
    samples: Sequence[Sample]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.packages", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--only", choices=["layers", "cold-start"], help="one half of it")
    parser.add_argument("--runner", metavar="NAME", help="what starts images: bwrap, runc or chroot")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write it there as Markdown as well")
    options = parser.parse_args(arguments)
    here = Path(tempfile.mkdtemp(prefix="lambdabuild-bench-"))
    try:
        tables, notes = (
            [],
            [f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"],
        )
        if options.only != "cold-start":
            table, more = layers(here)
            tables.append(table)
            notes += more
        if options.only != "layers":
            _say("cold starts")
            tables.append(cold_starts(here, _environment(), options.runner))
    finally:
        remove_tree(here)
    print("\n\n".join([*(table.text() for table in tables), "\n".join(notes)]))
    if options.markdown:
        listing = "\n".join(f"* {note}" for note in notes)
        options.markdown.write_text("\n\n".join([*(table.markdown() for table in tables), listing]) + "\n")


def layers(here: Path) -> tuple[Table, list[str]]:
    """Returns the figures of all scenarios, and what else is worth knowing of them."""
    env = _environment()
    _say("pip and uv, in an environment of their own")
    python = _peers_python(here / "venv", env)
    workspace = Workspace(here / "workspace")
    ours = LambdaBuild(workspace, here, env)
    pip, uv = Pip(workspace, here / "pip", env, python), Uv(workspace, here / "uv", env, python)
    _say("lambdabuild lock")
    locking = [ours.lock()]
    tools = {ours.name: ours.build, pip.name: pip.install_all, uv.name: uv.install_all}
    lines = _scenario("cold", tools, runs=1)
    lines += _scenario("warm", {**tools, ours.name: ours.build_without_outputs})
    lines += _scenario("nothing to do", {ours.name: ours.build})
    versions = iter(VERSIONS[1:])

    def bump() -> None:
        workspace.require(next(versions))
        locking.append(ours.lock())

    lines += _scenario("one version bumped", tools, before_all=bump)
    alone = {"uv, receipts over the rest": uv.install_package, "uv, receipts apart": uv.install_package_apart}
    lines += _scenario("one line edited", {**tools, **alone}, before_each=workspace.edit)
    workspace.edit()
    first, later = locking[0], statistics.median(locking[1:])
    parts = ", ".join(f"{what} {seconds:.2f}" for what, seconds in ours.build_in_parts().items())
    return _table(lines), [
        f"lambdabuild {__version__}, {', '.join(_versions(python, env))}",
        f"for {PLATFORM}, Python {PYTHON}: receipts (first-party), {', '.join(workspace.pins())}",
        f"`lambdabuild lock`, not in the figures: {first:.1f} s at first, {later:.1f} s for a bump",
        f"where the seconds of an edit go: {parts}",
    ]


def _scenario(
    name: str,
    tools: Mapping[str, Callable[[], Sample]],
    *,
    runs: int = RUNS,
    before_all: Callable[[], None] = lambda: None,
    before_each: Callable[[], None] = lambda: None,
) -> list[Line]:
    """Runs each tool in turn, `runs` times; what comes before all of them, or each, is not timed."""
    samples: dict[str, list[Sample]] = {tool: [] for tool in tools}
    for number in range(runs):
        _say(f"{name}, {number + 1} of {runs}")
        before_all()
        for tool, measured in tools.items():
            before_each()
            samples[tool].append(measured())
    return [Line(name, tool, taken) for tool, taken in samples.items()]


def _table(lines: Sequence[Line]) -> Table:
    head = ("scenario", "tool", "best s", "median s", "tar, gzip s", "of uv", "bytes of new layers")
    uv = {line.scenario: _median(line) for line in lines if line.tool == Uv.name}
    rows = []
    for line in lines:
        archiving = statistics.median(sample.archiving for sample in line.samples)
        rows.append(
            (
                line.scenario,
                line.tool,
                f"{min(sample.seconds for sample in line.samples):.2f}",
                f"{_median(line):.2f}",
                f"{archiving:.2f}" if archiving else "",
                f"{_median(line) / uv[line.scenario]:.2f}" if line.scenario in uv else "",
                f"{max(sample.size for sample in line.samples):,}",
            )
        )
    return Table(f"Layers of Python packages (cold once, the others {RUNS} times)", head, rows, left=2)


def _median(line: Line) -> float:
    return statistics.median(sample.seconds for sample in line.samples)


def _peers_python(directory: Path, env: Mapping[str, str]) -> Path:
    """Returns the interpreter of a new virtual environment that has uv and the newest pip."""
    venv.create(directory, with_pip=True)
    python = directory / "bin" / "python"
    install = ("-m", "pip", "install", "--quiet", "--upgrade", "pip", "uv")
    run((python, *install), directory, env)
    return python


def _versions(python: Path, env: Mapping[str, str]) -> Iterator[str]:
    for name in ("pip", "uv"):
        yield " ".join(run((python.with_name(name), "--version"), python.parent, env).out.split()[:2])
    for name in ("tar", "gzip"):
        said = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
        yield f"{name} {said.splitlines()[0].split()[-1]}"


def _environment() -> dict[str, str]:
    """Returns this process's environment without what would lead to other caches and interpreters."""
    own = ("LAMBDABUILD_", "PEX_", "PYTHON", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


def _say(text: str) -> None:
    print(f"… {text}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
