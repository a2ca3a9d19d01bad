"""Workspaces with images from Dockerfiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project import Project

from .targets import FILES, lock


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "w", tmp_path / "cache" / "lambdabuild", FILES)
    lock(project)
    return project
