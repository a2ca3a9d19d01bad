"""A real registry, proxies before it that count, and a workspace with images to push."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oci.registry import real
from tests.oci.registry.proxy import Proxy
from tests.oci.registry.real import RealRegistry
from tests.project import Project

from .pushes import Place

BUILD = """
base_image(name = "base", base = "scratch", srcs = ["blob"])
lambda_image(name = "one", base = ":base", srcs = {"one.py": "one.py"}, handler = "one.main")
lambda_image(name = "two", base = ":base", srcs = {"two.py": "two.py"}, handler = "two.main")
"""
HANDLER = "def main(event, context):\n    return 1\n"
FILES: dict[str, str | bytes] = {
    "BUILD": BUILD,
    "one.py": HANDLER,
    "two.py": HANDLER,
    "blob": random.Random(1).randbytes(300_000),
}


@pytest.fixture(scope="session")
def other_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real.running(tmp_path_factory.mktemp("other")) as running:
        yield running


@pytest.fixture
def gate(registry: RealRegistry) -> Iterator[Proxy]:
    """The way to the registry: counts what is asked, and can be made to fail."""
    with Proxy(registry.host) as proxy:
        yield proxy


@pytest.fixture
def place(gate: Proxy) -> Place:
    """A new prefix in the registry."""
    return Place(gate)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
