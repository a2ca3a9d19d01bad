"""Measures what builds on CodeBuild send: a replay of generated commits, against the stand-in of the tests.

usage: python -m benchmarks.replay [--size S|M|L] [--commits N] [--markdown FILE]

Every commit is built with `--executor codebuild` by a client of its own process
with a warm cache, as a developer's is; the stand-in runs the real worker. Bytes
and requests are counted at the proxies, of that client alone. "Now and then",
after the first build and after the last, somebody builds with an empty cache.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.commits import History
from benchmarks.sent import Sent, take
from benchmarks.tables import Table
from benchmarks.workload import SIZES, Size, make
from benchmarks.zips import zip_size
from tests.cloud.aws import Cloud
from tests.cloud.remote import Team, set_up

FILES_LIMIT = 1.25
BUILD_LIMIT, PACKAGE_LIMIT, ACTION_LIMIT = 4096, 1536, 250
FIRST_LIMIT, FRESH_LIMIT = 60, 20
IMAGES = 10

Row = tuple[str, str, str]


@dataclass
class Replay:
    """What the commits came to.

    builds:   how many commits had something to build.
    packages: changed ones, over all commits; zipped: bytes of one zip a dirty image.
    """

    total: Sent = field(default_factory=Sent)
    builds: int = 0
    packages: int = 0
    changed: int = 0
    zipped: int = 0
    kinds: dict[str, int] = field(default_factory=dict)

    @property
    def allowed(self) -> int:
        """Bytes that all but files may take."""
        parts = self.builds * BUILD_LIMIT, self.packages * PACKAGE_LIMIT, self.total.actions * ACTION_LIMIT
        return sum(parts)


class Bench:
    """A workspace of a size, its history, and a cloud to build it in."""

    def __init__(self, cloud: Cloud, directory: Path, size: Size) -> None:
        make(directory / "w", size)
        self.cloud, self.place = cloud, set_up(cloud)
        self.team = Team(cloud, self.place, directory / "w", directory / "caches", {})
        self.history = History(directory / "w", size)
        self._there: set[str] = set()

    def build(self, *patterns: str, client: str = "alice") -> tuple[Mapping[str, Any], Sent]:
        """Returns what a build answered, and what the client has sent for it."""
        ran = self.team.build(*(patterns or ("//...",)), client=client)
        if ran.code:
            raise SystemExit(ran.err)
        return ran.json, take(self.cloud, self.place, client, self.history.contents, self._there)

    def replay(self, commits: int) -> Replay:
        done = Replay()
        for number in range(1, commits + 1):
            commit = self.history.commit()
            report, sent = self.build()
            done.total += sent
            done.builds += bool(sent.actions)
            done.packages += commit.packages
            done.changed += sum(commit.new.values())
            done.zipped += sum(map(self._zipped, _dirty_images(report)))
            done.kinds[commit.kind] = done.kinds.get(commit.kind, 0) + 1
            print(f"commit {number} of {commits}: {commit.kind}, {sent}", file=sys.stderr, flush=True)
        return done

    def one_base(self) -> int:
        """Returns how many builds are started for ten dirty images on one dirty base."""
        labels = self.history.edit_base(0, IMAGES)
        with self.team.builds_started() as count:
            report, _ = self.build(*labels)
        assert len(_dirty_images(report)) == IMAGES
        return count[0]

    def _zipped(self, label: str) -> int:
        root = self.team.root
        return zip_size((str(path.relative_to(root)), path) for path in self.history.image_files(label))


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="M", help="of the workspace")
    parser.add_argument("--commits", type=int, default=200)
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write it there as Markdown as well")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lambdabuild-bench-") as directory, Cloud() as cloud:
        bench = Bench(cloud, Path(directory), SIZES[options.size])
        _, first = bench.build()
        _, fresh = bench.build(client="bob")
        replayed = bench.replay(options.commits)
        _, later = bench.build(client="carol")
        started = bench.one_base()
    title = f"Builds on CodeBuild: workload {options.size}, {options.commits} commits"
    requests = [
        ("requests that write, first upload of all", f"{first.writes}", f"{FIRST_LIMIT}"),
        *_fresh_rows("after it", fresh),
        *_fresh_rows("after the commits", later),
        (f"builds started for {IMAGES} dirty images on one dirty base", f"{started}", "1"),
    ]
    table = Table(title, ("what", "measured", "limit"), [*byte_rows(replayed), *requests])
    print(table.text())
    if options.markdown:
        options.markdown.write_text(table.markdown() + "\n")


def byte_rows(done: Replay) -> Iterable[Row]:
    """Returns the rows of bytes, with their limits."""
    total = done.total
    yield "bytes of file blobs", f"{total.files:,}", f"{FILES_LIMIT * done.changed:,.0f}"
    yield "… to changed blobs, zlib 6 one by one", f"{_ratio(total.files, done.changed)}", f"{FILES_LIMIT}"
    yield "bytes of all else", f"{total.overhead:,}", f"{done.allowed:,}"
    for name in ("directories", "orders", "index", "leases"):
        yield f"… {name}", f"{getattr(total, name):,}", ""
    counts = f"{done.builds} builds, {done.packages} changed packages, {total.actions} dirty actions"
    yield "… for", counts, ""
    yield "one zip a dirty image, bytes", f"{done.zipped:,}", ""
    yield "… to all bytes sent", f"{_ratio(done.zipped, total.files + total.overhead)}", ""


def _fresh_rows(when: str, sent: Sent) -> list[Row]:
    return [
        (f"requests of an empty cache, {when}", f"{sent.requests}", f"{FRESH_LIMIT}"),
        (f"… that write, {when}", f"{sent.writes}", "0"),
    ]


def _dirty_images(report: Mapping[str, Any]) -> list[str]:
    """Returns the labels of the functions that were built."""
    return [
        each["label"]
        for each in report["targets"]
        if each["status"] == "built" and each["label"].startswith("//infra/")
    ]


def _ratio(one: int, other: int) -> str:
    return f"{one / other:.2f}" if other else "-"


if __name__ == "__main__":
    main(sys.argv[1:])
