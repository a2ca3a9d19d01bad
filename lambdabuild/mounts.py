"""Which file systems tell by a file's status whether it has changed.

What is believed without reading it again needs inodes that last, and a change
time that the kernel of this machine sets to the nanosecond. Network and FUSE
file systems promise neither, FAT has no change time at all. So there is a list
of those that do, and what lies on another is read each time. Absent: macOS has
no such table; there, all are believed but those with coarse times, which show.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable

_LASTING = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "bcachefs", "jfs", "tmpfs", "overlay", "ramfs"}
)
_TABLE = "/proc/self/mountinfo"


def lasting(table: str | None = None) -> Callable[[str], bool]:
    """Returns what tells whether an absolute path lies on a file system that can be believed.

    table: what /proc/self/mountinfo says, if not what this machine's does.
    """
    text = _read() if table is None else table
    if text is None:
        return lambda path: True
    mounted = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        mounted[_unescaped(before.split(" ")[4])] = after.split(" ")[0]

    def believed(path: str) -> bool:
        while path not in mounted and path != os.path.dirname(path):
            path = os.path.dirname(path)
        return mounted.get(path) in _LASTING

    return believed


def _read() -> str | None:
    try:
        with open(_TABLE, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return None


def _unescaped(path: str) -> str:
    """Returns a path of the table as it is: proc(5) has blanks in it as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
