"""Files, directories and symlinks -> the bytes of a deterministic tar.

Equal entries give equal bytes on any machine, whatever their order, the clock,
the umask or the Python. The format, for other implementations (POSIX.1-2001
pax over ustar; offsets as in pax(1), "ustar Interchange Format"):

* Every directory on the way to an entry has an entry of its own: as given, or
  with mode 0755. The root has none.
* Entries are sorted by their path's components, compared as UTF-8 bytes; so a
  directory comes before its contents, and these before its next sibling.
* A header block: name; mode 0644 or 0755 for a file, as given for a directory,
  0777 for a symlink; uid and gid 0; size, 0 unless a file; mtime 315619200;
  typeflag "0", "5" or "2"; linkname; magic "ustar", version "00"; all else NUL.
  Numbers are octal digits with leading zeros that fill their field but for a
  final NUL; the checksum is six digits, NUL, space. A directory's name ends
  in "/".
* A name or linkname that is not ASCII or is longer than 100 characters, and a
  size of 8 GiB or more, stand in a pax header before it: a block with the name
  "././@PaxHeader", typeflag "x", mode, uid, gid and mtime 0, then the records
  path, linkpath, size in this order and only where needed, padded with NULs to
  a multiple of 512 bytes. The ustar field then holds the first 100 characters,
  "?" for each that is not ASCII; the size field holds 0.
* A file's bytes follow its header, padded with NULs to a multiple of 512.
* Two blocks of NULs end the archive. It is not padded to a record of 10,240.

Absent: hardlinks (Lambda refuses them), owners, times, extended attributes.
"""

from __future__ import annotations

import hashlib
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, TypeAlias

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.errors import ImageError

MTIME = 315_619_200
"""1980-01-02T00:00:00Z. Zip files know no time before 1980, in any time zone."""

BLOCK = 512


@dataclass(frozen=True, slots=True)
class File:
    """A regular file, of mode 0755 if executable, else 0644.

    path: relative to the image's root, "/" between components, no leading one.
    size: count of the bytes that `open` yields, in pieces of any length.
    """

    path: str
    size: int
    executable: bool
    open: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Dir:
    """A directory. Needed only where it is empty or its mode is not 0755."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; `target` is kept as it is, and may lead anywhere."""

    path: str
    target: str


Entry: TypeAlias = File | Dir | Symlink


def arrange(entries: Iterable[Entry]) -> list[Entry]:
    """Returns the entries in the tar's order, every parent directory among them.

    Raises ImageError for a path that is unsafe, is given twice, or lies below
    something that is not a directory.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        _check(entry)
        if entry.path in found:
            raise ImageError(f"two entries of a layer have the path {entry.path!r}")
        found[entry.path] = entry
    for path in list(found):
        for parent in _parents(path):
            above = found.setdefault(parent, Dir(parent))
            if not isinstance(above, Dir):
                raise ImageError(f"{path!r} lies below {parent!r}, which is not a directory")
    # Code points sort as their UTF-8 bytes do.
    return sorted(found.values(), key=lambda entry: entry.path.split("/"))


def write_tar(entries: Sequence[Entry], out: IO[bytes]) -> tuple[OciDigest, int]:
    """Writes what `arrange` gave; returns the tar's sha256 and its size in bytes.

    Raises ExternalError for a file that yields more or fewer bytes than its size.
    """
    digest, size = hashlib.sha256(), 0
    for piece in _pieces(entries):
        digest.update(piece)
        out.write(piece)
        size += len(piece)
    return OciDigest("sha256:" + digest.hexdigest()), size


def header(entry: Entry) -> bytes:
    """Returns the blocks that stand before the entry's bytes."""
    info = tarfile.TarInfo(entry.path)
    info.mtime = MTIME
    match entry:
        case File():
            info.mode = 0o755 if entry.executable else 0o644
            info.size = entry.size
        case Dir():
            info.type = tarfile.DIRTYPE
            info.mode = entry.mode
        case Symlink():
            info.type = tarfile.SYMTYPE
            info.mode = 0o777
            info.linkname = entry.target
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _pieces(entries: Sequence[Entry]) -> Iterator[bytes]:
    for entry in entries:
        yield header(entry)
        if isinstance(entry, File):
            yield from _content(entry)
            yield bytes(-entry.size % BLOCK)
    yield bytes(2 * BLOCK)


def _content(file: File) -> Iterator[bytes]:
    left = file.size
    for piece in file.open():
        left -= len(piece)
        if left < 0:
            break
        yield piece
    if left:
        more_or_fewer = "more" if left < 0 else "fewer"
        raise ExternalError(
            f"{file.path!r} yields {more_or_fewer} than the {file.size} bytes it was said to have",
            hint="it may have changed while it was read: build again",
        )


def _check(entry: Entry) -> None:
    _check_text(entry.path, "path")
    for component in entry.path.split("/"):
        if component in ("", ".", ".."):
            raise ImageError(
                f"{entry.path!r} is not a plain relative path: it has the component {component!r}"
            )
        if component.startswith(".wh."):
            raise ImageError(
                f"{entry.path!r} would hide files of lower layers: a name with .wh. is a whiteout"
            )
    match entry:
        case File() if entry.size < 0:
            raise ImageError(f"{entry.path!r} has a negative size")
        case Dir() if entry.mode != stat.S_IMODE(entry.mode):
            raise ImageError(f"{entry.path!r} has a mode beyond 7777: {entry.mode:o}")
        case Symlink():
            if not entry.target:
                raise ImageError(f"the symlink {entry.path!r} has an empty target")
            _check_text(entry.target, "symlink target")


def _check_text(text: str, what: str) -> None:
    if "\0" in text:
        raise ImageError(f"the {what} {text!r} has a NUL in it")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ImageError(f"the {what} {text!r} is not Unicode text") from None


def _parents(path: str) -> Iterator[str]:
    at = path.rfind("/")
    while at > 0:
        yield path[:at]
        at = path.rfind("/", 0, at)
