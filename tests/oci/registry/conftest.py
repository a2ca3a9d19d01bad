"""Registries, real and wicked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdabuild.oci.registry.repository import Repository

from . import real
from .asking import repository
from .proxy import Proxy
from .real import RealRegistry


@pytest.fixture(scope="session")
def basic_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real.with_htpasswd(tmp_path_factory.mktemp("basic") / "registry") as running:
        yield running


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    with real.with_tokens(tmp_path_factory.mktemp("tokens") / "registry") as running:
        yield running


@pytest.fixture
def proxy(registry: RealRegistry) -> Iterator[Proxy]:
    with Proxy(registry.host) as running:
        yield running


@pytest.fixture
def there(registry: RealRegistry) -> Repository:
    """A new repository of a real registry."""
    return repository(registry.host)


@pytest.fixture
def behind(proxy: Proxy) -> Repository:
    """A new repository of a real registry, behind `proxy`."""
    return repository(proxy.host)
