"""Running a build backend as another user: what it may use, and what comes back.

Only root can do that; it keeps a backend from the environment and the files of who
runs it. What it makes is copied before it is looked at, since a process that it left
behind could still change the original.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path


def hand_over(tree: Path, user: int) -> None:
    """Makes `user` the owner of a directory and of all in it; links are not followed."""
    for directory, _, names in os.walk(tree):
        os.chown(directory, user, user, follow_symlinks=False)
        for name in names:
            os.chown(Path(directory) / name, user, user, follow_symlinks=False)


def open_way(path: Path) -> None:
    """Lets everybody pass through the directories above `path`, and through itself, without listing them."""
    for directory in (path, *path.parents):
        mode = stat.S_IMODE(directory.stat().st_mode)
        if directory.is_dir() and not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


def take(name: Path, into: Path) -> bool:
    """Copies a file that another user made; returns whether it was a regular file and no link."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return False
    with open(descriptor, "rb") as source, open(into, "wb") as target:
        shutil.copyfileobj(source, target)
    return True
