"""What the benchmarks of registries share: a workspace's files, a run's figures, and their medians."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.relay import Relay

LAMBDABUILD = [sys.executable, "-m", "lambdabuild"]
HANDLER = "def main(event, context):\n    return {}\n"


@dataclass(frozen=True)
class Sample:
    """One run: its seconds, and what went through the relay meanwhile.

    sent:     bytes of the bodies of requests.
    received: bytes of answers, heads included.
    """

    seconds: float
    requests: int
    sent: int
    received: int


def take(relay: Relay, work: Callable[[], float]) -> Sample:
    """Returns the figures of `work`, which gives its seconds."""
    relay.reset()
    seconds = work()
    return Sample(seconds, relay.requests, relay.sent, relay.received)


def median(samples: Sequence[Sample]) -> Sample:
    """Returns the median of each figure."""
    return Sample(
        statistics.median(each.seconds for each in samples),
        round(statistics.median(each.requests for each in samples)),
        round(statistics.median(each.sent for each in samples)),
        round(statistics.median(each.received for each in samples)),
    )


def environment(cache: Path) -> dict[str, str]:
    """Returns this process's environment without lambdabuild's variables, and with a cache of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAMBDABUILD_")}
    return kept | {"XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(Path.cwd())}


def write(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Writes files, path -> content, and the directories that they need."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)


def part(number: int) -> str:
    """Returns the BUILD file of one layer of a base, which holds the file `data`."""
    grant = 'visibility = ["//visibility:public"]'
    return f'files(name = "files", srcs = ["data"], dest = "opt/part{number}", {grant})\n'


def base(count: int) -> str:
    """Returns the target //:base on `count` parts."""
    parts = ", ".join(f'"//part{number}:files"' for number in range(count))
    return f'base_image(name = "base", base = "scratch", srcs = [{parts}])\n'
