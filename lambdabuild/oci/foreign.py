"""A layer that somebody else's tool wrote -> the same layer as ours are written.

What a container would see stays: names, bytes, modes (set-user-ID and sticky
too), owners, symlinks, whiteouts, file capabilities. What depends on the tool,
the machine or the clock goes: order, times, names of owners, blocks. A hardlink
becomes a copy, since Lambda may refuse it. A directory on the way to an entry
that has none of its own gets one as lower layers have it. Rewriting a rewritten
layer gives the same bytes.

Extended attributes but security.capability are dropped: labels of SELinux and
overlayfs are those of the machine that built, and no tool unpacks the others on
Lambda. Capabilities that are bound to a user namespace (vfs_cap_data, version 3) are
refused, as are devices, FIFOs, sparse files, and names that leave the image.

Absent: the root directory's own mode, which layers of ours do not carry.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from lambdabuild.oci.conformance.members import members
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer import Layer, write_layer
from lambdabuild.oci.tar import CAPABILITY, Dir, Entry, File, Owner, Symlink, Whiteout, parents
from lambdabuild.oci.unpack import OPAQUE, WHITEOUT, WHITEOUT_META

Below: TypeAlias = Callable[[Collection[str]], Mapping[str, Dir]]
"""Gives those of some directories that lower layers have, as they have them."""

MAX_ENTRIES: Final = 1_000_000
"""Entries of one layer; each is kept in memory. A whole Debian has a tenth of it."""

_CAPABILITY_SIZE: Final = 20
_CAPABILITY_VERSION: Final = 2
"""struct vfs_cap_data of linux/capability.h, version 2: the number is the last of its first four bytes."""

_CHUNK = 1 << 20


def rewrite(tar: Path, target: Path, below: Below) -> Layer | None:
    """Writes the layer whose plain tar is `tar` to `target`; returns what describes it, None if it is empty.

    below: asked only where an entry's directory has no entry itself.

    Raises ImageError for a layer that cannot be rewritten; `target` is not written then.
    """
    entries = read_entries(tar)
    missing = sorted({parent for path in entries for parent in parents(path)} - entries.keys())
    if missing:
        entries.update(below(missing))
    return write_layer(entries.values(), target) if entries else None


def read_entries(tar: Path) -> dict[str, Entry]:
    """Returns path -> entry of a plain tar; of two with one path the last, as tools unpack it."""
    found: dict[str, Entry] = {}
    links: dict[str, str] = {}
    with tar.open("rb") as file:
        for member in members(file):
            path = entry_path(member.name)
            if not path or _means_nothing(path):
                continue
            found.pop(path, None)
            links.pop(path, None)
            if member.islnk():
                links[path] = entry_path(member.linkname)
            else:
                found[path] = _entry(member, path, tar)
            if len(found) + len(links) > MAX_ENTRIES:
                raise ImageError(f"it has more than {MAX_ENTRIES} entries")
    found.update({path: _copy(path, links, found) for path in links})
    return found


def entry_path(name: str) -> str:
    """Returns the path that a tar's name stands for, "" for the root; ImageError if it leaves the image."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise ImageError(f"{name!r} is not a name within the image")
    return "/".join(parts)


def _means_nothing(path: str) -> bool:
    """Returns whether an entry is one of AUFS's own files, which are no part of the image."""
    name = path.rpartition("/")[2]
    return name != OPAQUE and any(part.startswith(WHITEOUT_META) for part in path.split("/"))


def _entry(member: tarfile.TarInfo, path: str, tar: Path) -> Entry:
    owner, mode = Owner(member.uid, member.gid), member.mode & 0o7777
    if path.rpartition("/")[2].startswith(WHITEOUT):
        return _whiteout(member, path)
    if member.isdir():
        return Dir(path, mode, owner)
    if member.issym():
        return Symlink(path, member.linkname, owner)
    if member.issparse() or member.type not in tarfile.REGULAR_TYPES:
        raise ImageError(
            f"{path!r} is {_kind(member)}, which has no place in a layer", hint="remove it in the same RUN"
        )
    content = partial(_pieces, tar, member.offset_data, member.size)
    executable = bool(mode & 0o100)
    return File(path, member.size, executable, content, mode, owner, _capability(member, path))


def _whiteout(member: tarfile.TarInfo, path: str) -> Whiteout:
    hidden = path.rpartition("/")[2].removeprefix(WHITEOUT)
    if not member.isreg() or hidden in ("", ".", ".."):
        raise ImageError(f"{path!r} is a whiteout that hides nothing")
    return Whiteout(path)


def _capability(member: tarfile.TarInfo, path: str) -> bytes:
    value = member.pax_headers.get(CAPABILITY, "").encode(errors="surrogateescape")
    if value and (len(value) != _CAPABILITY_SIZE or value[3] != _CAPABILITY_VERSION):
        raise ImageError(f"{path!r} has capabilities that hold in one user namespace only")
    return value


def _copy(path: str, links: Mapping[str, str], found: Mapping[str, Entry]) -> Entry:
    """Returns the entry that a hardlink stands for, at its own path."""
    target, seen = links[path], {path}
    while target in links and target not in seen:
        seen.add(target)
        target = links[target]
    match found.get(target):
        case File() as file:
            return File(path, file.size, file.executable, file.open, file.mode, file.owner, file.capability)
        case Symlink() as link:
            return Symlink(path, link.target, link.owner)
    raise ImageError(f"{path!r} is a hardlink to {links[path]!r}, which is no file of the same layer")


def _pieces(tar: Path, offset: int, size: int) -> Iterator[bytes]:
    with tar.open("rb") as file:
        file.seek(offset)
        while size and (piece := file.read(min(size, _CHUNK))):
            size -= len(piece)
            yield piece


def _kind(member: tarfile.TarInfo) -> str:
    if member.ischr() or member.isblk():
        return "a device"
    if member.isfifo():
        return "a FIFO"
    return "a sparse file" if member.issparse() else f"of the unknown kind {member.type!r}"
