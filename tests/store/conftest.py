from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.front import Front
from tests.store.s3_place import S3Place


@pytest.fixture
def place(tmp_path: Path) -> S3Place:
    return S3Place(tmp_path / "clients")


@pytest.fixture
def front() -> Front:
    return Front()


@pytest.fixture
def fronted(front: Front, tmp_path: Path) -> Iterator[S3Place]:
    """A place whose clients go through `front`."""
    with front.serve() as server:
        yield S3Place(tmp_path / "clients", endpoint=server.url)
