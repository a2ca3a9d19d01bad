"""Layers -> the directory tree that a container would see.

Applies layers as image-spec, layer.md, says ("Applying Changesets"): entries
add or replace, ".wh.NAME" hides what lower layers have as NAME, and
".wh..wh..opq" all that they have beside it. As in Docker, an entry for a
directory replaces a symlink, but a symlink that is a parent is followed.

Layers are not trusted. tarfile only reads headers and bytes here, as a stream
(so that no header can send it backwards); its extraction, whose filters have
been got around more than once, is not used. What is done to the disk, `rootfs`
does. Names with ".." are refused, those with a leading "/" begin at the root;
device nodes and FIFOs are left out; sparse files and unknown kinds are refused.

Absent: extended attributes (file capabilities too), times of directories, and
limits on how much a layer may unpack to.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final, cast

from lambdabuild.errors import ExternalError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer_reader import CHUNK, LayerReader
from lambdabuild.oci.rootfs import Rootfs

WHITEOUT: Final = ".wh."
WHITEOUT_META: Final = ".wh..wh."  # AUFS's own files; all but the opaque marker mean nothing
OPAQUE: Final = ".wh..wh..opq"


def unpack(layers: Iterable[tuple[OciDigest, Path]], root: Path) -> None:
    """Applies layers, lowest first, each given as (diff_id, path of its gzip or plain tar).

    root: an empty directory, or the name of one to make.

    Modes are kept but for set-user-ID and set-group-ID, and times of files;
    owners only when run as root. Raises ImageError for a layer that cannot be
    applied, ExternalError for one whose bytes are damaged or not its diff_id's,
    ValueError if `root` is not empty. After an error `root` is unfinished, and
    what is in it has not been verified.
    """
    root.mkdir(exist_ok=True)
    if any(root.iterdir()):
        raise ValueError(f"{root} is not empty")
    tree = Rootfs(root)
    for diff_id, path in layers:
        try:
            _unpack_layer(diff_id, path, tree)
        except ImageError as error:
            raise ImageError(f"layer {diff_id}: {error.message}", hint=error.hint) from error
        except ExternalError as error:
            raise ExternalError(f"layer {diff_id}: {error.message}", hint=error.hint) from error
    tree.finish()


def _unpack_layer(diff_id: OciDigest, path: Path, tree: Rootfs) -> None:
    tree.begin_layer()
    with path.open("rb") as blob:
        reader = LayerReader(blob)
        with _complaints(), _open(reader) as tar:
            while (member := _next(tar)) is not None:
                _apply(tar, member, tree)
        found = reader.diff_id()
    if found != diff_id:
        raise ExternalError(f"its bytes are not the ones it is named by: their sha256 is {found}")


@contextlib.contextmanager
def _complaints() -> Iterator[None]:
    """Says of what tarfile and the system raise over a bad layer that the layer is bad."""
    try:
        yield
    except ImageError:
        raise
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        # tarfile lets more than its own errors through: absurd numbers, chains of long names.
        raise ImageError(f"not a tar that can be read: {error}") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ImageError(f"a name in it is too long: {error.filename!r:.100}") from error
        raise


def _open(reader: LayerReader) -> tarfile.TarFile:
    blob = cast("IO[bytes]", reader)
    return tarfile.open(fileobj=blob, mode="r|", bufsize=CHUNK, encoding="utf-8", errors="surrogateescape")


def _next(tar: tarfile.TarFile) -> tarfile.TarInfo | None:
    member = tar.next()
    cast("Any", tar).members.clear()  # tarfile would keep all of them
    return member


def _apply(tar: tarfile.TarFile, member: tarfile.TarInfo, tree: Rootfs) -> None:
    path = _components(member.name)
    name = path[-1] if path else ""
    if name == OPAQUE:
        tree.hide_contents(path[:-1])
    elif any(part.startswith(WHITEOUT_META) for part in path):
        pass
    elif name.startswith(WHITEOUT):
        hidden = name.removeprefix(WHITEOUT)
        if hidden in ("", ".", ".."):
            raise ImageError(f"the whiteout {member.name!r} names nothing that could be hidden")
        tree.hide((*path[:-1], hidden))
    elif member.ischr() or member.isblk() or member.isfifo():
        tree.remove(path)
    else:
        where = _make(tar, member, path, tree)
        if not member.islnk():
            _describe(where, member)


def _make(tar: tarfile.TarFile, member: tarfile.TarInfo, path: tuple[str, ...], tree: Rootfs) -> str:
    if member.isdir():
        return tree.make_directory(path, member.mode)
    if member.issym():
        return tree.make_symlink(path, member.linkname)
    if member.islnk():
        return tree.make_hardlink(path, _components(member.linkname))
    content = None if member.issparse() else tar.extractfile(member)
    if content is None or member.type not in tarfile.REGULAR_TYPES:
        raise ImageError(f"{member.name!r} is of a kind that layers do not have: {member.type!r}")
    with content:
        return tree.make_file(path, member.mode, content)


def _describe(where: str, member: tarfile.TarInfo) -> None:
    if os.geteuid() == 0:
        if not (0 <= member.uid < 1 << 32 and 0 <= member.gid < 1 << 32):
            raise ImageError(f"{member.name!r} has an impossible owner: {member.uid}:{member.gid}")
        os.chown(where, member.uid, member.gid, follow_symlinks=False)
    # Python tells by a source's time whether its .pyc is stale.
    if member.isfile() and 0 <= member.mtime < 1 << 33:
        os.utime(where, (member.mtime, member.mtime))


def _components(name: str) -> tuple[str, ...]:
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if ".." in parts or "\0" in name:
        raise ImageError(f"{name!r} is not a name within the image")
    return parts
