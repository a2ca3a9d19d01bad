"""The worker as one file: equal whenever it is made, with wheels for all, started by any Python."""

from __future__ import annotations

import ast
import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lambdabuild.errors import ActionFailed
from lambdabuild.setup.worker_pex import DISTRIBUTIONS, make_worker, modules, requirements, stage
from tests.worker_file import worker_pex

PYTHONS = Path("~/.pyenv/versions").expanduser()


def test_the_worker_reaches_its_tools_and_nothing_of_the_command_line() -> None:
    found = modules()
    assert {
        "lambdabuild.tools.layer",
        "lambdabuild.python.pep517.hooks",
        "lambdabuild.store.s3.store",
    } <= found.keys()
    rooms = {name.split(".")[1] for name in found if "." in name}
    assert not rooms & {
        "starlark",
        "rulebook",
        "commands",
        "ui",
        "cli",
        "session",
        "evaluation",
        "setup",
        "remote",
    }


def test_what_the_worker_imports_of_others_comes_with_it() -> None:
    imported = set()
    for path in modules().values():
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.split(".")[0])
    others = imported - sys.stdlib_module_names - {"lambdabuild"}
    # boto3 brings botocore; pip is asked for its default index where it is there.
    named = {name.replace("-", "_") for name in DISTRIBUTIONS}
    assert others - {"botocore", "pip"} == named
    assert any(text.startswith("botocore==") for text in requirements())
    assert all("==" in text for text in requirements())


def test_what_is_staged_is_python_alone(tmp_path: Path) -> None:
    stage(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".py"}
    assert (tmp_path / "lambdabuild/worker/__main__.py").is_file()


def test_what_pex_says_is_told_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match="cannot be packed") as caught:
        make_worker(tmp_path / "worker.pex", python_versions=("3.4",), machines=("x86_64",))
    assert caught.value.details


def test_a_worker_is_the_same_whoever_makes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = worker_pex()
    # The same cache at another place: nothing is downloaded again.
    caches = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    (tmp_path / "cache").symlink_to(caches)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    again = make_worker(tmp_path / "worker.pex", machines=(platform.machine(),))
    assert again.path.read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_a_worker_has_wheels_for_all_machines(tmp_path: Path) -> None:
    made = make_worker(tmp_path / "worker.pex")
    names = {
        name.split("/")[1] for name in zipfile.ZipFile(made.path).namelist() if name.startswith(".deps/")
    }
    for machine in ("x86_64", "aarch64"):
        for python in ("cp311", "cp312", "cp313"):
            assert any(n.startswith("blake3-") and python in n and machine in n for n in names)
    assert not [name for name in names if name.endswith((".tar.gz", ".zip"))]


@pytest.mark.parametrize("version", ["this one", "3.11.7", "3.12.1", "3.13.0"])
def test_it_starts_with_plain_python(version: str, tmp_path: Path) -> None:
    python = Path(sys.executable) if version == "this one" else PYTHONS / version / "bin" / "python3"
    if not python.exists():
        pytest.skip(f"there is no Python {version} below {PYTHONS}: pyenv install {version}")
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    ran = subprocess.run(
        [python, worker_pex()], capture_output=True, text=True, check=False, env=environ, cwd=tmp_path
    )
    assert ran.returncode == 2, platform.platform()
    assert "LAMBDABUILD_STORE is not set" in ran.stderr
