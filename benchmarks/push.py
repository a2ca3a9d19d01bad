"""Measures pushes beside docker and skopeo, on one registry of this machine.

usage: python -m benchmarks.push [--only TABLE]… [--images N] [--markdown FILE]

One line of a handler is edited on a base of 20 MB; the image is built and pushed
by lambdabuild and by docker, and lambdabuild's layout copied by skopeo. Each
request goes through a relay that counts it, once as it is and once made to wait
for 30 ms. Then many unchanged images are pushed once more, an image is built on
a large base in that registry, and a layer is compressed in two ways.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.compression import compression
from benchmarks.large_base import large_base
from benchmarks.processes import run
from benchmarks.relay import Relay
from benchmarks.samples import HANDLER, LAMBDABUILD, Sample, base, environment, median, part, take, write
from benchmarks.tables import Table
from lambdabuild.store.local import remove_tree
from tests.oci.registry.real import running

RUNS = 5
LATENCY = 0.030
PARTS = 4
"""Layers of the base, of 5 MB each."""

TABLES = ("edited", "unchanged", "large-base", "compression")
WITH_ZLIB = [sys.executable, "-m", "benchmarks.with_zlib"]


@dataclass(frozen=True)
class Tool:
    """before: what has to be done first, untimed. commands: what is timed."""

    name: str
    before: Sequence[Sequence[str | Path]]
    commands: Sequence[Sequence[str | Path]]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.push", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=TABLES, help="this table; repeatable")
    parser.add_argument("--images", type=int, default=1000, help="unchanged images to push again")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write it there as Markdown as well")
    options = parser.parse_args(arguments)
    here = Path(tempfile.mkdtemp(prefix="lambdabuild-bench-"))
    try:
        with running(here / "registry") as registry:
            makers: Mapping[str, Callable[[], Table]] = {
                "edited": partial(edited, here, registry.host),
                "unchanged": partial(unchanged, here, registry.host, options.images),
                "large-base": partial(large_base, here, registry.host),
                "compression": partial(compression, here),
            }
            tables = [makers[name]() for name in options.only or TABLES]
    finally:
        remove_tree(here)
    note = f"{os.cpu_count()} cores, {platform.machine()}, CPython {platform.python_version()}"
    print("\n\n".join([*(table.text() for table in tables), note]))
    if options.markdown:
        options.markdown.write_text("\n\n".join([*(t.markdown() for t in tables), f"* {note}"]) + "\n")


def edited(here: Path, upstream: str) -> Table:
    """Returns what one edited line of a handler costs each tool."""
    root = here / "edited"
    noise = random.Random(1)
    write(root, {"WORKSPACE.toml": "[workspace]\n", "handler.py": HANDLER})
    write(root, {f"part{number}/data": noise.randbytes(5_000_000) for number in range(PARTS)})
    write(root, {f"part{number}/BUILD": part(number) for number in range(PARTS)})
    image = 'lambda_image(name = "fn", base = ":base", srcs = ["handler.py"], handler = "handler.main")\n'
    write(root, {"BUILD": base(PARTS) + image})
    copies = "".join(f"COPY part{number}/data /opt/part{number}/data\n" for number in range(PARTS))
    write(root, {"Dockerfile": f"FROM scratch\n{copies}COPY handler.py /var/task/handler.py\n"})
    env = environment(here / "cache")
    rows = []
    for latency in (0.0, LATENCY):
        with Relay(upstream, latency) as relay:
            for tool in _tools(relay.host):
                samples = [_edit_and_push(root, env, relay, tool) for _ in range(RUNS + 1)][1:]
                rows.append((tool.name, f"{latency * 1000:.0f} ms", *_figures(samples)))
    return Table(
        f"One line of a handler edited, on a base of {PARTS * 5} MB (median of {RUNS})",
        ("tool", "latency", "seconds", "requests", "bytes sent"),
        rows,
        left=2,
    )


def unchanged(here: Path, upstream: str, count: int) -> Table:
    """Returns what it costs to push many images that are all there."""
    root = here / "unchanged"
    image = 'lambda_image(name = "fn%d" % i, base = "scratch", srcs = ["handler.py"], env = {"N": str(i)})'
    write(root, {"WORKSPACE.toml": "[workspace]\n", "handler.py": HANDLER})
    write(root, {"BUILD": f"[{image} for i in range({count})]\n"})
    env = environment(here / "cache")
    rows = []
    for latency in (0.0, LATENCY):
        with Relay(upstream, latency) as relay:
            push = [*LAMBDABUILD, "push", "//...", "--to", f"{relay.host}/many"]
            run(push, root, env)
            for what, command in (("push", push), ("build", [*LAMBDABUILD, "build", "//..."])):
                samples = [take(relay, lambda c=command: run(c, root, env).seconds) for _ in range(3)]  # type: ignore[misc]
                rows.append((what, f"{latency * 1000:.0f} ms", *_figures(samples)))
    return Table(
        f"{count} unchanged images, pushed again; and only built again (median of 3)",
        ("command", "latency", "seconds", "requests", "bytes sent"),
        rows,
        left=2,
    )


def _tools(host: str) -> Iterator[Tool]:
    build: list[str | Path] = [*LAMBDABUILD, "build", "//:fn"]
    push = ["push", "//:fn", "--to", f"{host}/ours"]
    yield Tool("lambdabuild push", [], [[*LAMBDABUILD, *push]])
    yield Tool("lambdabuild push, with zlib", [], [[*WITH_ZLIB, *push]])
    if shutil.which("skopeo"):
        copy = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"]
        yield Tool(
            "skopeo copy, built before",
            [build],
            [[*copy, "oci:lambdabuild-out/fn", f"docker://{host}/skopeo"]],
        )
    if shutil.which("docker"):
        tag = f"{host}/docker/fn:latest"
        commands = [["docker", "build", "--quiet", "--tag", tag, "."], ["docker", "push", "--quiet", tag]]
        yield Tool("docker build && docker push", [], commands)


def _edit_and_push(root: Path, env: Mapping[str, str], relay: Relay, tool: Tool) -> Sample:
    handler = root / "handler.py"
    handler.write_text(f"{HANDLER}# {random.random()}\n")
    for command in tool.before:
        run(command, root, env)
    return take(relay, lambda: sum(run(command, root, env).seconds for command in tool.commands))


def _figures(samples: Sequence[Sample]) -> tuple[str, str, str]:
    middle = median(samples)
    return f"{middle.seconds:.2f}", f"{middle.requests}", f"{middle.sent:,}"


if __name__ == "__main__":
    main(sys.argv[1:])
