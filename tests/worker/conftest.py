"""A bench for each test."""

from __future__ import annotations

from pathlib import Path

import pytest

from lambdabuild.aws.clients import Aws
from tests.cloud.moto_server import environment

from .bench import Bench, s3


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    # Workers that are processes of their own make their own.
    monkeypatch.setattr(Aws, "client", lambda self, service: s3())
    return Bench(tmp_path / "bench")
