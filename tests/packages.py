"""First-party packages for tests: made by a backend of their own, so that none has to be fetched."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from lambdabuild.python.lock import Lock
from lambdabuild.python.lock_file import print_lock
from lambdabuild.python.locked import LockedFile, LockedPackage
from lambdabuild.python.platforms import Combination

PYTHON, LIBC = "3.12", "glibc 2.34"
COMBINATIONS = tuple(Combination.of(PYTHON, LIBC, f"linux/{each}") for each in ("amd64", "arm64"))

BACKEND = """
import base64, hashlib, pathlib, tomllib, zipfile


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    name, version = project["name"].replace("-", "_").replace(".", "_").lower(), project["version"]
    info = f"{name}-{version}.dist-info"
    files = {str(path): path.read_bytes() for path in sorted(pathlib.Path(name).rglob("*")) if path.is_file()}
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n".encode()
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    rows = ""
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        rows += f"{path},sha256={digest},{len(data)}\\n"
    files[f"{info}/RECORD"] = (rows + f"{info}/RECORD,,\\n").encode()
    wheel = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / wheel, "w") as archive:
        for path, data in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), data)
    return wheel
"""


def package(
    directory: str,
    requires: Iterable[str] = (),
    *,
    name: str = "",
    extras: Mapping[str, Sequence[str]] | None = None,
    version: str = "1.0",
    more: str = "",
    attrs: str = "",
) -> dict[str, str]:
    """Returns the files of a package in `directory`, by path in the workspace.

    more:  lines at the end of [project].
    attrs: more attributes of the target.
    """
    module = (name or directory.rpartition("/")[2]).replace("-", "_").replace(".", "_").lower()
    pyproject = (
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n\n'
        f'[project]\nname = "{name or directory.rpartition("/")[2]}"\nversion = "{version}"\n'
        f"dependencies = {json.dumps(list(requires))}\n{more}\n"
    )
    if extras:
        pyproject += "[project.optional-dependencies]\n"
        pyproject += "".join(f"{extra} = {json.dumps(list(texts))}\n" for extra, texts in extras.items())
    target = directory.rpartition("/")[2]
    return {
        f"{directory}/pyproject.toml": pyproject,
        f"{directory}/backend.py": BACKEND,
        f"{directory}/{module}/__init__.py": f'NAME = "{module}"\n',
        f"{directory}/BUILD": (
            f'python_package(\n    name = "{target}",\n    srcs = glob(["**/*.py"], exclude = ["tests/**"]),\n'
            f"{attrs})\n"
        ),
    }


def base(name: str = "base", more: str = "", *, below: str = "scratch") -> str:
    """Returns a base_image without an interpreter that says what it would hold."""
    return (
        f'base_image(\n    name = "{name}",\n    base = "{below}",\n    python = "{PYTHON}",\n'
        f'    libc = "{LIBC}",\n{more})\n'
    )


def lock(packages: Mapping[str, Sequence[str]], requirements: Iterable[str], *, size: int = 1000) -> bytes:
    """Returns a python.lock of wheels that are nowhere.

    packages: "six 1.16" -> what it requires.
    """
    entries = []
    for text, requires in packages.items():
        name, version = text.split()
        file = LockedFile.of(f"{name.replace('-', '_')}-{version}-py3-none-any.whl", size, "ab" * 32)
        entries.append(LockedPackage.of(name, version, [file], requires=requires))
    return print_lock(Lock.of(COMBINATIONS, requirements, entries))
