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

settings.register_profile(
    "default", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", parent=settings.get_profile("default"), derandomize=False, max_examples=2000
)
settings.register_profile("brief", parent=settings.get_profile("default"), max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

ONCE = (
    *("aws", "cloud", "contracts", "deploying", "docs", "engines", "external"),
    *("pushing", "running", "setup", "store", "worker"),
)
"""Folders of tests that are about services, daemons and documents, whatever Python runs them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what CI runs on one Python alone."""
    root = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(root) and item.path.relative_to(root).parts[0] in ONCE:
            item.add_marker(pytest.mark.once)


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
