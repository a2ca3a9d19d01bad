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
_FLAGS = frozenset({"-k", "--keep-going", "--json"})
"""Options that take no value."""


class Doubt:
    """An answer that may not hold.

    began:   a moment before the first of them was looked at, by both clocks, in nanoseconds.
    changed: numbers of the paths whose status is not what it was.
    """

    __slots__ = ("began", "changed", "kept", "paths")

    def __init__(
        self, began: tuple[int, int], kept: state.State, paths: list[bytes], changed: list[int]
    ) -> None:
        self.began = began
        self.kept = kept
        self.paths = paths
        self.changed = changed


def answer(arguments: Sequence[str], started: float) -> int | Doubt | None:
    """Prints the answer that is known for a command line, and returns its exit code.

    Returns the doubt if there is one, or None if no answer is known.
    started: by time.monotonic.
    """
    try:
        asked = question(arguments)
        kept = state.read(state.place(cache_directory(), asked), asked) if asked else None
        if kept is None:
            return None
        doubt = compare(kept)
    except (OSError, ValueError):
        return None
    if doubt.changed or len(without_profile(arguments)) < len(arguments) or not _plain_output():
        return doubt
    return _print(kept.answer, time.monotonic() - started)


def without_profile(arguments: Sequence[str]) -> list[str]:
    """Returns `arguments` without --profile FILE: an answer does not depend on who watches.

    It stays where the word before may be an option that takes it for its value.
    """
    words = list(arguments)
    for number, word in enumerate(words):
        before = words[number - 1]
        if word.partition("=")[0] == "--profile" and (before in _FLAGS or not before.startswith("-")):
            return words[:number] + words[number + (1 if "=" in word else 2) :]
    return words


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
    arguments = without_profile(arguments)
    start = _start(arguments)
    if not arguments or arguments[0] not in COMMANDS or start is None:
        return None
    if not {"-", "--"}.isdisjoint(arguments) or any(word.startswith("--profile") for word in arguments):
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
    """Returns the current directory, and the one that -C names, links followed; None in doubt."""
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
    try:
        return f"{os.getcwd()}\0{os.path.realpath(chosen)}"
    except OSError:
        return None


def compare(kept: state.State) -> Doubt:
    """Returns which of the paths that an answer stands on are not as they were; raises OSError."""
    began = time.time_ns(), time.monotonic_ns()
    paths = kept.paths.split(b"\0")
    del paths[-1]
    before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.chdir(kept.root)
        return Doubt(began, kept, paths, _changed(paths, kept.statuses))
    finally:
        os.fchdir(before)
        os.close(before)


def _changed(paths: list[bytes], wanted: bytes) -> list[int]:
    """Returns the numbers of paths with another status; forked processes take their share of many."""
    count = min(len(paths) // _SHARE + 1, os.cpu_count() or 1, _MOST_PROCESSES)
    bounds = [len(paths) * number // count for number in range(count + 1)]
    helpers = [_fork(paths, wanted, *bounds[number : number + 2]) for number in range(1, count)]
    found = None
    try:
        found = _differing(paths, wanted, 0, bounds[1])
    finally:
        reports = [_report_of(*helper) for helper in helpers]
    for report in reports:
        found += [int(word) for word in report.split()]
    return found


def _differing(paths: list[bytes], wanted: bytes, start: int, end: int) -> list[int]:
    """Returns the numbers from `start` to `end` of the paths with another status."""
    try:
        found = state.statuses(paths[start:end])
    except (OSError, state.StatusError):
        return [number for number in range(start, end) if _differs(paths, wanted, number)]
    size = state.BYTES
    if found == wanted[start * size : end * size]:
        return []
    return [
        number
        for number in range(start, end)
        if found[(number - start) * size : (number - start + 1) * size]
        != wanted[number * size : (number + 1) * size]
    ]


def _differs(paths: list[bytes], wanted: bytes, number: int) -> bool:
    try:
        found = state.statuses(paths[number : number + 1])
    except (OSError, state.StatusError):
        return True
    return found != wanted[number * state.BYTES : (number + 1) * state.BYTES]


def _fork(paths: list[bytes], wanted: bytes, start: int, end: int) -> tuple[int, int]:
    """Returns the id of a process that looks at a part of the paths, and a pipe that it writes numbers to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    code = 1
    try:
        with open(writer, "w") as pipe:
            pipe.write(" ".join(map(str, _differing(paths, wanted, start, end))))
        code = 0
    finally:
        os._exit(code)


def _report_of(child: int, reader: int) -> str:
    """Returns what a process wrote; raises OSError if it failed."""
    with open(reader) as pipe:
        report = pipe.read()
    if os.waitpid(child, 0)[1]:
        raise ChildProcessError("a part of the files was not looked at")
    return report


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
