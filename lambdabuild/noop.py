"""Answers "same question, same files as last time?", and nothing else.

A build tool is mostly asked whether something has changed, and mostly nothing
has. So this module looks at the status of everything that the last answer stood
on, and if all is as it was, prints it again. Whatever is not clearly the same is
left to those who know what it means: absent are BUILD files, digests, stores,
and every import that the answer can do without.
"""

from __future__ import annotations

import os
import sys
import time

from lambdabuild import __version__, state

TYPE_CHECKING = False
if TYPE_CHECKING:  # every start would pay for it
    from collections.abc import Sequence

COMMANDS = frozenset({"build", "hash", "query"})
_SHARE = 8_000
"""Paths that are worth a process of their own."""

_MOST_PROCESSES = 4


def answer(arguments: Sequence[str], started: float) -> int | None:
    """Prints the answer that is known for a command line, and returns its exit code; None if there is none.

    started: by time.monotonic.
    """
    try:
        asked = question(arguments)
        kept = state.read(state.place(cache_directory(), asked), asked) if asked else None
        if kept is None or not _plain_output() or not unchanged(kept):
            return None
    except (OSError, ValueError, state.StatusError):
        return None
    return _print(kept.answer, time.monotonic() - started)


def cache_directory() -> str:
    """Returns $XDG_CACHE_HOME/lambdabuild, or ~/.cache/lambdabuild; "" where there is no home."""
    chosen = os.environ.get("XDG_CACHE_HOME", "")
    base = chosen if os.path.isabs(chosen) else os.path.expanduser("~/.cache")
    return f"{base}/lambdabuild" if os.path.isabs(base) else ""


def question(arguments: Sequence[str]) -> bytes | None:
    """Returns all that decides an answer but for files; None for what is not answered here.

    That is the command line and where it was given, who asks, the environment as
    far as lambdabuild or Python look at it, and which lambdabuild and Python these are.
    """
    start = _start(arguments)
    if not arguments or arguments[0] not in COMMANDS or "-" in arguments or start is None:
        return None
    if sys.getfilesystemencoding() != "utf-8" or "_LAMBDABUILD_COMPLETE" in os.environ:
        return None
    environment = sorted(
        f"{name}={value}"
        for name, value in os.environ.items()
        if name.startswith(("LAMBDABUILD_", "PYTHON", "XDG_CACHE_HOME"))
    )
    machine = os.uname()
    here = [
        *(__version__, os.path.dirname(__file__), sys.version, sys.executable, sys.prefix),
        *(machine.sysname, machine.machine, _libc(), str(os.geteuid()), start),
    ]
    parts = [*map(str, (len(here), len(environment))), *here, *environment, *arguments]
    return "\0".join(parts).encode("utf-8", "surrogateescape")


def _libc() -> str:
    """Returns the C library and its version, where that can be asked."""
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return ""


def _start(arguments: Sequence[str]) -> str | None:
    """Returns the directory that -C names, links followed, or the current one; None in doubt."""
    chosen = "."
    for number, word in enumerate(arguments):
        if word in ("-C", "--directory"):
            chosen = "".join(arguments[number + 1 : number + 2])
        elif word.startswith("--directory="):
            chosen = word.partition("=")[2]
        elif word.startswith("-C"):
            chosen = word[2:]
        elif word.startswith("-") and not word.startswith(("--", "-//", "-:")) and "C" in word:
            return None  # -kC DIR
    return os.path.realpath(chosen)


def unchanged(kept: state.State) -> bool:
    """Tells whether all that an answer stands on is as it was; raises OSError where something is gone."""
    paths = kept.paths.split(b"\0")
    del paths[-1]
    before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.chdir(kept.root)
        return _alike(paths, kept.statuses)
    finally:
        os.fchdir(before)
        os.close(before)


def _alike(paths: list[bytes], wanted: bytes) -> bool:
    """Tells whether the statuses of `paths` are those; forked processes take their share of many."""
    count = min(len(paths) // _SHARE + 1, os.cpu_count() or 1, _MOST_PROCESSES)
    bounds = [len(paths) * number // count for number in range(count + 1)]
    children = [_fork(paths, wanted, *bounds[number : number + 2]) for number in range(1, count)]
    same = False
    try:
        same = _same(paths, wanted, 0, bounds[1])
    finally:
        codes = [os.waitpid(child, 0)[1] for child in children]
    return same and not any(codes)


def _same(paths: list[bytes], wanted: bytes, start: int, end: int) -> bool:
    return state.statuses(paths[start:end]) == wanted[start * state.BYTES : end * state.BYTES]


def _fork(paths: list[bytes], wanted: bytes, start: int, end: int) -> int:
    """Returns the id of a process that ends with 0 if the statuses of a part are as they were."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if _same(paths, wanted, start, end) else 1
        finally:
            os._exit(code)
    return child


def _plain_output() -> bool:
    """Tells whether text comes out as it was kept."""
    streams = (sys.stdout, sys.stderr)
    return all(stream is not None and stream.encoding == "utf-8" for stream in streams)


def _print(pieces: bytes, seconds: float) -> int:
    """Prints an answer; returns the exit code."""
    for piece in pieces.decode().split("\0")[:-1]:
        error = piece[0] == "2"
        text = piece[1:].replace(state.SECONDS, f"{seconds:.2f}" if error else str(round(seconds, 3)))
        (sys.stderr if error else sys.stdout).write(text)
    sys.stdout.flush()
    sys.stderr.flush()
    return 0
