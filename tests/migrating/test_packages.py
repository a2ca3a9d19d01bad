"""A python_package declares what its backend takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from lambdabuild.errors import UserError
from lambdabuild.migrating.packages import package_draft
from lambdabuild.migrating.rendering import Draft, target_text
from lambdabuild.migrating.survey import is_package
from lambdabuild.sources import WorkingTree
from lambdabuild.toml_file import TomlFile

PROJECT = '[project]\nname = "My-Lib"\nversion = "1"\n'
BACKEND = '[build-system]\nrequires = ["{0}"]\nbuild-backend = "{0}"\n'


def draft(tmp_path: Path, pyproject: str, *files: str, more: Mapping[str, str] | None = None) -> Draft | None:
    for path, text in {"lib/pyproject.toml": pyproject, **dict.fromkeys(files, ""), **(more or {})}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    made = package_draft(
        WorkingTree(tmp_path), TomlFile.parse("lib/pyproject.toml", pyproject.encode(), hint=None), "lib"
    )
    return made.draft if made else None


def srcs(tmp_path: Path, pyproject: str, *files: str) -> str:
    made = draft(tmp_path, pyproject, *files)
    assert made is not None
    return " ".join(target_text(made).split("srcs = ")[1].rsplit(",\n)", 1)[0].split())


@pytest.mark.parametrize(
    ("tables", "files", "expected"),
    [
        ("", ["lib/src/my_lib/__init__.py", "lib/src/my_lib/x.json"], 'glob(["src/**"])'),
        ("", ["lib/my_lib/__init__.py", "lib/tests/x.py"], 'glob(["my_lib/**"])'),
        ("", ["lib/my_lib.py", "lib/setup.py"], '[ "my_lib.py", "setup.py", ]'),
        ("", ["lib/other/__init__.py", "lib/tests/__init__.py"], 'glob(["other/**"])'),
        (
            "",
            ["lib/my_lib/__init__.py", "lib/my_lib/a/tests/x.py"],
            'glob( ["my_lib/**"], exclude = ["my_lib/**/tests/**"], )',
        ),
        ("", ["lib/my_lib/__init__.py", "lib/LICENSE"], 'glob(["my_lib/**"]) + ["LICENSE"]'),
        (
            '[tool.hatch.build.targets.wheel]\npackages = ["a", "b/c"]\n',
            ["lib/a/x.py", "lib/b/c/x.py", "lib/my_lib/x.py"],
            'glob([ "a/**", "b/c/**", ])',
        ),
        (
            '[tool.setuptools.packages.find]\nwhere = ["python"]\n',
            ["lib/python/a/x.py"],
            'glob(["python/**"])',
        ),
        (
            '[tool.setuptools]\npackages = ["a", "a.b"]\npy-modules = ["c"]\n',
            ["lib/a/b/x.py", "lib/c.py"],
            'glob(["a/**"]) + ["c.py"]',
        ),
        ('[tool.flit.module]\nname = "z"\n', ["lib/z/__init__.py"], 'glob(["z/**"])'),
        (
            '[[tool.poetry.packages]]\ninclude = "z"\nfrom = "code"\n',
            ["lib/code/z/__init__.py"],
            'glob(["code/z/**"])',
        ),
        (
            '[tool.uv.build-backend]\nmodule-name = "z"\nmodule-root = ""\n',
            ["lib/z/__init__.py"],
            'glob(["z/**"])',
        ),
        (
            '[tool.hatch.version]\npath = "VERSION"\n',
            ["lib/src/my_lib/__init__.py", "lib/VERSION"],
            'glob(["src/**"]) + ["VERSION"]',
        ),
    ],
)
def test_sources_are_what_the_backend_takes(
    tmp_path: Path, tables: str, files: list[str], expected: str
) -> None:
    assert srcs(tmp_path, PROJECT + tables, *files) == expected


def test_a_readme_that_pyproject_names_is_a_source(tmp_path: Path) -> None:
    readme = PROJECT + 'readme = "README.md"\n'
    assert srcs(tmp_path, readme, "lib/my_lib/x.py", "lib/README.md") == 'glob(["my_lib/**"]) + ["README.md"]'


def test_a_backend_of_its_own_is_a_source(tmp_path: Path) -> None:
    own = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    found = srcs(tmp_path, PROJECT + own, "lib/my_lib/x.py", "lib/backend.py")
    assert found == 'glob(["my_lib/**"]) + ["backend.py"]'


def test_a_version_from_git_is_given(tmp_path: Path) -> None:
    text = (
        '[build-system]\nrequires = ["setuptools", "setuptools-scm"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "x"\ndynamic = ["version"]\n'
    )
    made = draft(tmp_path, text, "lib/src/x.py")
    assert made is not None
    assert made.attributes["version"] == "0.0.0"


def test_a_backend_that_compiles_makes_a_native_package(tmp_path: Path) -> None:
    made = draft(tmp_path, PROJECT + BACKEND.format("maturin"), "lib/src/lib.rs")
    assert made is not None
    assert made.attributes["native"] is True


def test_a_directory_without_code_is_no_package(tmp_path: Path) -> None:
    assert draft(tmp_path, PROJECT, "lib/docs/x.md") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PROJECT, True),
        (BACKEND.format("hatchling"), True),
        ('[tool.poetry]\nname = "x"\n', True),
        ("[tool.ruff]\nline-length = 100\n", False),
        ("", False),
        (PROJECT + "[tool.uv]\npackage = false\n", False),
        (PROJECT + "[tool.poetry]\npackage-mode = false\n", False),
    ],
)
def test_settings_of_tools_make_no_package(text: str, expected: bool) -> None:
    assert is_package(TomlFile.parse("pyproject.toml", text.encode(), hint=None)) is expected


def test_what_lambdabuild_cannot_build_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"only the build backend knows|Poetry"):
        draft(tmp_path, '[build-system]\nrequires = []\n[tool.poetry]\nname = "x"\n', "lib/x.py")
