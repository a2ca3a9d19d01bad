"""Programs that some tests need: a skip where they are missing, a failure where CI says that all must run."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NoReturn

import pytest

PACKAGES = {
    "bash": "bash",
    "buildah": "buildah",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "fish": "fish",
    "htpasswd": "apache2-utils",
    "openssl": "openssl",
    "npm": "npm",
    "skopeo": "skopeo",
    "umoci": "umoci",
    "zsh": "zsh",
}
REQUIRED = os.environ.get("LAMBDABUILD_TEST_REQUIRE") == "all"


def require(program: str) -> str:
    """Returns the path of `program`; without it skips the test, or fails it where nothing may be skipped."""
    found = shutil.which(program)
    if found is None:
        unavailable(f"needs {program}: apt-get install {PACKAGES[program]}")
    return found


def require_docker() -> str:
    """Returns the path of docker, whose daemon answers; without one does as `require`."""
    program = require("docker")
    version = [program, "version", "--format", "{{.Server.Version}}"]
    done = subprocess.run(version, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        reason = "needs a Docker daemon: apt-get install docker.io, and start dockerd"
        unavailable(f"{reason} ({done.stderr.strip()})")
    return program


def unavailable(reason: str) -> NoReturn:
    """Skips the test for `reason`, or fails it where nothing may be skipped."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)
