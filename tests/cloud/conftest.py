"""Workspaces whose functions are deployed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cloud.aws import Cloud
from tests.cloud.deploys import Shop, new_shop
from tests.cloud.proxy import Proxy

NONE = {
    "none/BUILD": 'lambda_image(name = "none", base = "//:python", srcs = ["none.py"], handler = "none.main")\n',
    "none/none.py": "def main(event, context):\n    return 'none'\n",
}


@dataclass(frozen=True)
class Mall:
    """Where shops are: their registry, the caches of their clients, and the image that functions begin with."""

    registry: Proxy
    caches: Path
    image: str


@pytest.fixture(scope="session")
def mall(whole_cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Mall:
    registry = whole_cloud.registry(tmp_path_factory.mktemp("registry"))
    caches = tmp_path_factory.mktemp("caches")
    shop = new_shop(whole_cloud, registry, tmp_path_factory.mktemp("first"), caches)
    shop.team.write(NONE)
    ran = shop.run("push", "//none", "--json")
    assert ran.code == 0, ran.err
    (pushed,) = (each for each in ran.json["pushes"] if each["label"] == "//none:none")
    name, _, _ = pushed["reference"].partition("@")
    return Mall(registry, caches, f"{name.rpartition(':')[0]}@{pushed['digest']}")


@pytest.fixture
def answering() -> bool:
    """Whether functions can be asked. For tests that do not ask, a fixture of this name says so."""
    return True


@pytest.fixture
def shop(cloud: Cloud, mall: Mall, tmp_path: Path, *, answering: bool) -> Shop:
    """Three functions, made with some image."""
    made = new_shop(cloud, mall.registry, tmp_path, mall.caches, answering=answering)
    made.create(mall.image)
    return made
