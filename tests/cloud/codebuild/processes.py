"""Ending all that a build started, as the end of a container does.

A process group is not enough: what the worker starts in sessions of its own must not outlive it.
Children are found in /proc; elsewhere than on Linux only the group ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path


def kill_tree(leader: int) -> None:
    """Kills a process, its group, and what descends from it. Orphans from before are not found."""
    doomed = [leader, *_descendants(leader)]
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
    for process in doomed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def _descendants(leader: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            # proc(5): pid (comm) state ppid …; comm may hold spaces and parentheses.
            parent = int(stat.read_text(errors="replace").rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    pending = [leader]
    for process in pending:
        found = children.get(process, [])
        pending += found
        yield from found
