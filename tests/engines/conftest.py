"""The engines of this machine: a Docker daemon, and buildah with a storage of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdabuild.engines.choice import ENGINES
from lambdabuild.engines.engine import Engine
from lambdabuild.engines.process import environment
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Layer
from tests.require import unavailable
from tests.running.conftest import any_runner, daemon, scratch

from .builds import Bench, base_of

__all__ = ["any_runner", "daemon", "scratch"]


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file that tells buildah of a storage that nobody else uses."""
    directory = tmp_path_factory.mktemp("containers")
    config = directory / "storage.conf"
    config.write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{directory}/root"\nrunroot = "{directory}/run"\n'
    )
    yield config
    if shutil.which("buildah"):
        env = {**os.environ, "CONTAINERS_STORAGE_CONF": str(config)}
        subprocess.run(["buildah", "rmi", "--all", "--force"], env=env, capture_output=True, check=False)
    subprocess.run(["umount", f"{directory}/root/overlay"], capture_output=True, check=False)


def working(request: pytest.FixtureRequest, name: str) -> Engine:
    env = dict(os.environ)
    if name == "docker":
        request.getfixturevalue("daemon")
        env = dict(os.environ)  # the fixture may have set where it is
    else:
        env["CONTAINERS_STORAGE_CONF"] = str(request.getfixturevalue("storage"))
    found = ENGINES[name](environment(env))
    if isinstance(found, str):
        unavailable(f"needs {name}: {found}")
    return found


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine that works here."""
    return working(request, request.param)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> tuple[Image, Layer, Path]:
    return base_of(tmp_path_factory.mktemp("base"))


@pytest.fixture
def bench(engine: Engine, base: tuple[Image, Layer, Path], tmp_path: Path) -> Bench:
    """Builds with each engine."""
    return Bench.on(tmp_path, lambda: engine, base)
