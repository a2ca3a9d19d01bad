"""lambdabuild, pip and uv: each makes layers of the same packages, with a cache of its own.

pip and uv install into a directory, with `--no-deps`, since all versions are
known, and without .pyc files. A layer is what tar and gzip make of it.
"""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.layouts import image_of
from benchmarks.package_workspace import EDITED, PYTHON, Workspace
from benchmarks.processes import run
from lambdabuild.oci.digest import OciDigest

_GLIBC = range(34, 16, -1)  # pip wants each minor version by name


@dataclass(frozen=True)
class Sample:
    """One run: seconds in all, seconds of tar and gzip in them, bytes of the layers that are new."""

    seconds: float
    archiving: float
    size: int


class LambdaBuild:
    """python.lock is made with caches of its own, so that it warms nothing."""

    name = "lambdabuild"
    command = (sys.executable, "-m", "lambdabuild")

    def __init__(self, workspace: Workspace, caches: Path, env: Mapping[str, str]) -> None:
        self._root = workspace.root
        self._env = {**env, "XDG_CACHE_HOME": str(caches / "lambdabuild")}
        self._lock_env = {**env, "XDG_CACHE_HOME": str(caches / "lock"), "PEX_ROOT": str(caches / "pex")}
        self._layers: dict[OciDigest, int] = {}

    def lock(self) -> float:
        """Returns the seconds that python.lock took."""
        return run([*self.command, "lock"], self._root, self._lock_env).seconds

    def build_without_outputs(self) -> Sample:
        """Builds once lambdabuild-out is gone; its removal is not timed."""
        shutil.rmtree(self._root / "lambdabuild-out")
        return self.build()

    def build(self) -> Sample:
        seconds = run([*self.command, "build", "//:image"], self._root, self._env).seconds
        image = image_of(self._root / "lambdabuild-out/image")
        before, self._layers = self._layers, {each.digest: each.size for each in image.layers}
        return Sample(seconds, 0, sum(size for digest, size in self._layers.items() if digest not in before))

    def build_in_parts(self) -> dict[str, float]:
        """Returns where the seconds of a build go."""
        labels = ["//receipts", "//:base", "//:image"]
        ran = run([*self.command, "build", "--json", *labels], self._root, self._env)
        report: dict[str, Any] = json.loads(ran.out)
        actions = [target["seconds"] for target in report["targets"]]
        return {
            "start and end of the process": ran.seconds - report["seconds"],
            "evaluating, hashing, looking up, writing outputs": report["seconds"] - sum(actions),
            **{f"actions of {label}": seconds for label, seconds in zip(labels, actions, strict=True)},
        }


class _Peer(ABC):
    """What pip and uv share: the directory that becomes the layer."""

    name: str

    def __init__(self, workspace: Workspace, directory: Path, env: Mapping[str, str]) -> None:
        self._workspace = workspace
        self._directory = directory
        self._target = directory / "target"
        self._env = dict(env)
        directory.mkdir()

    def install_all(self) -> Sample:
        """Installs everything into an empty directory, and archives that."""
        shutil.rmtree(self._target, ignore_errors=True)
        pins = self._directory / "requirements.txt"
        pins.write_text("".join(f"{pin}\n" for pin in self._workspace.pins()))
        return self._archived(self._install(pins, self._target), self._target)

    @abstractmethod
    def _install(self, pins: Path | None, target: Path) -> float:
        """Installs the package, and `pins` if given, into `target`; returns the seconds."""

    def _run(self, *command: str | Path) -> float:
        return run(command, self._directory, self._env).seconds

    def _archived(self, installing: float, target: Path) -> Sample:
        if self._workspace.mark not in (target / EDITED).read_text():
            raise SystemExit(f"{self.name} has not installed the last edit")
        layer = self._directory / "layer.tar.gz"
        archiving = self._run("tar", "--create", "--gzip", "--file", layer, "--directory", target, ".")
        return Sample(installing + archiving, archiving, layer.stat().st_size)


class Pip(_Peer):
    name = "pip"

    def __init__(self, workspace: Workspace, directory: Path, env: Mapping[str, str], python: Path) -> None:
        super().__init__(workspace, directory, {**env, "PIP_CACHE_DIR": str(directory / "cache")})
        self._pip = (python, "-m", "pip", "--quiet", "--disable-pip-version-check")

    def _install(self, pins: Path | None, target: Path) -> float:
        """Makes a wheel first: pip takes no source directory for another platform."""
        wheels = self._directory / "wheels"
        shutil.rmtree(wheels, ignore_errors=True)
        project = self._workspace.project
        seconds = self._run(*self._pip, "wheel", "--no-deps", "--wheel-dir", wheels, project)
        options = ["--no-deps", "--no-compile", "--only-binary", ":all:", "--python-version", PYTHON]
        for minor in _GLIBC:
            options += ["--platform", f"manylinux_2_{minor}_aarch64"]
        what = [*_pinned(pins), *wheels.iterdir()]
        return seconds + self._run(*self._pip, "install", "--target", target, *options, *what)


class Uv(_Peer):
    name = "uv"

    def __init__(self, workspace: Workspace, directory: Path, env: Mapping[str, str], python: Path) -> None:
        caches = {"UV_CACHE_DIR": str(directory / "cache")}
        super().__init__(workspace, directory, {**_as_uv_reads_it(python, env), **env, **caches})
        self._uv = (python.with_name("uv"), "pip", "install", "--quiet", "--python", python)

    def install_package(self) -> Sample:
        """Installs the first-party package over what is there, and archives everything."""
        return self._archived(self._install(None, self._target), self._target)

    def install_package_apart(self) -> Sample:
        """Installs the first-party package into an empty directory, and archives that alone."""
        target = self._directory / "apart"
        shutil.rmtree(target, ignore_errors=True)
        return self._archived(self._install(None, target), target)

    def _install(self, pins: Path | None, target: Path) -> float:
        """Without --reinstall-package uv would not see that a source was edited."""
        options = ["--no-deps", "--python-version", PYTHON, "--python-platform", "aarch64-manylinux_2_34"]
        options += ["--reinstall-package", "receipts"]
        what = [*_pinned(pins), self._workspace.project]
        return self._run(*self._uv, "--target", target, *options, *what)


def _pinned(pins: Path | None) -> list[str | Path]:
    return ["--requirement", pins] if pins else []


def _as_uv_reads_it(python: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that tell uv which index and certificates pip is configured for."""
    said = run([python, "-m", "pip", "config", "list"], python.parent, env).out
    known: dict[str, str] = {}
    for line in sorted(said.splitlines(), key=lambda line: line.startswith(":env:")):  # the last wins
        name, _, value = line.partition("=")
        known[name.rpartition(".")[2]] = "".join(shlex.split(value))
    names = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE"}
    return {variable: known[name] for name, variable in names.items() if name in known}
