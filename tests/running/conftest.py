"""The runners of this machine, and images for them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lambdabuild.running.choice import runners
from tests.require import REQUIRED, unavailable

from .images import Images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambdabuild.running import Runner

KNOWN = {runner.name: runner for runner in runners()}
NEEDS = {
    "docker": "needs a Docker daemon: apt-get install docker.io, and start dockerd",
    "bwrap": "needs bubblewrap: apt-get install bubblewrap",
    "runc": "needs runc, and root: apt-get install runc",
    "chroot": "needs root on Linux",
}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Images:
    return Images(tmp_path_factory.mktemp("layers"))


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """An empty directory to unpack images in: in memory where there is room, for it is much faster."""
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > 1 << 30:
        flags = os.statvfs(memory).f_flag
        if not flags & (os.ST_NOEXEC | os.ST_RDONLY):
            with tempfile.TemporaryDirectory(prefix="lambdabuild-", dir=memory) as directory:
                yield Path(directory)
            return
    yield tmp_path


@pytest.fixture(scope="session")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Docker daemon: the one that answers, or, where everything is required, one of our own."""
    answers = KNOWN["docker"].problem() is None
    if answers or not REQUIRED or os.geteuid() != 0 or shutil.which("dockerd") is None:
        yield
        return
    with dockerd(tmp_path_factory.mktemp("dockerd")) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", address)
        until = time.monotonic() + 20
        while KNOWN["docker"].problem() is not None and time.monotonic() < until:
            time.sleep(0.2)
        yield


@contextlib.contextmanager
def dockerd(directory: Path, name: str = "") -> Iterator[str]:
    # A socket's path has 107 bytes at most; iptables is everybody's, and --network host needs none.
    address = f"unix:///tmp/lambdabuild-{os.getpid()}{name}.sock"
    options = [f"--{name}={directory / name}" for name in ("data-root", "exec-root", "pidfile")]
    options += ["--iptables=false", "--ip-masq=false", "--host", address]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(["dockerd", *options], stdout=log, stderr=log, start_new_session=True)
        try:
            yield address
        finally:
            process.terminate()
            process.wait(30)
            # What it leaves mounted, and pytest could not remove.
            mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
            # The last first: one may lie in another.
            for mount in reversed([mount for mount in mounts if mount.startswith(f"{directory}/")]):
                subprocess.run(["umount", mount], check=False)


@pytest.fixture(params=KNOWN)
def runner(request: pytest.FixtureRequest) -> Runner:
    """Each runner that works here."""
    return working(request, request.param)


@pytest.fixture
def any_runner(request: pytest.FixtureRequest) -> Runner:
    """One runner, for what does not depend on it. Not docker, which takes three times as long."""
    for name in ("bwrap", "runc", "chroot"):
        if KNOWN[name].problem() is None:
            return KNOWN[name]
    return working(request, "docker")


def working(request: pytest.FixtureRequest, name: str) -> Runner:
    if name == "docker":
        request.getfixturevalue("daemon")
    problem = KNOWN[name].problem()
    if problem is not None:
        unavailable(f"{NEEDS[name]} ({problem})")
    return KNOWN[name]
