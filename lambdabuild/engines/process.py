"""Programs of engines: with an environment that says little, and so that they can be stopped.

They see the variables that find a daemon, a storage or a proxy, and none of
AWS's: nothing of what may sign requests is within reach of a step.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Final

from lambdabuild.engines.transcript import Transcript
from lambdabuild.errors import ExternalError
from lambdabuild.oci.layer_files import PieceReader

_NAMES: Final = frozenset(
    {"HOME", "PATH", "TMPDIR", "USER", "LOGNAME", "LANG", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR"}
    | {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY", "ALL_PROXY"}
)
_PREFIXES: Final = ("DOCKER_", "BUILDX_", "BUILDAH_", "CONTAINERS_", "STORAGE_", "REGISTRY_AUTH_", "XDG_")

_POLL_SECONDS: Final = 0.1
_GRACE_SECONDS: Final = 5.0
"""How long a program that was asked to stop may take for it: docker tells its daemon."""
_CHUNK: Final = 1 << 16


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns those of the variables that an engine needs."""
    return {
        name: value for name, value in environ.items() if name.upper() in _NAMES or name.startswith(_PREFIXES)
    } | {"LC_ALL": "C.UTF-8"}


def ask(arguments: Sequence[str], env: Mapping[str, str], seconds: float = 30.0) -> tuple[int, str]:
    """Returns exit code and output of a short command; 127 and the reason if it cannot run."""
    try:
        done = subprocess.run(
            arguments,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=seconds,
            check=False,
        )
    except OSError as error:
        return 127, f"{arguments[0]}: {error.strerror}"
    except subprocess.TimeoutExpired:
        return 127, f"{arguments[0]} does not answer within {seconds:.0f} seconds"
    return done.returncode, done.stdout.decode(errors="replace").strip()


def run(
    arguments: Sequence[str], env: Mapping[str, str], transcript: Transcript, check: Callable[[], None]
) -> int:
    """Runs a program to its end; returns its exit code. What it prints goes to the transcript.

    check: called every tenth of a second, to stop it and all that it started by an exception.
    """
    with _started(arguments, env, stderr=subprocess.STDOUT) as process:
        for piece in _pieces(process, check):
            transcript.add(piece)
        transcript.end()
        return _ended(process, check)


@contextlib.contextmanager
def reading(
    arguments: Sequence[str], env: Mapping[str, str], check: Callable[[], None], what: str
) -> Iterator[PieceReader]:
    """Opens what a program writes to its standard output.

    Raises ExternalError, with `what` in it, unless it comes to a good end; it is
    stopped if the reader leaves with an error.
    """
    with _started(arguments, env, stderr=subprocess.DEVNULL) as process:
        reader = PieceReader(_pieces(process, check))
        yield reader
        while reader.read(_CHUNK):
            pass
        if _ended(process, check) != 0:
            raise ExternalError(f"{what} did not come to a good end", hint="build again")


@contextlib.contextmanager
def feeding(
    arguments: Sequence[str], env: Mapping[str, str], check: Callable[[], None], refusal: str
) -> Iterator[IO[bytes]]:
    """Starts a program that reads its standard input, and yields that; afterwards it has come to its end.

    Raises ExternalError, which says `refusal` and what it printed, unless the end is good.
    """
    transcript = Transcript()
    with _started(arguments, env, stdin=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:
            yield process.stdin
        for piece in _pieces(process, check):
            transcript.add(piece)
        transcript.end()
        if _ended(process, check) != 0:
            raise ExternalError(refusal, details=tuple(transcript.lines[-5:]))


@contextlib.contextmanager
def _started(
    arguments: Sequence[str], env: Mapping[str, str], *, stdin: int = subprocess.DEVNULL, stderr: int
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a program in a session of its own, of which nothing is left afterwards."""
    try:
        process = subprocess.Popen(
            arguments,
            env=env,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
            umask=0o022,
        )
    except OSError as error:
        raise ExternalError(f"cannot start {arguments[0]}: {error.strerror}") from error
    try:
        yield process
    finally:
        _stop(process)
        for pipe in (process.stdin, process.stdout):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()


def _pieces(process: subprocess.Popen[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    """Yields what comes, and stops when the program is over, even if a child of it keeps the pipe open."""
    assert process.stdout is not None
    number = process.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(number, selectors.EVENT_READ)
        while True:
            over = process.poll() is not None
            check()
            if selector.select(0 if over else _POLL_SECONDS):
                if not (data := os.read(number, _CHUNK)):
                    return
                yield data
            elif over:
                return


def _ended(process: subprocess.Popen[bytes], check: Callable[[], None]) -> int:
    while True:
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            check()


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends a program and its group: asked first, since docker and buildah clean up; then killed."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            until = time.monotonic() + _GRACE_SECONDS
            while process.poll() is None and time.monotonic() < until:
                time.sleep(_POLL_SECONDS / 4)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
