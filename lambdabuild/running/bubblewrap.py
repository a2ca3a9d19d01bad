"""Starts images in bubblewrap: no daemon, no root.

The function's uid is one in a user namespace, where it stands for whoever runs
lambdabuild, without capabilities. So files that only their owner may read can be
read here, and not on Lambda; `lambdabuild check` finds these.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lambdabuild.running.filesystem import unpacked
from lambdabuild.running.runner import UID, RunnableImage, kill, popen, try_out

_NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try")


class Bubblewrap:
    """See runner.Runner."""

    name = "bwrap"
    api_host = "127.0.0.1"

    def problem(self) -> str | None:
        return try_out([*_arguments(UID, UID, Path("/")), "--", "true"])

    def describe(self) -> str:
        return "bubblewrap: in namespaces of its own, with this machine's network"

    @contextlib.contextmanager
    def started(
        self, image: RunnableImage, arguments: Sequence[str], env: Mapping[str, str], scratch: Path
    ) -> Iterator[subprocess.Popen[bytes]]:
        with unpacked(image, scratch) as its:
            more = ["--bind", str(its.tmp), "/tmp", "--chdir", its.working_dir, "--clearenv"]  # noqa: S108
            more += [word for variable in env.items() for word in ("--setenv", *variable)]
            # In a file: an environment may hold secrets, and anybody can see arguments.
            listing = its.state / "arguments"
            listing.write_bytes(b"".join(os.fsencode(word) + b"\0" for word in more))
            with listing.open("rb") as file:
                sandbox = [*_arguments(its.uid, its.gid, its.root), "--args", str(file.fileno())]
                process = popen([*sandbox, "--", *arguments], pass_fds=[file.fileno()])
            try:
                yield process
            finally:
                kill(process)

    def refusal(self, last_lines: Sequence[str]) -> str | None:
        complaint = re.fullmatch(r"bwrap: (?!execvp )(.*)", last_lines[-1]) if last_lines else None
        return complaint[1] if complaint else None


def _arguments(uid: int, gid: int, root: Path) -> list[str]:
    arguments = ["bwrap", "--die-with-parent", *_NAMESPACES, "--uid", str(uid), "--gid", str(gid)]
    arguments += ["--hostname", "lambda", "--ro-bind", str(root), "/", "--proc", "/proc"]
    # Read-only, so that there is no shared memory to write to, as on Lambda.
    return [*arguments, "--dev", "/dev", "--remount-ro", "/dev"]
