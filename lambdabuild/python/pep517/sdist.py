"""A source distribution -> the files of a project.

Formats: PyPA, "Source distribution format"; old ones are zip files as well. A
source distribution has one directory at its top, and that is the project.

Nothing in it is trusted. Links become copies of the files that they lead to,
which have to be in it too; devices and the like are refused. It may unpack to no
more than a wheel of its size may.
"""

from __future__ import annotations

import gzip
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Final, NoReturn, Protocol, cast

from lambdabuild.errors import UserError
from lambdabuild.python.pep517.sources import SourceTree
from lambdabuild.python.wheel.checks import BOMB_BASE, BOMB_FACTOR, BOMB_LIMIT

MAX_FILES: Final = 100_000
"""Entries of a source distribution. The largest public ones have a third."""

_CHUNK = 1 << 18
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, gzip.BadGzipFile)
_ODD = (ValueError, OverflowError, RuntimeError)
"""What tarfile and zipfile let through besides their own errors."""


class _Readable(Protocol):
    def read(self, count: int = -1, /) -> bytes: ...


def unpack_sdist(archive: Path, into: Path) -> None:
    """Unpacks `archive`, a .tar.gz or .zip, as the project directory `into`, which must not be there.

    Raises UserError that names the archive, and a path in it, when it is broken or
    hostile. After an error `into` is of no use.
    """
    tree = _Unpacked(archive, into)
    try:
        if archive.name.endswith((".tar.gz", ".tgz")):
            _tar(archive, tree)
        elif archive.name.endswith(".zip"):
            _zip(archive, tree)
        else:
            tree.refuse("is neither a .tar.gz nor a .zip")
        tree.finish()
    except _DAMAGED as error:
        tree.refuse(f"is damaged, or no source distribution at all: {error}")
    except UserError:
        raise
    except _ODD as error:
        tree.refuse(f"cannot be read: {error}")
    except (FileExistsError, IsADirectoryError, NotADirectoryError):
        tree.refuse("has a file where it has a directory as well")


class _Unpacked:
    """Checks what comes out of an archive, and writes it."""

    def __init__(self, archive: Path, into: Path) -> None:
        self._archive = archive
        self._tree = SourceTree(into)
        self._left = min(BOMB_BASE + BOMB_FACTOR * archive.stat().st_size, BOMB_LIMIT)
        self._tops: set[str] = set()
        self._files: set[str] = set()
        self._links: dict[str, str] = {}
        self._count = 0

    def place(self, name: str) -> str | None:
        """Returns where an entry belongs below the project's directory; None for that itself."""
        self._count += 1
        if self._count > MAX_FILES:
            self.refuse(f"has more than {MAX_FILES} entries")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts or re.search(r"[\\\x00-\x1f\x7f]|^[A-Za-z]:", name):
            self.refuse("leaves the tree, or has a backslash or a control character", name)
        if any(0xD800 <= ord(c) <= 0xDFFF for c in name):
            self.refuse("is not UTF-8", name)
        self._tops.update(parts[:1])
        if len(self._tops) > 1:
            self.refuse("has more than one directory at its top")
        return "/".join(parts[1:]) or None

    def file(self, name: str, stream: _Readable, mode: int) -> None:
        place = self.place(name)
        if place is None:
            self.refuse("has a file at its top", name)
        self._tree.add(place, _pieces(stream), bool(mode & 0o111))
        self._files.add(place)

    def link(self, name: str, target: str) -> None:
        """Notes a link; target: as `name`, from the archive's root."""
        place, its_place = self.place(name), self.place(target)
        if place is None or its_place is None:
            self.refuse("is a link that leads nowhere", name)
        self._links[place] = its_place

    def finish(self) -> None:
        """Makes the links, as copies."""
        for place, target in self._links.items():
            seen = {place}
            while target in self._links and target not in seen:
                seen.add(target)
                target = self._links[target]
            if target not in self._files:
                self.refuse("is a link to what is no file of it", place)
            source = self._tree.root / target
            with open(source, "rb") as stream:
                self._tree.add(place, _pieces(_Counted(stream, self)), bool(source.stat().st_mode & 0o100))
        if not self._files:
            self.refuse("has no files")
        self._tree.finish()

    def spend(self, count: int) -> None:
        """Counts bytes that came out."""
        self._left -= count
        if self._left < 0:
            self.refuse("would unpack to more bytes than its own size allows")

    def refuse(self, problem: str, path: str | None = None) -> NoReturn:
        subject = self._archive.name if path is None else f"{self._archive.name}: {path!r}"
        project = re.split(r"-\d", self._archive.name)[0]
        raise UserError(
            f"{subject} {problem}",
            hint=f"tell who publishes it, and take another version: lambdabuild lock --upgrade {project}",
        ) from None


class _Counted:
    """Reads a stream, and counts what comes out of it."""

    def __init__(self, stream: _Readable, tree: _Unpacked) -> None:
        self._stream, self._tree = stream, tree

    def read(self, count: int = -1, /) -> bytes:
        data = self._stream.read(count)
        self._tree.spend(len(data))
        return data


def _pieces(stream: _Readable) -> Iterator[bytes]:
    return iter(partial(stream.read, _CHUNK), b"")


def _tar(archive: Path, tree: _Unpacked) -> None:
    with gzip.open(archive) as unzipped:
        # As a stream: no header can send it backwards. What headers hold counts as well.
        stream = cast("IO[bytes]", _Counted(unzipped, tree))
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as tar:
            for member in tar:
                _member(tar, member, tree)


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, tree: _Unpacked) -> None:
    if member.isdir():
        tree.place(member.name)
    elif member.issym():
        base = "/" if member.linkname.startswith("/") else posixpath.dirname(member.name)
        tree.link(member.name, posixpath.normpath(posixpath.join(base, member.linkname)))
    elif member.islnk():
        tree.link(member.name, member.linkname)
    else:
        content = None if member.issparse() else tar.extractfile(member)
        if content is None or member.type not in tarfile.REGULAR_TYPES:
            tree.refuse("is of a kind that source distributions do not have", member.name)
        with content:
            tree.file(member.name, content, member.mode)


def _zip(archive: Path, tree: _Unpacked) -> None:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            if info.is_dir():
                tree.place(info.orig_filename)
                continue
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.flag_bits & 1:
                tree.refuse("is encrypted, a symlink or a special file", info.orig_filename)
            with opened.open(info) as content:
                tree.file(info.orig_filename, _Counted(content, tree), mode)
