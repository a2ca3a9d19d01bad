"""Measures pushes beside docker and skopeo, on one registry of this machine.

usage: python -m benchmarks.push [--images N] [--markdown FILE]

One line of a handler is edited on a base of 20 MB; the image is built and pushed
by lambdabuild and by docker, and lambdabuild's layout copied by skopeo. Each
request goes through a relay that counts it, once as it is and once made to wait
for 30 ms. Then many unchanged images are pushed once more.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import run
from benchmarks.relay import Relay
from benchmarks.tables import Table
from lambdabuild.store.local import remove_tree
from tests.oci.registry.real import running

RUNS = 5
LATENCY = 0.030
PARTS = 4
"""Layers of the base, of 5 MB each."""

LAMBDABUILD = [sys.executable, "-m", "lambdabuild"]
HANDLER = "def main(event, context):\n    return {}\n"


@dataclass(frozen=True)
class Sample:
    seconds: float
    requests: int
    sent: int


@dataclass(frozen=True)
class Tool:
    """before: what has to be done first, untimed. commands: what is timed."""

    name: str
    before: Sequence[Sequence[str | Path]]
    commands: Sequence[Sequence[str | Path]]


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.push", description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000, help="unchanged images to push again")
    parser.add_argument("--markdown", metavar="FILE", type=Path, help="write it there as Markdown as well")
    options = parser.parse_args(arguments)
    here = Path(tempfile.mkdtemp(prefix="lambdabuild-bench-"))
    try:
        with running(here / "registry") as registry:
            tables = [edited(here, registry.host), unchanged(here, registry.host, options.images)]
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
    _write(root, {"WORKSPACE.toml": "[workspace]\n", "handler.py": HANDLER})
    _write(root, {f"part{number}/data": noise.randbytes(5_000_000) for number in range(PARTS)})
    _write(root, {f"part{number}/BUILD": _part(number) for number in range(PARTS)})
    parts = ", ".join(f'"//part{number}:files"' for number in range(PARTS))
    image = 'lambda_image(name = "fn", base = ":base", srcs = ["handler.py"], handler = "handler.main")\n'
    _write(root, {"BUILD": f'base_image(name = "base", base = "scratch", srcs = [{parts}])\n{image}'})
    copies = "".join(f"COPY part{number}/data /opt/part{number}/data\n" for number in range(PARTS))
    _write(root, {"Dockerfile": f"FROM scratch\n{copies}COPY handler.py /var/task/handler.py\n"})
    env = _environment(here)
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
    _write(root, {"WORKSPACE.toml": "[workspace]\n", "handler.py": HANDLER})
    _write(root, {"BUILD": f"[{image} for i in range({count})]\n"})
    env = _environment(here)
    rows = []
    for latency in (0.0, LATENCY):
        with Relay(upstream, latency) as relay:
            push = [*LAMBDABUILD, "push", "//...", "--to", f"{relay.host}/many"]
            run(push, root, env)
            for what, command in (("push", push), ("build", [*LAMBDABUILD, "build", "//..."])):
                samples = [_sample(relay, lambda c=command: run(c, root, env).seconds) for _ in range(3)]  # type: ignore[misc]
                rows.append((what, f"{latency * 1000:.0f} ms", *_figures(samples)))
    return Table(
        f"{count} unchanged images, pushed again; and only built again (median of 3)",
        ("command", "latency", "seconds", "requests", "bytes sent"),
        rows,
        left=2,
    )


def _tools(host: str) -> Iterator[Tool]:
    build: list[str | Path] = [*LAMBDABUILD, "build", "//:fn"]
    yield Tool("lambdabuild push", [], [[*LAMBDABUILD, "push", "//:fn", "--to", f"{host}/ours"]])
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
    return _sample(relay, lambda: sum(run(command, root, env).seconds for command in tool.commands))


def _sample(relay: Relay, work: Callable[[], float]) -> Sample:
    relay.reset()
    seconds = work()
    return Sample(seconds, relay.requests, relay.sent)


def _figures(samples: Sequence[Sample]) -> tuple[str, str, str]:
    return (
        f"{statistics.median(each.seconds for each in samples):.2f}",
        f"{statistics.median(each.requests for each in samples):.0f}",
        f"{statistics.median(each.sent for each in samples):,.0f}",
    )


def _part(number: int) -> str:
    grant = 'visibility = ["//visibility:public"]'
    return f'files(name = "files", srcs = ["data"], dest = "opt/part{number}", {grant})\n'


def _environment(here: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAMBDABUILD_")}
    return kept | {"XDG_CACHE_HOME": str(here / "cache"), "PYTHONPATH": str(Path.cwd())}


def _write(root: Path, files: Mapping[str, str | bytes]) -> None:
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)


if __name__ == "__main__":
    main(sys.argv[1:])
