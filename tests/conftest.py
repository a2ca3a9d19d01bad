"""Settings that all tests share.

LAMBDABUILD_TEST_REQUIRE=all turns a skip for want of a program into a failure.
HYPOTHESIS_PROFILE=long looks further than CI does, and =brief less far, for a second Python.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.cloud.aws import Cloud
    from tests.oci.registry.real import RealRegistry

settings.register_profile(
    "default",
    derandomize=True,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long", parent=settings.get_profile("default"), derandomize=False, max_examples=2000
)
settings.register_profile("brief", parent=settings.get_profile("default"), max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

EVERYWHERE = ("", "e2e", "property", "python", "starlark", "tools")
"""Folders of tests that another Python could make fail: CI runs these on each that is supported.
The others are about services, daemons, documents and formats, whatever Python runs them."""


def folder(directory: Path) -> str:
    """Returns the name of the folder of tests that `directory` is, or lies in; "" for none."""
    root = Path(__file__).parent
    return directory.relative_to(root).parts[0] if root in directory.parents else ""


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves whole folders out where their tests would be: importing them takes as long as many tests."""
    left_out = "not once" in config.option.markexpr and collection_path.is_dir()
    return True if left_out and folder(collection_path) not in EVERYWHERE else None


FIRST = ("property", "e2e", "docs")
"""Folders of tests that take long: they are begun first, so that none is left alone at the end."""

LAST = (
    "cloud",
    "aws",
    "contracts",
    "deploying",
    "external",
    "pushing",
    "retention",
    "setup",
    "store",
    "worker",
)
"""Folders whose tests fill their process with what they import and keep, such as moto: each evaluation
forks, and to fork a process of 800 MB takes five times as long as one of 300 MB."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what CI runs on one Python alone, and puts folders into an order that takes little time."""
    for item in items:
        if folder(item.path.parent) not in EVERYWHERE:
            item.add_marker(pytest.mark.once)
    ranks = {name: rank for rank, name in enumerate((*FIRST, "", *LAST))}
    items.sort(key=lambda item: ranks.get(folder(item.path.parent), ranks[""]))


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """A registry, once a process. Take new names in it: repositories of other tests are still there."""
    from tests.oci.registry import real

    with real.running(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def whole_cloud() -> Iterator[Cloud]:
    """AWS, once a process: two would take each other's stacks."""
    from tests.cloud.aws import Cloud  # brings moto

    with Cloud() as running:
        yield running


@pytest.fixture
def cloud(whole_cloud: Cloud) -> Iterator[Cloud]:
    """AWS, as good as new. Take a new place in it: buckets and projects of other tests are still there."""
    yield whole_cloud
    whole_cloud.reset()
