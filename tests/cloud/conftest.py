"""The cloud of this test process, as good as new for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .aws import Cloud


@pytest.fixture(scope="session")
def whole_cloud() -> Iterator[Cloud]:
    with Cloud() as running:
        yield running


@pytest.fixture
def cloud(whole_cloud: Cloud) -> Iterator[Cloud]:
    """AWS. Take a new place in it: buckets and projects of other tests are still there."""
    yield whole_cloud
    whole_cloud.reset()
