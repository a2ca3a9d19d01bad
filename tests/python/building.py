"""Real build backends, their environments, and projects to build with them.

Backends come from the index that pip is set up for, each fetched once a process.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import parse_wheel_filename

from lambdabuild.python.build_lock import BuildLock
from lambdabuild.python.index import Index
from lambdabuild.python.locked import LockedFile, LockedPackage
from lambdabuild.python.pep517.environment import Environment, Environments
from lambdabuild.python.pep517.hooks import Project
from lambdabuild.python.pep517.sources import SourceTree
from lambdabuild.python.selection import LockedWheel
from lambdabuild.store.local import remove_tree
from tests.python.faulty_index import never
from tests.python.fetching import settings_of
from tests.require import unavailable

PYPROJECT = """\
[build-system]
requires = []
build-backend = "{backend}"
backend-path = ["tools"]

[project]
name = "receipt-dynamo"
version = "0.1.0"
"""

IN_TREE = """\
import base64, hashlib, os, sys, time, zipfile

NAME = "receipt_dynamo-0.1.0-py3-none-any.whl"
INFO = "receipt_dynamo-0.1.0.dist-info"

def write(path, tag="py3-none-any"):
    files = {"receipt_dynamo/__init__.py": b"VERSION = 1\\n"}
    files[INFO + "/METADATA"] = b"Metadata-Version: 2.1\\nName: receipt-dynamo\\nVersion: 0.1.0\\n"
    files[INFO + "/WHEEL"] = f"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n".encode()
    rows = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows += f"{name},sha256={digest},{len(data)}\\n"
    files[INFO + "/RECORD"] = (rows + INFO + "/RECORD,,\\n").encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)

def build_wheel(directory, config_settings=None, metadata_directory=None):
    write(os.path.join(directory, NAME))
    return NAME
"""
"""A backend that makes a wheel by hand, with equal bytes on every Python. A test may define more after it."""


def in_tree(directory: Path, more: str = "", *, files: Mapping[str, str] | None = None) -> Project:
    """Returns a project with a backend of its own; `more` is Python that comes after IN_TREE."""
    texts = {"pyproject.toml": PYPROJECT.format(backend="own"), "tools/own.py": IN_TREE + more}
    return project(directory, {**texts, **(files or {})}, "own", backend_path=("tools",))


def project(
    directory: Path, files: Mapping[str, str], backend: str, *, backend_path: Sequence[str] = ()
) -> Project:
    """Returns the project receipt-dynamo with `files`, written to `directory`."""
    tree = SourceTree(directory)
    for path, text in files.items():
        tree.add(path, [text.encode()], executable=False)
    tree.finish()
    return Project(name="receipt-dynamo", source=directory, backend=backend, backend_path=backend_path)


@functools.cache
def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="backends-"))
    atexit.register(remove_tree, directory)
    return directory


@functools.cache
def backend_wheels(requirement: str) -> tuple[LockedWheel, ...]:
    """Returns what pip would install for a build requirement; skips where pip cannot get it."""
    into = _directory() / "wheels" / hashlib.sha256(requirement.encode()).hexdigest()
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--dest", str(into)]
    ran = subprocess.run([*command, requirement], capture_output=True, text=True, check=False)
    if ran.returncode:
        unavailable(f"needs a package index that has {requirement}: {ran.stderr.strip()[-500:]}")
    return tuple(locked(path) for path in sorted(into.iterdir()))


def locked(path: Path) -> LockedWheel:
    """Returns the wheel at `path` as a lock has it; `index` finds it beside the others of `path.parent`."""
    name, version, _, _ = parse_wheel_filename(path.name)
    data = path.read_bytes()
    file = LockedFile.of(path.name, len(data), hashlib.sha256(data).hexdigest())
    return LockedWheel(name, str(version), file)


def build_lock(wheels: Sequence[LockedWheel]) -> BuildLock:
    packages = [LockedPackage.of(wheel.name, wheel.version, [wheel.file]) for wheel in wheels]
    return BuildLock.of([wheel.name for wheel in wheels], packages)


def index(*directories: Path) -> Index:
    """Returns an index of the wheels in `directories`, or of all that `backend_wheels` fetched."""
    places = directories or tuple((_directory() / "wheels").iterdir())
    return Index(settings_of(PIP_NO_INDEX="1", PIP_FIND_LINKS=" ".join(map(str, places))))


@functools.cache
def environments() -> Environments:
    """Environments that all tests of this process share."""
    return Environments(_directory() / "environments", index)


def environment(*requirements: str) -> Environment:
    """Returns an environment with what `requirements` need; without any, with nothing."""
    wheels = {wheel.name: wheel for text in requirements for wheel in backend_wheels(text)}
    return environments().get(tuple(wheels.values()), never)
