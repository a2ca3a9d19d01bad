"""Spans -> a file in Chrome's Trace Event Format, which Perfetto and chrome://tracing show.

The JSON object form: each span is a complete event ("ph": "X"), with times in
microseconds since the process began; metadata events ("ph": "M") name processes
and threads. Both are numbered in the order in which they first did something,
since a thread's own number may be another's later.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lambdabuild import __version__
from lambdabuild.errors import UserError
from lambdabuild.store.local import write_atomically
from lambdabuild.tracing import Row, Span

_BEGINNING: Final = b'{"traceEvents":['


def writable(text: str, directory: Path) -> Path:
    """Returns the file that `--profile` names, seen from `directory`; raises UserError if it cannot be one.

    What is there must be an earlier profile, so that no mistake costs a source.
    """
    example = "name a file: --profile build.json"
    if text == "-":
        raise UserError("a profile goes to a file, not to standard output", hint=example)
    if text.startswith(("//", ":", "-")):
        raise UserError(f"--profile takes a file, and {text} is none", hint=f"{example} {text}")
    path = Path(os.path.realpath(directory / text))
    if path.is_dir() or not text:
        raise UserError(f"the profile cannot be written: {text!r} is a directory", hint=example)
    try:
        if path.exists() and not _is_replaceable(path):
            raise UserError(f"{text} is there and is no profile", hint="remove it, or name another file")
        with tempfile.TemporaryFile(dir=path.parent):
            return path
    except OSError as error:
        raise UserError(f"the profile cannot be written to {text}: {error.strerror}", hint=example) from None


def _is_replaceable(path: Path) -> bool:
    if not path.is_file():  # renaming over a device would remove it
        return False
    with open(path, "rb") as file:
        return file.read(len(_BEGINNING)) in (b"", _BEGINNING)


def write(path: Path, spans: Sequence[Span], began: int) -> None:
    """Writes the file, whole or not at all; raises ExternalError.

    began: when time begins, by time.monotonic_ns.
    """
    other = {"version": f"lambdabuild {__version__}"}
    events = b",\n".join(json.dumps(event, ensure_ascii=False).encode() for event in _events(spans, began))
    end = f'],\n"displayTimeUnit":"ms","otherData":{json.dumps(other)}}}\n'
    write_atomically(path, _BEGINNING + b"\n" + events + end.encode(), path.parent)


def _events(spans: Sequence[Span], began: int) -> Iterator[Mapping[str, Any]]:
    """Yields metadata first, then each span, outer ones before those within them."""
    ordered = sorted(spans, key=lambda span: (span.started, -span.ended))
    processes: dict[tuple[str, int], int] = {}
    rows: dict[Row, int] = {}
    for span in ordered:
        processes.setdefault(span.row[:2], len(processes) + 1)
        rows.setdefault(span.row, len(rows) + 1)
    for (name, _), number in processes.items():
        yield _named("process", name, number, 0)
    for row, number in rows.items():
        yield _named("thread", row.name, processes[row[:2]], number)
    for span in ordered:
        yield {
            "ph": "X",
            "cat": span.kind,
            "name": span.name,
            "pid": processes[span.row[:2]],
            "tid": rows[span.row],
            "ts": (span.started - began) / 1000,
            "dur": (span.ended - span.started) / 1000,
            "args": span.details,
        }


def _named(what: str, name: str, process: int, thread: int) -> Mapping[str, Any]:
    """Returns the event that gives a process or a thread its name."""
    return {
        "ph": "M",
        "name": f"{what}_name",
        "pid": process,
        "tid": thread,
        "args": {"name": name},
    }


def process_began() -> int | None:
    """Returns when this process began, by time.monotonic_ns, to a hundredth of a second; None if unknown.

    Linux tells it in ticks since the machine started (proc(5), field 22 of stat), by a clock that
    also counts while the machine sleeps.
    """
    try:
        with open("/proc/self/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        asleep = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
        return ticks * (10**9 // os.sysconf("SC_CLK_TCK")) - asleep
    except (OSError, ValueError, IndexError, AttributeError):
        return None
