"""What a pyproject.toml says comes out in one form, and what cannot be understood has a line and a hint."""

from __future__ import annotations

import json
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.python.project import Project, parse_project, project_name
from lambdabuild.python.requirements import normalised
from tests.python.test_requirements import requirement_texts

PATH = "receipt_label/pyproject.toml"
FULL = """\
[build-system]
requires = ["hatchling >=1.26", "hatch-vcs"]
build-backend = "hatchling.build"
backend-path = ["./tools", "."]

[project]
name = "Receipt_Label"
dynamic = ["version", "description"]
requires-python = ">= 3.12, <4"
readme = { file = "docs/../README.md", content-type = "text/markdown" }
license = { file = "LICENSE" }
license-files = ["LICENSE", "licenses/*", "./NOTICE"]
dependencies = [
    "receipt-dynamo @ file:///home/me/receipt_dynamo",
    "boto3 >=1.34",
    "Boto3>=1.34",
]

[project.optional-dependencies]
Full = ["receipt_label[test]", "numpy<3,>=2; extra == 'full'"]
test = ["pytest"]

[tool.hatch.version]
source = "vcs"
"""


def parsed(text: str) -> Project:
    return parse_project(PATH, text.encode())


def minimal(*lines: str) -> str:
    """Returns a pyproject.toml whose lines from the fourth on are `lines`."""
    return "\n".join(["[project]", 'name = "a"', 'version = "1"', *lines])


def test_everything_that_is_asked_for_comes_out_in_one_form() -> None:
    assert parsed(FULL) == Project(
        path=PATH,
        name="receipt-label",
        requires_python="<4,>=3.12",
        requires=("boto3>=1.34", "receipt-dynamo"),
        extras={"full": ('numpy<3,>=2; extra == "full"', "receipt-label[test]"), "test": ("pytest",)},
        build_requires=("hatch-vcs", "hatchling>=1.26"),
        build_backend="hatchling.build",
        backend_path=("tools", "."),
        version=None,
        files=(
            ("project.readme.file", "README.md"),
            ("project.license.file", "LICENSE"),
            ("project.license-files", "LICENSE"),
            ("project.license-files", "NOTICE"),
        ),
        version_from_git="hatch-vcs",
        local=("receipt-dynamo",),
    )


def test_a_package_that_says_little_is_built_by_setuptools_of_old() -> None:
    assert parsed(minimal()) == Project(
        path=PATH,
        name="a",
        requires_python="",
        requires=(),
        extras={},
        build_requires=("setuptools>=40.8.0",),
        build_backend="setuptools.build_meta:__legacy__",
        backend_path=(),
        version="1",
        files=(),
        version_from_git=None,
    )


def test_the_version_has_one_form_and_extras_are_in_order() -> None:
    project = parsed(
        '[project]\nname = "a"\nversion = "v1.0-RC1"\noptional-dependencies = { z = [], b = [] }'
    )
    assert project.version == "1.0rc1"
    assert list(project.extras) == ["b", "z"]


def test_requirements_know_their_lines() -> None:
    lines = parsed(FULL).lines
    assert lines["", "receipt-dynamo"] == 14
    assert lines["", "boto3>=1.34"] == 15
    assert lines["full", "receipt-label[test]"] == 20
    assert lines["test", "pytest"] == 21


def test_a_project_can_go_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(parsed(FULL))) == parsed(FULL)


def test_lines_do_not_make_projects_differ() -> None:
    assert parsed("# moved\n" + FULL) == parsed(FULL)


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("b @ file:///home/me/b", "b"),
        ("B_b[X, y] @ FILE:../b", "b-b[x,y]"),
        ("b@file://localhost/b#egg=b;x ; os_name == 'nt'", 'b; os_name == "nt"'),
        ("b @ file:///${PROJECT_ROOT}/../b", "b"),
    ],
)
def test_file_urls_are_left_out_and_remembered(written: str, form: str) -> None:
    project = parsed(minimal(f"dependencies = [{json.dumps(written)}]"))
    assert project.requires == (form,)
    assert project.local == ("b-b" if "b-b" in form else "b",)


@pytest.mark.parametrize("table", ["dependencies", "optional-dependencies.x"])
@given(texts=st.lists(requirement_texts, max_size=5))
def test_requirements_are_in_normal_form_sorted_and_unique(table: str, texts: list[str]) -> None:
    project = parsed(minimal(f"{table} = {json.dumps(texts)}"))
    found = project.requires if table == "dependencies" else project.extras["x"]
    assert found == tuple(sorted({normalised(text) for text in texts}))
    assert project.lines.keys() == {("" if table == "dependencies" else "x", text) for text in found}


# --- build systems -------------------------------------------------------------

SYSTEMS = {
    "hatchling": ('["hatchling"]', "hatchling.build"),
    "setuptools": ('["setuptools>=77", "wheel"]', "setuptools.build_meta"),
    "flit": ('["flit_core >=3.11,<4"]', "flit_core.buildapi"),
    "poetry": ('["poetry-core>=2"]', "poetry.core.masonry.api"),
    "uv": ('["uv_build>=0.8,<0.9"]', "uv_build"),
    "in tree": ("[]", "backend.module:object.part"),
}


@pytest.mark.parametrize(("requires", "backend"), SYSTEMS.values(), ids=SYSTEMS)
def test_the_backend_and_what_it_needs_are_read(requires: str, backend: str) -> None:
    project = parsed(f'[build-system]\nrequires = {requires}\nbuild-backend = "{backend}"\n{minimal()}')
    assert project.build_backend == backend
    assert project.build_requires == tuple(sorted(map(normalised, json.loads(requires))))


def test_a_build_system_without_a_backend_is_setuptools_of_old_with_what_it_lists() -> None:
    project = parsed(minimal("[build-system]", 'requires = ["setuptools", "cython"]'))
    assert project.build_requires == ("cython", "setuptools")
    assert project.build_backend == "setuptools.build_meta:__legacy__"


@pytest.mark.parametrize(
    ("requires", "asks"),
    [
        ("setuptools-scm[simple]>=8", "setuptools-scm"),
        ("setuptools_scm", "setuptools-scm"),
        ("hatch-vcs", "hatch-vcs"),
        ("versioningit", "versioningit"),
        ("setuptools-git-versioning", "setuptools-git-versioning"),
        ("poetry-dynamic-versioning", "poetry-dynamic-versioning"),
        ("hatchling", None),
        ("pdm-backend", None),
    ],
)
def test_build_requirements_that_ask_git_are_known(requires: str, asks: str | None) -> None:
    system = f'[build-system]\nrequires = ["zzz", "{requires}", "aaa"]\nbuild-backend = "b"\n'
    project = parsed(system + '[project]\nname = "a"\ndynamic = ["version"]')
    assert (project.version, project.version_from_git) == (None, asks)
    assert parsed(system + minimal()).version_from_git is None


@pytest.mark.parametrize(
    ("tool", "asks"),
    [
        ('[tool.pdm.version]\nsource = "scm"', "pdm-backend"),
        ('[tool.pdm.version]\nsource = "file"', None),
        ("[tool]\npdm = 1", None),
    ],
)
def test_pdm_asks_git_only_if_it_is_told_to(tool: str, asks: str | None) -> None:
    system = '[build-system]\nrequires = ["pdm-backend"]\nbuild-backend = "pdm.backend"\n'
    assert parsed(f'{system}[project]\nname = "a"\ndynamic = ["version"]\n{tool}').version_from_git == asks


# --- files ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "files"),
    [
        ('readme = "README.md"', [("project.readme", "README.md")]),
        ('readme = { text = "hello", content-type = "text/plain" }', []),
        ('license = "MIT"', []),
        ('license = { text = "MIT" }', []),
        ('license = { file = "LICENSE" }', [("project.license.file", "LICENSE")]),
        (
            'license-files = ["LICEN[CS]E", "*.txt", "a?", "docs/L", "docs//L"]',
            [("project.license-files", "docs/L")],
        ),
    ],
)
def test_files_that_are_named_are_told_with_their_key(line: str, files: list[tuple[str, str]]) -> None:
    assert list(parsed(minimal(line)).files) == files


# --- refusals --------------------------------------------------------------------

BAD = {
    "not TOML": ("[project\n", 1, "not TOML"),
    "nested": ("a = " + "[" * 5000, 1, "nested too deeply"),
    "nothing": ("", 1, r"there is no \[project\]"),
    "tools only": ("[tool.black]\nline-length = 100", 1, r"there is no \[project\]"),
    "poetry": ('\n[tool.poetry]\nname = "a"', 2, r"\[tool.poetry\] is read by Poetry alone"),
    "project": ("\nproject = 1", 2, "project must be a table"),
    "no name": ('\n[project]\nversion = "1"', 2, "has no name"),
    "bad name": ('[project]\nversion = "1"\nname = "-a"', 3, "'-a' is not a name of a package"),
    "name that folds": ('[project]\nversion = "1"\nname = "\u212a"', 3, "not a name of a package"),
    "name's type": ("[project]\nname = 1", 2, "project.name must be a string"),
    "no version": ('[project]\nname = "a"', 1, "has no version"),
    "bad version": ('[project]\nname = "a"\nversion = "one"', 3, "'one' is not a version"),
    "long version": (f'[project]\nname = "a"\nversion = "{"9" * 5000}"', 3, "is not a version"),
    "dynamic dependencies": (minimal("", 'dynamic = [\n"dependencies"]'), 6, "dependencies is dynamic"),
    "dynamic extras": (minimal('dynamic = ["optional-dependencies"]'), 4, "optional-dependencies is dynamic"),
    "python": (minimal('requires-python = "3.12"'), 4, "'3.12' does not say which versions of Python"),
    "type": (minimal("dependencies = {}"), 4, "project.dependencies must be an array"),
    "item": (minimal("dependencies = [1]"), 4, "project.dependencies must be an array of strings"),
    "requirement": (minimal('dependencies = [\n"b",\n"b >> 1",\n]'), 6, "'b >> 1' is not a requirement"),
    "marker": (minimal('dependencies = [\n"b; nope == 1",\n]'), 5, "is not a requirement"),
    "extra asked": (minimal('dependencies = [\n"b[c d]",\n]'), 5, "is not a requirement"),
    "url": (minimal('dependencies = ["b @ https://example.org/b.whl"]'), 4, "names a place to download from"),
    "relative": (minimal('dependencies = ["b @ ../b"]'), 4, "requirement"),
    "url and version": (minimal('dependencies = ["b>=1 @ file:///b"]'), 4, "is not a requirement"),
    "brackets": (minimal(f'dependencies = ["b; {"(" * 99}"]'), 4, "brackets"),
    "extras": (minimal("optional-dependencies = []"), 4, "must be a table"),
    "extra": (
        minimal("[project.optional-dependencies]", 'x = [\n"b",\n"c c"]'),
        7,
        "'c c' is not a requirement",
    ),
    "extra's name": (
        minimal("[project.optional-dependencies]", '"no good" = []'),
        5,
        "'no good' is not a name of an extra",
    ),
    "same extra": (
        minimal("[project.optional-dependencies]", "a_b = []", "A-B = []"),
        6,
        "two extras are named 'a-b'",
    ),
    "readme": (minimal('readme = "../README.md"'), 4, "is not below the directory of pyproject.toml"),
    "readme's type": (minimal("readme = 1"), 4, "project.readme must be a string"),
    "readme's file": (minimal('readme = { file = "/README.md" }'), 4, "project.readme.file is '/README.md'"),
    "license": (minimal('license = { file = "a/../../L" }'), 4, "is not below"),
    "license-files": (minimal('license-files = ["L",', '"../L"]'), 5, "is not below"),
    "no requires": (minimal("[build-system]", 'build-backend = "b"'), 4, "has no requires"),
    "bad requires": (minimal("[build-system]", 'requires = ["b @ file:///b"]'), 5, "names a place"),
    "backend": (
        minimal("[build-system]", "requires = []", 'build-backend = "a-b"'),
        6,
        "'a-b' is not a build backend",
    ),
    "backend-path": (
        minimal("[build-system]", "requires = []", 'build-backend = "b"', 'backend-path = [".."]'),
        7,
        "is not below",
    ),
    "backend-path alone": (
        minimal("[build-system]", "requires = []", 'backend-path = ["."]'),
        6,
        "without a build-backend",
    ),
}


@pytest.mark.parametrize(("text", "line", "message"), BAD.values(), ids=BAD)
def test_what_cannot_be_understood_is_refused_with_its_line_and_a_hint(
    text: str, line: int, message: str
) -> None:
    with pytest.raises(UserError, match=message) as caught:
        parsed(text)
    assert caught.value.at is not None
    assert (caught.value.at.path, caught.value.at.line) == (PATH, line)
    assert caught.value.hint


_damage = st.sampled_from(
    [*"\"'[]{}=,#\n\\\0\r1-.;@é", "[project]\n", "= 1", "= true", "= []", "= {}", "file:", "../", "\ud800"]
)


@given(st.lists(st.tuples(st.integers(0, len(FULL)), st.integers(0, 40), _damage), max_size=3))
@example([(0, len(FULL), "project = " + "[" * 5000)])
@example([(0, len(FULL), "[[project]]\n")])
@example([(0, len(FULL), "tool = 'poetry'")])
def test_a_damaged_file_is_a_project_or_an_error_with_place_and_hint(
    edits: list[tuple[int, int, str]],
) -> None:
    text = FULL
    for start, length, inserted in edits:
        text = text[:start] + inserted + text[start + length :]
    means_something_or_is_refused(text.encode(errors="surrogatepass"))


@given(st.binary(max_size=60))
def test_any_bytes_are_a_project_or_an_error_with_place_and_hint(data: bytes) -> None:
    means_something_or_is_refused(data)


def means_something_or_is_refused(data: bytes) -> None:
    name = project_name(data)
    try:
        project = parse_project(PATH, data)
    except UserError as error:
        refusal = error
    else:
        assert project.name == name
        return
    assert refusal.at is not None
    assert refusal.at.path == PATH
    assert 1 <= refusal.at.line <= data.count(b"\n") + 1
    assert refusal.hint
    assert "\n" not in refusal.message


# --- names alone -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('[project]\nname = "Foo.Bar__x"\nversion = 1\ndependencies = 7', "foo-bar-x"),
        ('project = { name = "a" }', "a"),
        ("", None),
        ("[project]\nname = 1", None),
        ('[project]\nname = "-"', None),
        ('project = "name"', None),
        ("[project", None),
        ('[tool.poetry]\nname = "a"', None),
    ],
)
def test_a_name_is_found_in_whatever_has_one_and_nothing_raises(text: str, name: str | None) -> None:
    assert project_name(text.encode()) == name
