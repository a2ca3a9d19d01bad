"""The files of a project, as a build backend gets to see them: equal on every machine.

Modes are 0644 or 0755, all times are `oci.tar.MTIME`. Backends put both into
wheels.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from lambdabuild.oci.tar import MTIME


class SourceTree:
    """A tree that is being made at `root`, which must not be there. `finish` ends it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._directories: set[str] = set()
        self._make_directory("")

    def add(self, path: str, pieces: Iterable[bytes], executable: bool) -> None:
        """Writes a file; `path` is relative, and has been found harmless.

        Raises OSError where a file has the place of a directory, or the other way round.
        """
        self._make_directory(path.rpartition("/")[0])
        target = self.root / path
        with open(target, "wb") as out:
            out.writelines(pieces)
        target.chmod(0o755 if executable else 0o644)

    def finish(self) -> None:
        """Gives everything its time; a file that is added later would undo that."""
        for directory, _, names in os.walk(self.root):
            for name in (*names, ""):
                os.utime(os.path.join(directory, name), (MTIME, MTIME))

    def _make_directory(self, path: str) -> None:
        if path in self._directories:
            return
        if path:
            self._make_directory(path.rpartition("/")[0])
        directory = self.root / path
        directory.mkdir()
        directory.chmod(0o755)  # whatever the umask
        self._directories.add(path)
