"""The wheel that people install: it has its rules, its prelude and its scripts, and builds with them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    subprocess.run([*pip, "--wheel-dir", str(directory), str(ROOT)], check=True)
    (found,) = directory.glob("*.whl")
    return found


def test_the_wheel_holds_all_that_is_not_python(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    rules = {f"lambdabuild/rules/{path.name}" for path in (ROOT / "rules").glob("*.bzl")}
    scripts = {
        f"lambdabuild/python/host_image/{path.name}"
        for path in (ROOT / "lambdabuild/python/host_image").iterdir()
    }
    scripts = {name for name in scripts if not name.endswith("__pycache__")}
    assert names >= rules | scripts | {"lambdabuild/prelude.star", "lambdabuild/py.typed"}
    assert not [name for name in names if name.startswith("tests/")]


def test_an_installed_lambdabuild_builds_with_its_own_rules(wheel: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    workspace = tmp_path / "w"
    workspace.mkdir()
    (workspace / "WORKSPACE.toml").write_text("[workspace]\n")
    (workspace / "handler.py").write_text("def main(event, context): pass\n")
    (workspace / "BUILD").write_text(
        'lambda_image(name = "image", base = "scratch", srcs = ["handler.py"], handler = "handler.main")\n'
    )
    ran = subprocess.run(
        [sys.executable, "-m", "lambdabuild", "build", "//:image"],
        cwd=workspace,
        env={"PYTHONPATH": str(tmp_path / "site"), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.startswith("built    //:image  linux/amd64  sha256:")
