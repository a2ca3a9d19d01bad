"""Runs work in a forked process, so that Starlark cannot take ours down.

Native operations of the evaluator (`"x" * 2000000000`, a product of huge
integers) can exhaust memory or never come back, and no callback is asked while
they run. The child has a bounded address space, a large stack, and has to show
signs of life; a child that dies or falls silent becomes a UserError that names
the file it was working on. Results come back pickled over a pipe.
"""

from __future__ import annotations

import contextlib
import faulthandler
import mmap
import os
import pickle
import resource
import select
import signal
import struct
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, TypeVar

from lambdabuild.collector import held_back
from lambdabuild.errors import LambdaBuildError, Location, UserError
from lambdabuild.starlark.interpreter import EXHAUSTED, EXHAUSTED_HINT

T = TypeVar("T")
Beat: TypeAlias = Callable[[str], None]
Emit: TypeAlias = Callable[[Any], None]

STACK_BYTES = 512 << 20
MEMORY_BYTES = 3 << 30
CPU_SECONDS = 300
PATIENCE_SECONDS = 20.0
_MOST_WAITS = 15
_LENGTH = struct.Struct("<Q")


def isolated(
    work: Callable[[Beat, Emit], T],
    *,
    on_event: Callable[[Any], None] = lambda event: None,
    patience: float = PATIENCE_SECONDS,
    memory: int = MEMORY_BYTES,
) -> T:
    """Returns what `work(beat, emit)` returns, run in a child process.

    beat(name) says what is being worked on, and that there is progress; it is
    cheap. emit(value) hands a value to `on_event` here while the work goes on.
    Errors of `work` are raised here. Raises UserError when the child runs out
    of memory, crashes, or is silent for `patience` seconds in which it had a core.
    """
    life = mmap.mmap(-1, mmap.PAGESIZE)
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # The child only runs this module's code and Starlark; it takes no lock that a thread may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        os.close(reader)
        _child(work, life, writer, memory)
    os.close(writer)
    finished = False
    try:
        with open(reader, "rb") as pipe:
            kind, value = _listen(pipe, _Silence(pid, life, patience), on_event)
        finished = True
    finally:
        if not finished:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if kind == "result":
        return value  # type: ignore[no-any-return]
    if kind == "error":
        raise value
    if kind == "bug":
        raise RuntimeError(f"the evaluation process failed:\n{value}")
    if kind == "death" and not os.WIFSIGNALED(status):
        raise RuntimeError(f"the evaluation process ended with exit code {os.waitstatus_to_exitcode(status)}")
    # The evaluator was aborted, overflowed its stack, or had no memory left.
    raise UserError(EXHAUSTED, at=Location(_file(life)), hint=EXHAUSTED_HINT)


def _child(work: Callable[[Beat, Emit], Any], life: mmap.mmap, writer: int, memory: int) -> None:
    """Never returns. Runs `work` on a thread with a large stack and sends its outcome."""
    outcome: list[bytes] = []

    def beat(name: str) -> None:
        life[8:] = name.encode(errors="replace")[: len(life) - 9].ljust(len(life) - 8, b"\0")
        life[:8] = (int.from_bytes(life[:8], "little") + 1 & (1 << 64) - 1).to_bytes(8, "little")

    def run() -> None:
        try:
            result = work(beat, lambda value: _send(pipe, _message("event", value)))
            outcome.append(_message("result", result))
        except LambdaBuildError as error:
            outcome.append(_message("error", error))
        except MemoryError:
            outcome.append(_message("exhausted", None))
        except BaseException:
            outcome.append(_message("bug", traceback.format_exc()))

    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent sees it, and ends us
        # A panic or a crash prints a report of its own; what users see comes through the pipe.
        faulthandler.disable()
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        with contextlib.suppress(ValueError, OSError):  # not enforced on macOS
            most = _inherited_bytes() + memory
            resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        # Ends a child whose parent was killed, and what host functions make endless.
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        threading.stack_size(STACK_BYTES)
        with open(writer, "wb") as pipe:
            thread = threading.Thread(target=run, name="evaluation")
            thread.start()
            thread.join()
            _send(pipe, outcome[0])
        status = 0
    finally:
        os._exit(status)


def _message(kind: str, value: Any) -> bytes:
    data = pickle.dumps((kind, value), protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


def _inherited_bytes() -> int:
    """Returns the size of what the parent left in memory, no fault of a BUILD file; 0 if unknown."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * resource.getpagesize()
    except OSError:
        return 0


def _send(pipe: BinaryIO, message: bytes) -> None:
    pipe.write(message)
    pipe.flush()


def _listen(pipe: BinaryIO, silence: _Silence, on_event: Callable[[Any], None]) -> tuple[str, Any]:
    while True:
        head = _read(pipe, _LENGTH.size, silence)
        body = _read(pipe, _LENGTH.unpack(head)[0], silence) if head else None
        if body is None:
            return "death", None
        with held_back():
            kind, value = pickle.loads(body)  # noqa: S301  (written by our own child)
        if kind != "event":
            return kind, value
        on_event(value)


def _read(pipe: BinaryIO, size: int, silence: _Silence) -> bytes | None:
    """Returns `size` bytes, or None at the end; raises UserError when the child falls silent."""
    data = bytearray()
    while len(data) < size:
        ready, _, _ = select.select([pipe], [], [], silence.patience)
        if not ready:
            silence.check()
            continue
        piece = os.read(pipe.fileno(), min(size - len(data), 1 << 20))
        if not piece:
            return None
        data += piece
    return bytes(data)


class _Silence:
    """How long a child has shown no sign of life.

    What counts are the seconds that it had a core: on a busy machine it may get none for long.
    """

    def __init__(self, pid: int, life: mmap.mmap, patience: float) -> None:
        self.patience = patience
        self._pid = pid
        self._life = life
        self._last = self._now()

    def check(self) -> None:
        """Raises UserError if it has been silent for too long."""
        sign, busy, passed = self._now()
        if sign != self._last[0]:
            self._last = (sign, busy, passed)
        elif busy - self._last[1] >= self.patience or passed - self._last[2] >= _MOST_WAITS * self.patience:
            raise _stuck(self._life, self.patience)

    def _now(self) -> tuple[bytes, float, float]:
        """Returns the last sign of life, and the seconds that the child has had a core, and have passed."""
        passed = time.monotonic()
        return self._life[:8], _busy_seconds(self._pid, passed), passed


def _busy_seconds(pid: int, passed: float) -> float:
    """Returns the seconds for which a process has had a core; those that have `passed` if nobody tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return passed
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _file(life: mmap.mmap) -> str:
    return life[8:].rstrip(b"\0").decode(errors="replace")


def _stuck(life: mmap.mmap, patience: float) -> UserError:
    return UserError(
        f"evaluation makes no progress: one operation went on for more than {patience:g} seconds",
        at=Location(_file(life)),
        hint="look for arithmetic or repetition that makes huge values",
    )
