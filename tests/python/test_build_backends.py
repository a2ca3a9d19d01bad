"""The backends that people use make the wheels they should, with equal bytes wherever it is done."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from lambdabuild.errors import ActionFailed
from lambdabuild.python.pep517.hooks import Project, build_wheel
from lambdabuild.python.pep517.wheel_name import name_from_inside
from lambdabuild.python.wheel import install
from tests.python.building import environment, project
from tests.python.faulty_index import never

METADATA = """
[project]
name = "receipt-dynamo"
version = "0.1.0"
description = "receipts"
dependencies = ["boto3>=1.34"]
"""
FILES = {
    "src/receipt_dynamo/__init__.py": '"""Receipts."""\n',
    "src/receipt_dynamo/store/__init__.py": "",
    "src/receipt_dynamo/store/table.py": "TABLE = 'receipts'\n",
    "src/receipt_dynamo/schema.json": '{"a": 1}\n',
    "src/receipt_dynamo/fonts/mono.ttf": "not really\n",
}


@dataclass(frozen=True)
class Backend:
    """requirement: what to install; settings: what pyproject.toml says beside METADATA."""

    requirement: str
    module: str
    settings: str = ""


BACKENDS = {
    backend.requirement: backend
    for backend in (
        Backend("hatchling", "hatchling.build"),
        Backend(
            "setuptools",
            "setuptools.build_meta",
            '[tool.setuptools.package-data]\n"*" = ["*.json", "fonts/*"]\n',
        ),
        Backend("flit-core", "flit_core.buildapi"),
        Backend("poetry-core", "poetry.core.masonry.api"),
        Backend("uv-build", "uv_build"),
    )
}


def sources(backend: Backend, more: str = "") -> dict[str, str]:
    system = f'[build-system]\nrequires = []\nbuild-backend = "{backend.module}"\n'
    return {"pyproject.toml": system + METADATA + more + backend.settings, **FILES}


def build(backend: Backend, directory: Path, files: Mapping[str, str]) -> Path:
    made = project(directory / "project", files, backend.module)
    return build_wheel(made, environment(backend.requirement), directory / "scratch", never)


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=list(BACKENDS))
def test_the_wheel_has_the_package_with_its_data(backend: Backend, tmp_path: Path) -> None:
    wheel = build(backend, tmp_path, sources(backend))
    assert name_from_inside(wheel) == wheel.name
    install(wheel, tmp_path / "tree")
    packaged = {path.removeprefix("src/"): text for path, text in FILES.items()}
    found = {path: (tmp_path / "tree" / path).read_text() for path in packaged}
    assert found == packaged
    metadata = (tmp_path / "tree" / "receipt_dynamo-0.1.0.dist-info" / "METADATA").read_text()
    assert "Requires-Dist: boto3" in metadata


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=list(BACKENDS))
def test_the_wheels_bytes_depend_on_the_sources_alone(backend: Backend, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "a" / "directory elsewhere"
    first.mkdir()
    second.mkdir(parents=True)
    wheel = build(backend, first, sources(backend))
    before = os.umask(0o077)
    try:
        again = build(backend, second, dict(reversed(sources(backend).items())))
    finally:
        os.umask(before)
    assert again.name == wheel.name
    assert again.read_bytes() == wheel.read_bytes()


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=list(BACKENDS))
def test_no_time_in_a_wheel_is_that_of_its_making(backend: Backend, tmp_path: Path) -> None:
    wheel = build(backend, tmp_path, sources(backend))
    years = {info.date_time[0] for info in zipfile.ZipFile(wheel).infolist()}
    assert max(years) <= 2016  # flit and poetry have a time of their own


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=list(BACKENDS))
def test_a_readme_that_is_not_among_the_sources_is_named(backend: Backend, tmp_path: Path) -> None:
    files = sources(backend, 'readme = "README.md"\n')
    if backend.requirement == "setuptools":  # which only warns
        assert build(backend, tmp_path, files).is_file()
        return
    with pytest.raises(ActionFailed) as caught:
        build(backend, tmp_path, files)
    assert (
        caught.value.message == "receipt-dynamo needs README.md to be built, and its sources do not have it"
    )


@pytest.mark.parametrize("requirement", ["flit-core", "poetry-core", "uv-build"])
def test_a_licence_that_is_not_among_the_sources_is_named(requirement: str, tmp_path: Path) -> None:
    backend = BACKENDS[requirement]
    with pytest.raises(ActionFailed, match="receipt-dynamo needs LICENSE to be built"):
        build(backend, tmp_path, sources(backend, 'license = "MIT"\nlicense-files = ["LICENSE"]\n'))


def test_a_project_of_setup_py_alone_is_built_as_pip_does(tmp_path: Path) -> None:
    setup = (
        "from setuptools import setup\nsetup(name='receipt-dynamo', version='0.1.0', py_modules=['legacy'])\n"
    )
    old = Project(
        name="receipt-dynamo", source=tmp_path / "project", backend="setuptools.build_meta:__legacy__"
    )
    project(old.source, {"setup.py": setup, "legacy.py": "X = 1\n"}, old.backend)
    wheel = build_wheel(old, environment("setuptools"), tmp_path / "scratch", never)
    assert wheel.name == "receipt_dynamo-0.1.0-py3-none-any.whl"
    assert "legacy.py" in zipfile.ZipFile(wheel).namelist()


def test_a_version_can_be_given_by_a_variable(tmp_path: Path) -> None:
    files = sources(BACKENDS["setuptools"])
    files["pyproject.toml"] = (
        files["pyproject.toml"].replace('version = "0.1.0"', 'dynamic = ["version"]')
        + "[tool.setuptools_scm]\n"
    )
    made = Project(
        name="receipt-dynamo",
        source=project(tmp_path / "project", files, "setuptools.build_meta").source,
        backend="setuptools.build_meta",
        variables={"SETUPTOOLS_SCM_PRETEND_VERSION": "4.5.6"},
    )
    wheel = build_wheel(made, environment("setuptools-scm"), tmp_path / "scratch", never)
    assert wheel.name == "receipt_dynamo-4.5.6-py3-none-any.whl"
