"""Files, directories and symlinks -> the bytes of a deterministic tar.

Equal entries give equal bytes on any machine, whatever their order, the clock,
the umask or the Python. The format, for other implementations (POSIX.1-2001
pax over ustar; offsets as in pax(1), "ustar Interchange Format"):

* Every directory on the way to an entry has an entry of its own: as given, or
  with mode 0755. The root has none.
* Entries are sorted by their path's components, compared as UTF-8 bytes; so a
  directory comes before its contents, and these before its next sibling. Only
  whiteouts come before all that is beside them, as image-spec, layer.md, wants.
* A header block: name; mode 0644 or 0755 for a file, unless one is given, as
  given for a directory, 0777 for a symlink, 0644 for a whiteout; uid and gid 0,
  unless an owner is given; size, 0 unless a file; mtime 315619200;
  typeflag "0", "5" or "2"; linkname; magic "ustar", version "00"; all else NUL.
  Numbers are octal digits with leading zeros that fill their field but for a
  final NUL; the checksum is six digits, NUL, space. A directory's name ends
  in "/".
* A name or linkname that is not ASCII or is longer than 100 characters, and a
  size of 8 GiB or more, stand in a pax header before it: a block with the name
  "././@PaxHeader", typeflag "x", mode, uid, gid and mtime 0, then the records
  path, linkpath, size in this order and only where needed, padded with NULs to
  a multiple of 512 bytes. The ustar field then holds the first 100 characters,
  "?" for each that is not ASCII; the size field holds 0. uid and gid follow where
  they are above 2097151, and SCHILY.xattr.security.capability for a file that has
  capabilities (before all, "hdrcharset=BINARY" if those are no UTF-8).
* A file's bytes follow its header, padded with NULs to a multiple of 512.
* Two blocks of NULs end the archive. It is not padded to a record of 10,240.

Owners, modes beyond the two, capabilities and whiteouts are those of layers that
others made (`oci.foreign`); what is made here has none.

Absent: hardlinks (Lambda refuses them), times, other extended attributes.
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

CAPABILITY = "SCHILY.xattr.security.capability"
"""The pax record of a file's capabilities, as star, GNU tar and Go write it."""

MAX_ID = 0xFFFF_FFFE
"""The largest user and group of Linux. What has one more means "nobody in particular"."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A user and a group, by number."""

    uid: int = 0
    gid: int = 0


ROOT = Owner()


@dataclass(frozen=True, slots=True)
class File:
    """A regular file, of mode 0755 if executable, else 0644.

    path: relative to the image's root, "/" between components, no leading one.
    size: count of the bytes that `open` yields, in pieces of any length.
    mode: another mode than these two; None for them.
    capability: the value of the attribute security.capability; b"" for none.
    """

    path: str
    size: int
    executable: bool
    open: Callable[[], Iterable[bytes]]
    mode: int | None = None
    owner: Owner = ROOT
    capability: bytes = b""


@dataclass(frozen=True, slots=True)
class Dir:
    """A directory. Needed only where it is empty or its mode is not 0755."""

    path: str
    mode: int = 0o755
    owner: Owner = ROOT


@dataclass(frozen=True, slots=True)
class Symlink:
    """A symbolic link; `target` is kept as it is, and may lead anywhere."""

    path: str
    target: str
    owner: Owner = ROOT


@dataclass(frozen=True, slots=True)
class Whiteout:
    """Hides what lower layers have; its last component is ".wh." and a name, or the opaque marker."""

    path: str


Entry: TypeAlias = File | Dir | Symlink | Whiteout


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
        for parent in parents(path):
            above = found.setdefault(parent, Dir(parent))
            if not isinstance(above, Dir):
                raise ImageError(f"{path!r} lies below {parent!r}, which is not a directory")
    return sorted(found.values(), key=_place)


def _place(entry: Entry) -> list[str]:
    parts = entry.path.split("/")
    if isinstance(entry, Whiteout):
        parts[-1] = "\0" + parts[-1]  # no name has a NUL in it, so this is before all of them
    return parts  # code points sort as their UTF-8 bytes do


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
            info.mode = _mode(entry)
            info.size = entry.size
            if entry.capability:
                info.pax_headers = {CAPABILITY: entry.capability.decode(errors="surrogateescape")}
        case Dir():
            info.type = tarfile.DIRTYPE
            info.mode = entry.mode
        case Symlink():
            info.type = tarfile.SYMTYPE
            info.mode = 0o777
            info.linkname = entry.target
        case Whiteout():
            return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")
    info.uid, info.gid = entry.owner.uid, entry.owner.gid
    return info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


def _mode(file: File) -> int:
    if file.mode is not None:
        return file.mode
    return 0o755 if file.executable else 0o644


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
        if component.startswith(".wh.") and not isinstance(entry, Whiteout):
            raise ImageError(
                f"{entry.path!r} would hide files of lower layers: a name with .wh. is a whiteout"
            )
    if not isinstance(entry, Whiteout):
        _check_owner(entry)
    match entry:
        case File() if entry.size < 0:
            raise ImageError(f"{entry.path!r} has a negative size")
        case File(mode=int(mode)) | Dir(mode=mode) if mode != stat.S_IMODE(mode):
            raise ImageError(f"{entry.path!r} has a mode beyond 7777: {mode:o}")
        case Symlink():
            if not entry.target:
                raise ImageError(f"the symlink {entry.path!r} has an empty target")
            _check_text(entry.target, "symlink target")


def _check_owner(entry: File | Dir | Symlink) -> None:
    if not (0 <= entry.owner.uid <= MAX_ID and 0 <= entry.owner.gid <= MAX_ID):
        raise ImageError(f"{entry.path!r} has an impossible owner: {entry.owner.uid}:{entry.owner.gid}")


def _check_text(text: str, what: str) -> None:
    if "\0" in text:
        raise ImageError(f"the {what} {text!r} has a NUL in it")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ImageError(f"the {what} {text!r} is not Unicode text") from None


def parents(path: str) -> Iterator[str]:
    """Yields the directories on the way to a path, the nearest first, without the root."""
    at = path.rfind("/")
    while at > 0:
        yield path[:at]
        at = path.rfind("/", 0, at)
