"""uv.lock and pylock.toml as real tools write them, and as nobody should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdabuild.errors import UserError
from lambdabuild.python.pin_files import read_pins
from lambdabuild.python.pins import Pin, Pins
from lambdabuild.python.platforms import Combination
from tests.require import unavailable

pytestmark = pytest.mark.once

PY311 = Combination.of("3.11", "glibc 2.28", "linux/amd64")
PY312 = Combination.of("3.12", "glibc 2.28", "linux/amd64")
A, B, C = ("a" * 64, "b" * 64, "c" * 64)

UV = f"""\
version = 1
revision = 3
requires-python = ">=3.11"
resolution-markers = [
    "python_full_version >= '3.12'",
    "python_full_version < '3.12'",
]

[manifest]
members = ["sample-app", "sample-lib"]

[[package]]
name = "idna"
version = "3.18"
source = {{ registry = "https://index.invalid/simple" }}
resolution-markers = [
    "python_full_version < '3.12'",
]
sdist = {{ url = "https://x.org/idna-3.18.tar.gz", hash = "sha256:{A}", size = 190490 }}
wheels = [
    {{ url = "https://x.org/idna-3.18-py3-none-any.whl", hash = "sha256:{B}", size = 70442 }},
]

[[package]]
name = "idna"
version = "3.20"
source = {{ registry = "https://index.invalid/simple" }}
resolution-markers = [
    "python_full_version >= '3.13'",
    "python_full_version == '3.12.*'",
]
wheels = [
    {{ url = "https://x.org/idna-3.20-py3-none-any.whl", hash = "sha256:{C}", size = 70442 }},
]

[[package]]
name = "sample-app"
version = "0.1.0"
source = {{ virtual = "." }}
dependencies = [
    {{ name = "idna", version = "3.18", marker = "python_full_version < '3.12'" }},
    {{ name = "sample-lib" }},
]

[package.dev-dependencies]
dev = [
    {{ name = "toolz" }},
]

[package.metadata]
requires-dist = [{{ name = "idna", specifier = ">=3" }}]

[[package]]
name = "sample-lib"
source = {{ editable = "lib" }}

[[package]]
name = "forked"
version = "1.0"
source = {{ git = "https://x.org/forked?rev=1#0123" }}

[[package]]
name = "local-wheel"
version = "1.0"
source = {{ path = "wheels/local_wheel-1.0-py3-none-any.whl" }}
wheels = [{{ filename = "local_wheel-1.0-py3-none-any.whl", hash = "sha256:{A}" }}]

[[package]]
name = "toolz"
version = "1.2.0"
source = {{ registry = "../mirror" }}
wheels = [
    {{ path = "toolz-1.2.0-py3-none-any.whl" }},
]
"""

PYLOCK = f"""\
lock-version = "1.0"
created-by = "uv"
requires-python = ">=3.11"

[[packages]]
name = "idna"
version = "3.18"
marker = "python_full_version < '3.12'"
index = "https://index.invalid/simple"
sdist = {{ url = "https://x.org/idna-3.18.tar.gz", size = 1, hashes = {{ sha256 = "{A}", md5 = "x" }} }}
wheels = [{{ url = "https://x.org/idna-3.18-py3-none-any.whl", hashes = {{ sha256 = "{B}" }} }}]

[[packages]]
name = "Idna"
version = "3.20"
marker = "python_full_version >= '3.12' and 'web' in extras"

[[packages]]
name = "sample-lib"
directory = {{ path = "lib", editable = true }}

[[packages]]
name = "forked"
vcs = {{ type = "git", url = "https://x.org/forked", commit-id = "0123" }}

[[packages]]
name = "archived"
archive = {{ url = "https://x.org/archived.zip", hashes = {{ sha256 = "{A}" }} }}
"""


def read(directory: Path, name: str, text: str) -> Pins:
    (directory / name).write_text(text)
    return read_pins(directory / name)


def test_pins_of_uv_lock(tmp_path: Path) -> None:
    pins = read(tmp_path, "uv.lock", UV)
    assert pins.pins == (
        Pin("idna", "3.18", 'python_full_version < "3.12"', (A, B)),
        Pin("idna", "3.20", 'python_full_version >= "3.13" or python_full_version == "3.12.*"', (C,)),
        Pin("toolz", "1.2.0"),
    )
    assert pins.notes == (f"{tmp_path}/uv.lock: forked is left aside: it does not come from an index (git)",)
    assert [str(pins.at(combination)["idna"]) for combination in (PY311, PY312)] == [
        "idna==3.18",
        "idna==3.20",
    ]


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.web.toml"])
def test_pins_of_pylock(tmp_path: Path, name: str) -> None:
    pins = read(tmp_path, name, PYLOCK)
    assert [(str(pin), pin.sha256s) for pin in pins.pins] == [("idna==3.18", (A, B)), ("idna==3.20", ())]
    assert [str(pins.at(combination)["idna"]) for combination in (PY311, PY312)] == [
        "idna==3.18",
        "idna==3.20",
    ]
    assert [note.partition(": ")[2] for note in pins.notes] == [
        "forked is left aside: it does not come from an index (vcs)",
        "archived is left aside: it does not come from an index (archive)",
    ]


PROJECT = {
    "pyproject.toml": (
        '[project]\nname = "sample-app"\nversion = "1"\nrequires-python = ">=3.11"\n'
        'dependencies = [\n  "requests", "sample-lib",\n  "toolz; sys_platform == \'win32\'",\n'
        "  \"six<1.17; python_version < '3.12'\", \"six>=1.17; python_version >= '3.12'\",\n]\n"
        "[tool.uv.sources]\nsample-lib = { workspace = true }\n"
        '[tool.uv.workspace]\nmembers = ["lib"]\n'
    ),
    "lib/pyproject.toml": (
        '[project]\nname = "sample-lib"\nversion = "1"\nrequires-python = ">=3.11"\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    ),
}


@pytest.fixture(scope="module")
def uv_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that the real uv has locked and exported."""
    directory = tmp_path_factory.mktemp("uv")
    for path, text in PROJECT.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(text)
    installed = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(directory / "tool"), "uv"]
    uv = str(directory / "tool" / "bin" / "uv")
    commands = [installed, [uv, "lock"]]
    commands += [[uv, "export", "-o", name] for name in ("requirements.txt", "pylock.toml")]
    for command in commands:
        ran = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            unavailable(f"needs uv, and a package index for it: {ran.stderr}")
    return directory


def test_what_uv_writes_pins_the_same_in_all_three_formats(uv_project: Path) -> None:
    uv, pylock, requirements = (
        read_pins(uv_project / name) for name in ("uv.lock", "pylock.toml", "requirements.txt")
    )
    for combination in (PY311, PY312):
        pins = {**uv.at(combination)}
        assert {"requests", "urllib3", "certifi", "six"} < pins.keys()
        assert not {"sample-app", "sample-lib"} & pins.keys()
        del pins["toolz"]  # uv.lock says for whom it is required, and not where
        for other in (pylock, requirements):
            others = other.at(combination)
            assert {n: p.version for n, p in others.items()} == {n: p.version for n, p in pins.items()}
            assert {n: p.sha256s for n, p in others.items()} == {n: p.sha256s for n, p in pins.items()}
    assert uv.at(PY311)["six"] != uv.at(PY312)["six"]
    assert all(pin.sha256s for pin in uv.pins)
    assert uv.notes == pylock.notes == ()
    assert len(requirements.notes) == 1  # -e ./lib


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "message"),
    [
        ("uv.lock", "version = 1\n", "", 1, "does not say which version of its format"),
        ("uv.lock", "[[package]]", "[package]", 1, "not TOML"),
        (
            "uv.lock",
            'version = "3.18"',
            "version = 3.18",
            12,
            "package 1 of the file is not as the format has it",
        ),
        ("uv.lock", 'version = "3.18"', 'version = "x"', 12, "'x' is not a version of idna"),
        ("uv.lock", "< '3.12'\",\n]\nsdist", '<",\n]\nsdist', 12, "is not a requirement"),
        ("uv.lock", A, A[1:], 12, "is not 64 hex digits"),
        ("uv.lock", 'source = { registry = "../mirror" }', "", 68, "package 7 of the file"),
        ("pylock.toml", 'hashes = { sha256 = "b', 'hashes = [] # { sha256 = "b', None, "not TOML"),
        ("pylock.toml", 'lock-version = "1.0"', "", 1, "does not say which version"),
        ("pylock.toml", 'name = "Idna"', "name = 3", None, "package 2 of the file"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(
    tmp_path: Path, name: str, old: str, new: str, line: int | None, message: str
) -> None:
    text = UV if name == "uv.lock" else PYLOCK
    assert old in text
    with pytest.raises(UserError, match=message) as caught:
        read(tmp_path, name, text.replace(old, new, 1))
    assert caught.value.at is not None
    assert caught.value.at.path == f"{tmp_path}/{name}"
    assert caught.value.hint
    if line is not None and message != "not TOML":
        assert caught.value.at.line == line


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock", "Pipfile.lock"])
def test_formats_that_are_not_read_say_how_to_export(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="has a format that is not read") as caught:
        read(tmp_path, name, "")
    assert "requirements.txt" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "requirements.txt"])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"cannot read .*{name}"):
        read_pins(tmp_path / name)


_damage = st.sampled_from(
    [*"\"'[]{}=,#\n\\\0.é", "= 1", "= true", "= []", "= {}", "[[package]]\n", "[package]\n"]
)


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml", "requirements.txt"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 30), _damage), min_size=1, max_size=3))
def test_a_damaged_file_is_pins_or_an_error(
    tmp_path: Path, name: str, edits: list[tuple[int, int, str]]
) -> None:
    text = {"uv.lock": UV, "pylock.toml": PYLOCK}.get(name, REQUIREMENTS)
    for start, length, inserted in edits:
        text = text[: start % len(text)] + inserted + text[start % len(text) + length :]
    assert pins_or_error(tmp_path / name, text)


REQUIREMENTS = (
    f"a==1.0 --hash=sha256:{A} \\\n  --hash=sha256:{B}\n-r b.txt\nb[x]==2; os_name == 'posix' # c\n-e .\n"
)


def pins_or_error(path: Path, text: str) -> bool:
    path.write_text(text)
    try:
        read_pins(path)
    except UserError as error:
        return "\n" not in error.message
    return True
