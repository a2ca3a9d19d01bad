"""Starts images in a chroot, for root where namespaces are forbidden (in most containers).

It shuts little in: the process sees this machine's processes and network, and
its root is read-only only as far as its user may not write to it. /proc is
empty. An image that wants to run as root is refused, since root can leave a
chroot.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lambdabuild.errors import ExternalError
from lambdabuild.running.filesystem import Filesystem, unpacked
from lambdabuild.running.runner import UID, RunnableImage, kill, popen, try_out

_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}


class Chroot:
    """See runner.Runner."""

    name = "chroot"
    api_host = "127.0.0.1"

    def problem(self) -> str | None:
        if sys.platform != "linux":
            return "a chroot serves on Linux only"
        if os.geteuid() != 0:
            return "chroot needs root"
        nowhere = Filesystem(Path("/"), Path("/"), Path("/"), "/", UID, UID)
        return try_out(_arguments(nowhere, None, ["true"]))

    def describe(self) -> str:
        return "chroot: as another user, but not shut in otherwise"

    @contextlib.contextmanager
    def started(
        self, image: RunnableImage, arguments: Sequence[str], env: Mapping[str, str], scratch: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        with unpacked(image, scratch) as its:
            if its.uid == 0:
                raise ExternalError(
                    "the image's user is root, whom a chroot does not hold",
                    hint="apt-get install bubblewrap",
                )
            _make_devices(its)
            variables = its.state / "environment.json"
            variables.write_text(json.dumps(dict(env)))
            process = popen(_arguments(its, variables, arguments))
            try:
                yield process
            finally:
                kill(process)
                _kill_all_in(its.root)

    def refusal(self, last_lines: Sequence[str]) -> str | None:
        prefix = "lambdabuild-enter: "
        last = last_lines[-1] if last_lines else ""
        return last.removeprefix(prefix) if last.startswith(prefix) else None


def _arguments(its: Filesystem, variables: Path | None, arguments: Sequence[str]) -> list[str]:
    enter = [sys.executable, "-I", "-S", str(Path(__file__).with_name("enter.py"))]
    enter += [str(its.root), its.working_dir, str(its.uid), str(its.gid), str(variables or "")]
    return [*enter, *arguments]


def _make_devices(its: Filesystem) -> None:
    for name, (major, minor) in _DEVICES.items():
        path = its.root / "dev" / name
        path.unlink(missing_ok=True)
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
            path.open("rb").close()  # refused where the file system is mounted "nodev"
        except OSError:
            path.unlink(missing_ok=True)
            path.touch()  # an empty file, which can be opened at least
        path.chmod(0o666)


def _kill_all_in(root: Path) -> None:
    """Kills what the process left behind, whatever session it is in; nobody else has this root."""
    expected = os.path.realpath(root)
    for _ in range(10):  # one that forks meanwhile is found the next time
        found = [pid for pid in filter(str.isdecimal, os.listdir("/proc")) if _root_of(pid) == expected]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(0.01)


def _root_of(pid: str) -> str | None:
    try:
        return os.readlink(f"/proc/{pid}/root")
    except OSError:
        return None
