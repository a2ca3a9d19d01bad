"""A package index that is a directory of tiny packages, for pip, pex and lambdabuild alike."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lambdabuild.python.index import Index, read_settings

BACKEND = """\
import base64, hashlib, os, zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    import tiny_helper
    with open("PKG-INFO") as file:
        text = file.read()
    name, version = (line.partition(": ")[2] for line in text.splitlines()[1:3])
    return write(directory, name, version, "py3-none-any", {f"{name}.py": ""}, text)

def write(directory, name, version, tag, modules, text):
    info = f"{name}-{version}.dist-info"
    wheel = f"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: {tag}\\n"
    files = {**modules, f"{info}/METADATA": text, f"{info}/WHEEL": wheel}
    record = f"{info}/RECORD,,\\n"
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).decode().rstrip("=")
        record += f"{path},sha256={digest},{len(content)}\\n"
    filename = f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(os.path.join(directory, filename), "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(zipfile.ZipInfo(path), content)
    return filename
"""
"""A build backend that needs another package. `write` makes the wheels of the index as well."""


def metadata(name: str, version: str, requires: Iterable[str], extras: Iterable[str]) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    return "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires), ""])


class TinyIndex:
    """The packages are files in `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self.directory = directory
        self._backend: dict[str, Any] = {}
        exec(BACKEND, self._backend)

    def wheel(
        self,
        name: str,
        version: str,
        *requires: str,
        extras: Iterable[str] = (),
        tag: str = "py3-none-any",
        modules: Mapping[str, str] | None = None,
    ) -> str:
        """Returns the file name of a new wheel."""
        text = metadata(name, version, requires, extras)
        contents = modules or {f"{name}.py": ""}
        filename: str = self._backend["write"](self.directory, name, version, tag, contents, text)
        return filename

    def backend(self) -> None:
        """Publishes the build backend, and what it needs."""
        self.wheel("tiny_helper", "1.0")
        self.wheel("tiny_backend", "1.0", "tiny-helper", modules={"tiny_backend.py": BACKEND})

    def sdist(self, name: str, version: str, *requires: str) -> str:
        """Returns the file name of a new source distribution, which the backend builds."""
        project = '[build-system]\nrequires = ["Tiny_Backend>=1"]\nbuild-backend = "tiny_backend"\n'
        files = {"pyproject.toml": project, "PKG-INFO": metadata(name, version, requires, ())}
        filename = f"{name}-{version}.tar.gz"
        with tarfile.open(self.directory / filename, "w:gz") as archive:
            for path, text in files.items():
                entry = tarfile.TarInfo(f"{name}-{version}/{path}")
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text.encode()))
        return filename

    @property
    def variables(self) -> dict[str, str]:
        """What pip's configuration has to be, as environment, so that there is nothing else."""
        return {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.directory)}

    @property
    def environ(self) -> dict[str, str]:
        others = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
        return others | self.variables

    @property
    def environ_beside_others(self) -> dict[str, str]:
        """With the packages of the index that this machine is set up for."""
        return {**os.environ, "PIP_FIND_LINKS": f"{os.environ.get('PIP_FIND_LINKS', '')} {self.directory}"}

    def index(self) -> Index:
        return Index(read_settings(self.variables, self.directory, []))
