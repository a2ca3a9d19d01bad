"""What wheels and source distributions say of themselves; archives of any kind are safe to ask."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.python import metadata
from lambdabuild.python.metadata import build_requires, extras
from tests.python.wheels import METADATA, make_wheel

LEGACY = ("setuptools>=40.8.0",)
PYPROJECT = (
    b'[build-system]\nrequires = ["Hatchling >= 1.27", "hatch_vcs"]\nbuild-backend = "hatchling.build"\n'
)


def sdist(directory: Path, files: Mapping[str, bytes], name: str = "demo-1.0.tar.gz") -> Path:
    path = directory / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for member, data in files.items():
                archive.writestr(member, data)
        return path
    with tarfile.open(path, "w:xz" if name.endswith("xz") else "w:gz") as archive:
        for member, data in files.items():
            entry = tarfile.TarInfo(member)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path


def test_extras_of_a_wheel_are_read_and_normalised(tmp_path: Path) -> None:
    text = METADATA + b"Provides-Extra: SQS\nProvides-Extra: s3_x\n\nProvides-Extra: body\n"
    assert extras(make_wheel(tmp_path, info={"METADATA": text})) == {"sqs", "s3-x"}
    assert extras(make_wheel(tmp_path)) == frozenset()


def test_extras_of_a_source_distribution_are_those_of_its_pkg_info(tmp_path: Path) -> None:
    files = {
        "demo-1.0/PKG-INFO": b"Provides-Extra: a\n",
        "demo-1.0/demo.egg-info/PKG-INFO": b"Provides-Extra: b\n",
    }
    assert extras(sdist(tmp_path, files)) == {"a"}


@pytest.mark.parametrize("name", ["demo-1.0.tar.gz", "demo-1.0.tar.xz", "demo-1.0.zip"])
def test_build_requirements_are_those_of_the_project_at_the_top(tmp_path: Path, name: str) -> None:
    files = {
        "demo-1.0/vendored/pyproject.toml": b'[build-system]\nrequires = ["other"]\n',
        "demo-1.0/pyproject.toml": PYPROJECT,
        "demo-1.0/setup.py": b"",
    }
    assert build_requires(sdist(tmp_path, files, name)) == ("hatch-vcs", "hatchling>=1.27")


@pytest.mark.parametrize(
    "files", [{"demo-1.0/setup.py": b""}, {"demo-1.0/pyproject.toml": b"[tool.black]\n"}]
)
def test_without_a_build_system_it_is_setuptools(tmp_path: Path, files: dict[str, bytes]) -> None:
    assert build_requires(sdist(tmp_path, files)) == LEGACY


def test_of_a_member_that_is_there_twice_the_last_counts_as_when_unpacking(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for data in (b"[build-system]\nrequires = []\n", PYPROJECT):
            entry = tarfile.TarInfo("demo-1.0/pyproject.toml")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert build_requires(path) == ("hatch-vcs", "hatchling>=1.27")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.toml").write_bytes(PYPROJECT)
    path = tmp_path / "demo-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("demo-1.0/pyproject.toml")
        entry.type, entry.linkname = tarfile.SYMTYPE, str(tmp_path / "secret.toml")
        archive.addfile(entry)
    assert build_requires(path) == LEGACY


def test_a_malformed_project_is_named_with_its_line(tmp_path: Path) -> None:
    path = sdist(tmp_path, {"demo-1.0/pyproject.toml": b'[build-system]\nrequires = ["a>"]\n'})
    with pytest.raises(UserError, match="is not a requirement") as caught:
        build_requires(path)
    assert str(caught.value.at).startswith("demo-1.0.tar.gz/demo-1.0/pyproject.toml:2")


def test_a_member_that_is_too_long_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_LARGEST", 10)
    for name in ("demo-1.0.tar.gz", "demo-1.0.zip"):
        with pytest.raises(UserError, match="more than 10 bytes"):
            build_requires(sdist(tmp_path, {"demo-1.0/pyproject.toml": PYPROJECT}, name))
    monkeypatch.setattr(metadata, "_MOST", 20)
    with pytest.raises(UserError, match="its members have more than 20 bytes"):
        build_requires(sdist(tmp_path, {"demo-1.0/a": bytes(21), "demo-1.0/pyproject.toml": b""}))


@pytest.mark.parametrize("name", ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz", "demo-1.0.zip"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_archive_gives_an_answer_or_an_error(
    tmp_path: Path, name: str, data: st.DataObject
) -> None:
    if name.endswith(".whl"):
        path = make_wheel(tmp_path)
    else:
        path = sdist(tmp_path, {"demo-1.0/pyproject.toml": PYPROJECT, "demo-1.0/PKG-INFO": b""}, name)
    content = bytearray(path.read_bytes())
    for at in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[at] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for question in (extras, build_requires):
        assert answer_or_error(question, path)


def answer_or_error(question: Callable[[Path], Collection[str]], path: Path) -> bool:
    try:
        return all(isinstance(each, str) for each in question(path))
    except UserError as error:
        return "demo-1.0" in f"{error.at}{error.message}"
