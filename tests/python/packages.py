"""Workspaces of first-party packages: written down briefly, and drawn at random."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from random import Random

from hypothesis import strategies as st

from lambdabuild.python.package_graph import Node, PackageGraph
from lambdabuild.python.project import Project, parse_project

World = Mapping[Node, Sequence[str]]
"""Each node -> its requirements. A package has at least the node without extra."""


def project(name: str, *requires: str, **extras: Sequence[str]) -> Project:
    """Returns the project that lib/<name>/pyproject.toml says; its requirements begin on line 5."""
    lines = ["[project]", f'name = "{name}"', 'version = "1.0"']
    lines += ["dependencies = [", *(f"  {json.dumps(text)}," for text in requires), "]"]
    lines += ["[project.optional-dependencies]"]
    lines += [f"{extra} = {json.dumps(list(texts))}" for extra, texts in extras.items()]
    return parse_project(f"lib/{name}/pyproject.toml", "\n".join(lines).encode())


def graph_of(*projects: Project) -> PackageGraph:
    return PackageGraph({each.name: each for each in projects}.get)


def graph_of_world(world: World) -> PackageGraph:
    return graph_of(
        *(
            project(
                name,
                *world[Node(name, "")],
                **{n.extra: world[n] for n in world if n.package == name and n.extra},
            )
            for name in sorted({node.package for node in world})
        )
    )


# --- strategies --------------------------------------------------------------

NAMES = ("a", "b", "c", "d", "e")
NODES = [Node(name, extra) for name in NAMES for extra in ("", "x", "y")]
_EXTRAS = ((), ("x",), ("y",), ("x", "y"))
_THIRD_PARTY = ("boto3>=1.34", "numpy", "numpy[fast]<3")
_MARKERS = (
    *("", "", "", '; python_version < "3.12"', '; platform_machine == "aarch64"', '; extra == "x"'),
    '; extra == "y" and sys_platform == "linux"',
)


def _world(random: Random, count: int, free: bool) -> World:
    """Returns packages with `count` requirements; unless `free`, they lead down in one order of all nodes."""
    rank = {node: number for number, node in enumerate(random.sample(NODES, len(NODES)))}
    world: dict[Node, list[str]] = {node: [] for node in NODES}
    for _ in range(count):
        node, name, extras = random.choice(NODES), random.choice(NAMES), random.choice(_EXTRAS)
        text = f"{name}[{','.join(extras)}]{random.choice(('', '>=1'))}"
        leads_down = all(rank[Node(name, extra)] < rank[node] for extra in ("", *extras))
        if random.randrange(5) == 0 or not (free or leads_down):
            text = random.choice(_THIRD_PARTY)
        world[node].append(text + random.choice(_MARKERS))
    return world


_randoms = st.integers(0, 1 << 32).map(Random)
_counts = st.integers(0, 30)

acyclic_worlds = st.builds(_world, _randoms, _counts, st.just(value=False))
"""Requirements among five packages with the extras x and y, without cycles. Drawn as a seed, which is quick."""

worlds = st.builds(_world, _randoms, _counts, st.booleans())
"""The same, many with cycles."""

roots = st.lists(st.sampled_from(NODES), min_size=1, max_size=3)
