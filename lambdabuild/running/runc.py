"""Starts images in runc, for root.

Not for others: without root it can map one user only, which must be root in the
container, and a function is not root on Lambda.

Format of config.json: OCI runtime specification 1.0.2, "config.md".
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lambdabuild.running.filesystem import Filesystem, unpacked
from lambdabuild.running.runner import UID, RunnableImage, kill, popen, try_out


class Runc:
    """See runner.Runner."""

    name = "runc"
    api_host = "127.0.0.1"

    def problem(self) -> str | None:
        true = shutil.which("true")
        if shutil.which("runc") is None or true is None:
            return "runc is not installed"
        if os.geteuid() != 0:
            return "runc needs root to start a program as another user"
        with tempfile.TemporaryDirectory(prefix="lambdabuild-") as temporary:
            root, tmp, state = (Path(temporary, name) for name in ("root", "tmp", "state"))
            its = Filesystem(root, tmp, state, "/", UID, UID)
            for directory in (its.root, its.tmp, its.state):
                directory.mkdir()
            programs = [_bind(path, path, "ro") for path in _system_directories()]
            _write_bundle(its, [true], {}, programs)
            return try_out(_command(its, f"lambdabuild-{uuid.uuid4().hex}"))

    def describe(self) -> str:
        return "runc: in a container with this machine's network"

    @contextlib.contextmanager
    def started(
        self, image: RunnableImage, arguments: Sequence[str], env: Mapping[str, str], scratch: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        with unpacked(image, scratch) as its:
            _write_bundle(its, arguments, env)
            container = f"lambdabuild-{uuid.uuid4().hex}"
            process = popen(_command(its, container))
            try:
                yield process
            finally:
                state = ["runc", "--root", str(its.state / "runc")]
                subprocess.run([*state, "delete", "--force", container], capture_output=True, check=False)
                kill(process)

    def refusal(self, last_lines: Sequence[str]) -> str | None:
        for line in last_lines:
            complaint = re.search(r'level=error msg="(.*)"', line)
            # What follows is about the program, which is the image's affair.
            if complaint and "exec: " not in complaint[1] and "exec user process" not in complaint[1]:
                return complaint[1]
        return None


def _command(its: Filesystem, container: str) -> list[str]:
    state = ["runc", "--root", str(its.state / "runc")]
    return [*state, "run", "--bundle", str(its.state), container]


def _write_bundle(
    its: Filesystem,
    arguments: Sequence[str],
    env: Mapping[str, str],
    mounts: Sequence[Mapping[str, object]] = (),
) -> None:
    system = [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        # Without /dev/shm, as on Lambda.
        _mount("/dev", "tmpfs", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=64k", "ro"]),
        _bind(its.tmp, Path("/tmp"), "rw"),  # noqa: S108 (the image's)
    ]
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": its.uid, "gid": its.gid},
            "args": list(arguments),
            "env": [f"{name}={value}" for name, value in env.items()],
            "cwd": its.working_dir,
            "noNewPrivileges": True,
        },
        "root": {"path": str(its.root), "readonly": True},
        "hostname": "lambda",
        "mounts": [*system, *mounts],
        "linux": {
            "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
            "maskedPaths": ["/proc/kcore", "/proc/keys"],
            "readonlyPaths": ["/proc/sys"],
        },
    }
    (its.state / "config.json").write_text(json.dumps(config))


def _mount(destination: str, kind: str, source: str, options: Sequence[str]) -> dict[str, object]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _bind(source: Path, destination: Path, mode: str) -> dict[str, object]:
    return _mount(str(destination), "bind", str(source), ["rbind", mode])


def _system_directories() -> list[Path]:
    """Returns the directories of this machine without which no program starts."""
    names = ("bin", "lib", "lib64", "nix", "usr")
    return [directory for name in names if (directory := Path("/", name)).is_dir()]
