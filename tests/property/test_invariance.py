"""Hashes and images are the same in any directory, locale, time zone and order, for any user and umask."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import WORKSPACE
from tests.property.test_hash_laws import FILES

NAMES = {
    "lib/größe.py": "Ä = 1\n",
    "lib/日本.py": "",
    "lib/sub/dir/deep.py": "",
    "lib/Z.py": "",
    "lib/_.py": "",
}


def make(root: Path, *, seed: int, umask: int) -> None:
    """Writes the same workspace in an order, at times and with permissions of its own."""
    files = [*(FILES | NAMES | {"WORKSPACE.toml": WORKSPACE}).items()]
    random.Random(seed).shuffle(files)
    before = os.umask(umask)
    try:
        for path, content in files:
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode())
            os.utime(target, (seed * 1e6, seed * 1e6))
        (root / "data/link").symlink_to("target")
    finally:
        os.umask(before)


def said(root: Path, cache: Path, command: str, **env: str) -> str:
    """Returns what a new process prints, with nothing but `env` in its environment."""
    base = {"PATH": os.environ["PATH"], "XDG_CACHE_HOME": str(cache)}
    ran = subprocess.run(
        [sys.executable, "-m", "lambdabuild", command, "//...", "--json"],
        cwd=root,
        env=base | env,
        capture_output=True,
        check=True,
    )
    return ran.stdout.decode()


@pytest.mark.parametrize(
    ("directory", "seed", "umask", "env"),
    [
        ("a", 2, 0o022, {"TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"}),
        (".hidden/deeper/ü b", 3, 0o077, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}),
        ("node_modules/x", 4, 0o002, {"LC_ALL": "POSIX", "PYTHONHASHSEED": "77", "HOME": "/nonexistent"}),
    ],
)
def test_hashes_do_not_depend_on_where_when_and_by_whom(
    tmp_path: Path, directory: str, seed: int, umask: int, env: dict[str, str]
) -> None:
    make(tmp_path / "plain", seed=1, umask=0o022)
    expected = said(tmp_path / "plain", tmp_path / "c1", "hash", LC_ALL="C.UTF-8", PYTHONHASHSEED="0")
    root = tmp_path / directory
    make(root, seed=seed, umask=umask)
    assert said(root, tmp_path / "c2", "hash", **env) == expected


def test_images_do_not_depend_on_where_when_and_by_whom(tmp_path: Path) -> None:
    indexes = []
    for seed, umask, env in (
        (1, 0o022, {"PYTHONHASHSEED": "0"}),
        (9, 0o077, {"PYTHONHASHSEED": "5", "TZ": "UTC"}),
    ):
        root = tmp_path / f"w{seed}"
        make(root, seed=seed, umask=umask)
        said(root, tmp_path / f"c{seed}", "build", **env)
        indexes.append({p.parent.name: p.read_bytes() for p in root.glob("lambdabuild-out/**/index.json")})
    assert indexes[0].keys() == {"base", "one", "two", "alone"}
    assert indexes[0] == indexes[1]
