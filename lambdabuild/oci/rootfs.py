"""A directory tree that stands for a container's root, changed by names from outside.

Safe by construction: no name goes to the operating system before each of its
parents has been seen, by lstat, to be a real directory below the root. A
symlink on the way is followed by this module, as a container would: within the
root, where an absolute target begins anew and ".." stops at the top. The last
component is never followed. Nobody else may change the tree meanwhile.

Absent: tars and whiteouts' names (`unpack`), and ownership unless told to.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

from lambdabuild.oci.errors import ImageError

MAX_DEPTH: Final = 256
"""Directories above each other. Deleting a tree recurses, and Python's stack is bounded."""

MAX_LINKS: Final = 40
"""Symlinks followed for one name, as Linux has it (path_resolution(7))."""

KEPT_MODE: Final = 0o1777
"""Set-user-ID and set-group-ID have no business outside of a container."""


class Rootfs:
    """The tree below `root`. All paths of its methods are tuples of plain components.

    Physical paths ("where") are strings below the root without symlinks before
    their last component, as `locate` returns them.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)
        # Directories stay writable until `finish`, whatever modes they should have.
        self._modes: dict[str, int] = {}
        self._parents: dict[tuple[str, ...], str] = {}
        self._touched: set[str] = {self._root}

    def begin_layer(self) -> None:
        """From here on, `hide` spares only what is made from here on."""
        self._touched = {self._root}

    def locate(self, path: tuple[str, ...]) -> str | None:
        """Returns where `path` is or would be; None if its parent does not exist."""
        if not path:
            return self._root
        parent = self._directory(path[:-1], make=False)
        return None if parent is None else f"{parent}/{path[-1]}"

    def make_directory(self, path: tuple[str, ...], mode: int) -> str:
        """Makes a directory, or gives the one that is there `mode`. Returns where."""
        where = self._claim(path)
        if not _is_directory(where):
            self._remove(where)
            self._mkdir(where)
        self._modes[where] = mode & KEPT_MODE
        return where

    def make_file(self, path: tuple[str, ...], mode: int, content: IO[bytes]) -> str:
        """Makes a regular file in place of whatever is there. Returns where."""
        where = self._clear(path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(where, "wb", opener=lambda name, _: os.open(name, flags, 0o600)) as file:
            shutil.copyfileobj(content, file, 1 << 20)
            os.fchmod(file.fileno(), mode & KEPT_MODE)
        return where

    def make_symlink(self, path: tuple[str, ...], target: str) -> str:
        """Makes a symlink, which may point anywhere. Returns where."""
        if not target or "\0" in target:
            raise ImageError(f"{_shown(path)} is a symlink to nothing: {target!r}")
        where = self._clear(path)
        os.symlink(target, where)
        return where

    def make_hardlink(self, path: tuple[str, ...], source: tuple[str, ...]) -> str:
        """Makes another name for the file or symlink at `source`. Returns where."""
        where = self._clear(path)
        existing = self.locate(source)
        if existing is None or not os.path.lexists(existing) or _is_directory(existing):
            raise ImageError(f"{_shown(path)} is a hardlink to {_shown(source)}, which is no file")
        os.link(existing, where, follow_symlinks=False)
        return where

    def remove(self, path: tuple[str, ...]) -> None:
        """Removes what is at `path`, with all below it."""
        where = self.locate(path)
        if where is not None:
            self._remove(where)

    def hide(self, path: tuple[str, ...]) -> None:
        """Removes what earlier layers have at `path` or below it."""
        where = self.locate(path)
        if where is not None and os.path.lexists(where):
            self._hide(where)

    def hide_contents(self, path: tuple[str, ...]) -> None:
        """Removes what earlier layers have below `path`."""
        where = self._directory(path, make=False)
        if where is not None:
            for name in os.listdir(where):
                self._hide(f"{where}/{name}")

    def finish(self) -> None:
        """Gives the directories their modes."""
        for where, _, _ in os.walk(self._root, topdown=False):
            if where in self._modes:
                os.chmod(where, self._modes[where])

    def _hide(self, where: str) -> None:
        if where not in self._touched:
            self._remove(where)
        elif _is_directory(where):
            for name in os.listdir(where):
                self._hide(f"{where}/{name}")

    def _clear(self, path: tuple[str, ...]) -> str:
        where = self._claim(path)
        if where == self._root:
            raise ImageError("the root of an image is a directory, and cannot become anything else")
        self._remove(where)
        return where

    def _claim(self, path: tuple[str, ...]) -> str:
        """Returns where `path` is, its parents made, and notes that this layer has it."""
        where = self._root
        if path:
            where = f"{self._directory(path[:-1], make=True)}/{path[-1]}"
        above = where
        while above not in self._touched:
            self._touched.add(above)
            above = os.path.dirname(above)
        return where

    def _remove(self, where: str) -> None:
        if _is_directory(where):
            shutil.rmtree(where)
            self._parents.clear()
        elif os.path.lexists(where):
            os.unlink(where)
            self._parents.clear()

    def _directory(self, path: tuple[str, ...], *, make: bool) -> str | None:
        """Returns where the directory `path` is; makes it, or returns None, if it does not exist."""
        known = self._parents.get(path)
        if known is None:
            known = self._walk(path, make=make)
            if known is not None:
                self._parents[path] = known
        return known

    def _walk(self, path: tuple[str, ...], *, make: bool) -> str | None:
        ahead, walked, links = list(reversed(path)), [self._root], 0
        while ahead:
            name = ahead.pop()
            where = f"{walked[-1]}/{name}"
            if name == "..":
                walked = walked[:-1] or walked
            elif name in ("", "."):
                pass
            elif (kind := _kind(where)) == stat.S_IFLNK:
                links += 1
                if links > MAX_LINKS:
                    raise ImageError(f"{_shown(path)} leads through too many symlinks")
                target = os.readlink(where)
                walked = walked[:1] if target.startswith("/") else walked
                ahead.extend(reversed(target.split("/")))
            elif kind == stat.S_IFDIR or (kind is None and make):
                if kind is None:
                    self._mkdir(where)
                walked.append(where)
            elif make:
                raise ImageError(f"{_shown(path)} leads through {name!r}, which is not a directory")
            else:
                return None
        return walked[-1]

    def _mkdir(self, where: str) -> None:
        if where.count("/", len(self._root)) > MAX_DEPTH:
            raise ImageError(f"directories are nested more than {MAX_DEPTH} deep")
        os.mkdir(where, 0o700)
        self._modes[where] = 0o755


def _kind(where: str) -> int | None:
    try:
        return stat.S_IFMT(os.lstat(where).st_mode)
    except FileNotFoundError:
        return None


def _is_directory(where: str) -> bool:
    return _kind(where) == stat.S_IFDIR


def _shown(path: Sequence[str]) -> str:
    return repr("/".join(path))
