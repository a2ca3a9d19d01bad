"""Package indexes that misbehave, and where to put what they give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.python.faulty_index import FaultyIndex
from tests.python.fetching import NAME


@pytest.fixture
def server() -> Iterator[FaultyIndex]:
    with FaultyIndex() as index:
        yield index


@pytest.fixture
def other() -> Iterator[FaultyIndex]:
    with FaultyIndex() as index:
        yield index


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch" / NAME
