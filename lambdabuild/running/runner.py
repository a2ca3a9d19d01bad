"""What can start an image: the protocol that docker, bubblewrap, runc and chroot follow.

As on Lambda, whatever runs the image gives it a read-only root, a /tmp that can
be written, an unprivileged user and no environment but the one it is told.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.image import Image

UID: Final = 1051
"""Whom Lambda's sandbox runs a function as, and we do unless the image's config names a user."""

TRIAL_SECONDS: Final = 10.0
"""How long a runner may take to show that it works."""


@dataclass(frozen=True)
class RunnableImage:
    """All that a runner needs of an image.

    blob: finds a layer's file by the digest of its compressed bytes.
    """

    image: Image
    blob: Callable[[OciDigest], Path]


class Runner(Protocol):
    """A way to start images on this machine.

    name:     what `choose_runner` knows it by.
    api_host: what the image's processes call this machine's 127.0.0.1.
    """

    @property
    def name(self) -> str: ...

    @property
    def api_host(self) -> str: ...

    def problem(self) -> str | None:
        """Returns why nothing can be started this way here, or None; tries it for real."""

    def describe(self) -> str:
        """Returns one line: which program starts images, and how far it shuts them in."""

    def started(
        self, image: RunnableImage, arguments: Sequence[str], env: Mapping[str, str], scratch: Path
    ) -> AbstractContextManager[subprocess.Popen[bytes]]:
        """Starts `arguments` in `image`; at the end kills all of it and removes what it left.

        env:     the whole environment.
        scratch: where temporary directories may be made.
        The process's standard output carries standard error as well, and is the caller's to read.

        Raises ExternalError if it cannot be started at all.
        """

    def refusal(self, last_lines: Sequence[str]) -> str | None:
        """Returns the runner's own complaint if `last_lines` of a process end with one."""


def popen(arguments: Sequence[str], pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Starts a runner's program in a session of its own: a terminal's Ctrl-C is ours to act on.

    It has this process's environment, not the image's, whose PATH or
    LD_LIBRARY_PATH would mislead it.
    """
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kills `process` and waits for its end. Not SIGTERM: awslambdaric as PID 1 ignores it."""
    if process.poll() is None:
        process.kill()
    process.wait()


def try_out(arguments: Sequence[str]) -> str | None:
    """Returns why `arguments` do not run to a good end, as the last line they print, or None."""
    if shutil.which(arguments[0]) is None:
        return f"{arguments[0]} is not installed"
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TRIAL_SECONDS,
            check=False,
            env={**os.environ, "LC_ALL": "C"},
        )
    except OSError as error:
        return f"{arguments[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"{arguments[0]} does not answer within {TRIAL_SECONDS:.0f} seconds"
    if done.returncode == 0:
        return None
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"{arguments[0]} ended with exit code {done.returncode}"
