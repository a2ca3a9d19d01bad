"""A registry for images that functions run."""

from __future__ import annotations

import pytest

from tests.cloud.aws import Cloud
from tests.cloud.proxy import Proxy

from .bench import Bench, new_bench


@pytest.fixture(scope="session")
def registry(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Proxy:
    return whole_cloud.registry(tmp_path_factory.mktemp("registry"))


@pytest.fixture
def bench(cloud: Cloud, registry: Proxy) -> Bench:
    return new_bench(cloud, registry)
