"""Programs that some tests need: a skip where they are missing, a failure where CI says that all must run."""

from __future__ import annotations

import os
import shutil

import pytest


def require(program: str, how: str) -> None:
    """Skips the test, or fails it under LAMBDABUILD_TEST_REQUIRE=all, unless `program` is on PATH."""
    if shutil.which(program) is None:
        unavailable(f"needs {program}: {how}")


def unavailable(reason: str) -> None:
    """Skips the test for `reason`, or fails it under LAMBDABUILD_TEST_REQUIRE=all."""
    if os.environ.get("LAMBDABUILD_TEST_REQUIRE") == "all":
        pytest.fail(reason)
    pytest.skip(reason)
