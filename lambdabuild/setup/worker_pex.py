"""The installed package -> worker.pex: what a build needs of it, with the wheels that this needs.

One file for every Python and machine that a build may have. It is made of the
modules that `lambdabuild.worker` reaches, followed through their imports, and of
wheels in the very versions that are installed here, so that a worker makes the
bytes that its maker makes. Equal sources and versions give equal bytes.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import lambdabuild
from lambdabuild.errors import ActionFailed, ExternalError
from lambdabuild.python.platforms import MACHINES, Combination, pex_complete_platform

PYTHONS: Final = ("3.11", "3.12", "3.13")
PROCESSORS: Final = ("x86_64", "aarch64")
ENTRY: Final = "lambdabuild.worker"

DISTRIBUTIONS: Final = (
    "blake3",
    "boto3",
    "deflate",
    "dockerfile-parse",
    "installer",
    "packaging",
    "pyproject_hooks",
    "tomli",
    "urllib3",
)
"""What the worker imports of others. What these need comes with them."""

_LIBC = "glibc 2.28"  # that of no build image is older
_EPOCH = "315532800"  # 1980-01-01, the oldest time that a zip file can have
_ALWAYS = (
    *("--use-pip-config", "--resolver-version", "pip-2020-resolver", "--no-build", "--no-compile"),
    # Else it is where the cache of whoever packs is, and their path would be part of the worker.
    *("--runtime-pex-root", "~/.cache/pex"),
)


@dataclass(frozen=True, slots=True)
class WorkerFile:
    """A worker.pex. sha256: of its bytes, 64 hex digits."""

    path: Path
    sha256: str


def make_worker(
    out: Path, *, python_versions: Sequence[str] = PYTHONS, machines: Sequence[str] = PROCESSORS
) -> WorkerFile:
    """Writes the worker of this installation to `out`, which runs with `python3 worker.pex`.

    machines: as Linux calls them.

    Raises ExternalError where pex is missing, ActionFailed with its words where it does not succeed.
    """
    with tempfile.TemporaryDirectory(prefix="lambdabuild-worker-") as directory:
        work = Path(directory)
        stage(work / "sources")
        command = [sys.executable, "-m", "pex", *_ALWAYS, "-D", str(work / "sources"), "-m", ENTRY]
        for number, platform in enumerate(_platforms(python_versions, machines)):
            document = work / f"{number}.json"
            document.write_text(json.dumps(platform))
            command += ["--complete-platform", str(document)]
        command += ["--output-file", str(work / "worker.pex"), *requirements()]
        _run(command)
        data = (work / "worker.pex").read_bytes()
    out.write_bytes(data)
    return WorkerFile(out, hashlib.sha256(data).hexdigest())


def modules(entry: str = f"{ENTRY}.__main__") -> dict[str, Path]:
    """Returns the modules of this package that `entry` reaches, imports within functions as well."""
    root = Path(lambdabuild.__file__).parent
    found: dict[str, Path] = {}
    todo = [entry]
    while todo:
        name = todo.pop()
        path = _file_of(name, root)
        if path is None or name in found:
            continue
        found[name] = path
        todo += [name.rpartition(".")[0], *_imports(ast.parse(path.read_bytes()))]
    return found


def stage(into: Path) -> None:
    """Copies what the worker needs of this package, with nothing of this machine but its bytes."""
    root = Path(lambdabuild.__file__).parent
    for path in modules().values():
        target = into / "lambdabuild" / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(0o644)


def requirements() -> list[str]:
    """Returns what the worker needs of others, pinned to the versions that are installed here."""
    found: dict[str, str] = {}
    todo = list(DISTRIBUTIONS)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # needed by another Python than this one, and chosen by pip
        found[name] = f"{name}=={installed.version}"
        todo += _needed(installed)
    return sorted(found.values())


def _needed(installed: importlib.metadata.Distribution) -> Iterator[str]:
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    for text in installed.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield canonicalize_name(requirement.name)


def _platforms(pythons: Sequence[str], machines: Sequence[str]) -> Iterator[dict[str, object]]:
    names = {machine: platform for platform, machine in MACHINES.items()}
    for python in pythons:
        for machine in machines:
            yield pex_complete_platform(Combination.of(python, _LIBC, names[machine]))


def _file_of(name: str, root: Path) -> Path | None:
    parts = name.split(".")
    if parts[0] != "lambdabuild":
        return None
    place = root.joinpath(*parts[1:])
    candidates = (place / "__init__.py", place.with_name(f"{place.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


def _imports(node: ast.AST) -> Iterator[str]:
    """Yields what is imported below `node`, but for what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if (
            isinstance(child, ast.If)
            and isinstance(child.test, ast.Name)
            and child.test.id == "TYPE_CHECKING"
        ):
            continue
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from _imports(child)


def _run(command: Sequence[str]) -> None:
    environ = {**os.environ, "SOURCE_DATE_EPOCH": _EPOCH}
    ran = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    if ran.returncode == 0:
        return
    if "No module named pex" in ran.stderr:
        raise ExternalError("pex is not installed", hint="pip install pex")
    raise ActionFailed(
        "the worker cannot be packed",
        hint="see which package index is asked: python -m pip config list",
        details=tuple(ran.stderr.strip().splitlines()[-20:]),
    )
