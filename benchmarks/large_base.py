"""What an image on a large external base costs: pinning the base, then building without its layers.

The base is in a registry, and all that is asked of it goes through a relay that
counts. Each run has a workspace and a cache of its own, which never saw the base.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

from benchmarks.processes import run
from benchmarks.relay import Relay
from benchmarks.samples import HANDLER, LAMBDABUILD, Sample, base, environment, median, part, take, write
from benchmarks.tables import Table
from lambdabuild.store.local import remove_tree

RUNS = 3
PARTS = 5
"""Layers of the base."""

MB = 100
"""MB of each layer: random bytes, which nothing compresses."""

_STATED = 'python = "3.12"\nlibc = "glibc 2.34"\n'
_IMAGE = 'lambda_image(name = "fn", base = "@big", srcs = ["handler.py"], handler = "handler.main")\n'


def large_base(here: Path, upstream: str) -> Table:
    """Pushes the base, and returns the figures of pinning it and of building on it."""
    _push_base(here / "base", upstream)
    rows = []
    with Relay(upstream) as relay:
        for what, toml in (("looked for", ""), ("stated", _STATED)):
            runs = [dict(_steps(here / "on_base", relay, toml)) for _ in range(RUNS)]
            for command in runs[0]:
                middle = median([each[command] for each in runs])
                figures = (f"{middle.seconds:.2f}", f"{middle.requests}", f"{middle.received:,}")
                rows.append((command, what, *figures))
    return Table(
        f"An image on a base of {PARTS * MB} MB in a registry (median of {RUNS})",
        ("command", "Python and libc", "seconds", "requests", "bytes fetched"),
        rows,
        left=2,
    )


def _push_base(root: Path, upstream: str) -> None:
    write(root, {"WORKSPACE.toml": "[workspace]\n", "BUILD": base(PARTS)})
    for number in range(PARTS):
        write(root, {f"part{number}/BUILD": part(number), f"part{number}/data": os.urandom(MB * 1_000_000)})
    push = [*LAMBDABUILD, "push", "//:base", "--to", f"{upstream}/big", "--tag", "1"]
    run(push, root, environment(root / "cache"))
    remove_tree(root)


def _steps(root: Path, relay: Relay, stated: str) -> Iterator[tuple[str, Sample]]:
    """Yields command -> figures, of one run after the other in a new workspace."""
    toml = f'[workspace]\n\n[images.big]\nref = "{relay.host}/big/base:1"\n{stated}'
    write(root, {"WORKSPACE.toml": toml, "BUILD": _IMAGE, "handler.py": HANDLER})
    env = environment(root / "cache")
    build = [*LAMBDABUILD, "build", "//:fn"]
    yield "lock", take(relay, lambda: run([*LAMBDABUILD, "lock"], root, env).seconds)
    yield "build, the first", take(relay, lambda: run(build, root, env).seconds)
    write(root, {"handler.py": f"{HANDLER}# {random.random()}\n"})
    yield "build, one line edited", take(relay, lambda: run(build, root, env).seconds)
    remove_tree(root)
