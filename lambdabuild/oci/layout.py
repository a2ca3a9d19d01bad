"""Images -> an OCI image layout, which podman, skopeo and umoci read.

    oci-layout              {"imageLayoutVersion": "1.0.0"}
    index.json              a descriptor for each image, with platform and ref name
    blobs/sha256/<64 hex>   manifests, configs and compressed layers

(image-spec, image-layout.md.) A writer may be killed at any moment and run
again, and several may run at once: each holds a lock on the directory, blobs
appear by rename, index.json after them, and only then go the blobs that it no
longer names. So a reader of index.json finds what it names, unless the next
write takes it away meanwhile. Nothing is synced: a layout can be made again.

Images of the Docker family are kept as they are, since their digest is their
identity. skopeo and podman find such a one only when it is alone in its layout
and not asked for by name (`oci:DIRECTORY`).

Absent: where layers come from. The caller places them, hard links from a store
at best, and may leave out those it does not hold.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from lambdabuild.errors import ExternalError
from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest, hex_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Image
from lambdabuild.oci.media_types import OCI_INDEX
from lambdabuild.oci.tar import MTIME

REF_NAME: Final = "org.opencontainers.image.ref.name"

Place: TypeAlias = Callable[[OciDigest, Path], None]
"""Puts a layer's compressed blob, named by its digest, at a path where nothing is.

May leave the path empty, if the layer is not held here, and may raise.
"""

_LAYOUT: Final = documents.encode({"imageLayoutVersion": "1.0.0"})


@dataclass(frozen=True, slots=True)
class LayoutEntry:
    """An image, and the name by which a layout's readers ask for it, e.g. "create_labels"."""

    image: Image
    ref_name: str


def write_layout(directory: Path, entries: Sequence[LayoutEntry], place: Place) -> tuple[OciDigest, ...]:
    """Makes `directory` the layout of `entries`, and returns the layers that `place` left out.

    What is there already is kept: a layer with the right size is not placed
    again. Documents are written read-only; the modes of layers are the placer's.

    Raises ImageError if two entries share a name or one has none, ExternalError
    if a placed layer has another size than its manifest says, OSError, and what
    `place` raises.
    """
    index = _index(entries)
    blobs = directory / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    with _locked(directory):
        _put_document(directory / "oci-layout", _LAYOUT, blobs)
        for digest, data in _documents(entries).items():
            _put_document(blobs / hex_of(digest), data, blobs)
        sizes = _layers(entries)
        absent = tuple(digest for digest in sizes if not _put_layer(digest, sizes[digest], blobs, place))
        _put_document(directory / "index.json", index, blobs)
        named = {hex_of(digest) for digest in (*_documents(entries), *sizes)}
        for path in blobs.iterdir():
            if path.name not in named and not path.is_dir():
                path.unlink()
    return absent


def layout_is(directory: Path, entries: Sequence[LayoutEntry], *, absent: Collection[OciDigest] = ()) -> bool:
    """Returns whether `directory` holds the layout of `entries`, complete but for `absent` layers.

    Cheap: reads index.json, and asks for size and time of every other file. A file
    that is written to after it was placed has another time than MTIME.
    """
    sizes = {digest: len(data) for digest, data in _documents(entries).items()} | _layers(entries)
    blobs = directory / "blobs" / "sha256"
    return (
        _holds(directory / "index.json", _index(entries))
        and _size(directory / "oci-layout") == len(_LAYOUT)
        and all(_size(blobs / hex_of(digest)) == sizes[digest] for digest in sizes if digest not in absent)
    )


def absent_layers(directory: Path, entries: Sequence[LayoutEntry]) -> tuple[OciDigest, ...]:
    """Returns the layers of `entries` that the layout in `directory` does not hold."""
    blobs = directory / "blobs" / "sha256"
    return tuple(digest for digest, size in _layers(entries).items() if _size(blobs / hex_of(digest)) != size)


def _index(entries: Sequence[LayoutEntry]) -> bytes:
    by_name = {entry.ref_name: entry.image for entry in entries}
    if len(by_name) != len(entries) or "" in by_name:
        raise ImageError(
            f"each image of a layout needs a name of its own: {sorted(e.ref_name for e in entries)}"
        )
    manifests = [_descriptor(by_name[name], name) for name in sorted(by_name)]
    return documents.encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests})


def _descriptor(image: Image, name: str) -> dict[str, Any]:
    os_, architecture = image.platform.split("/")
    platform = {"os": os_, "architecture": architecture}
    if image.variant:
        platform["variant"] = image.variant
    return {
        "mediaType": image.media_type,
        "digest": image.digest,
        "size": len(image.manifest),
        "platform": platform,
        "annotations": {REF_NAME: name},
    }


def _documents(entries: Sequence[LayoutEntry]) -> dict[OciDigest, bytes]:
    images = [entry.image for entry in entries]
    return {image.digest: image.manifest for image in images} | {
        image.config_digest: image.config for image in images
    }


def _layers(entries: Sequence[LayoutEntry]) -> dict[OciDigest, int]:
    return {layer.digest: layer.size for entry in entries for layer in entry.image.layers}


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Holds the directory's lock; the kernel lets go of it when the process dies."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
        except OSError as error:
            # Some network file systems lock no directories. Writers that meet
            # there may remove each other's blobs; the next write repairs that.
            if error.errno not in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
                raise
        yield
    finally:
        os.close(fd)


def _put_document(path: Path, data: bytes, blobs: Path) -> None:
    if _holds(path, data):
        return
    with _temporary(path.name, blobs) as temporary:
        temporary.write_bytes(data)
        temporary.chmod(0o444)
        os.utime(temporary, (MTIME, MTIME))
        temporary.replace(path)


def _put_layer(digest: OciDigest, size: int, blobs: Path, place: Place) -> bool:
    path = blobs / hex_of(digest)
    if _size(path) == size:
        return True
    with _temporary(path.name, blobs) as temporary:
        place(digest, temporary)
        if temporary.is_file():
            os.utime(temporary, (MTIME, MTIME))
        found = _size(temporary)
        if found is None:
            path.unlink(missing_ok=True)  # of a wrong size: worse than none
        elif found != size:
            raise ExternalError(f"the blob of layer {digest} has {found} bytes, not {size}")
        else:
            temporary.replace(path)
    return found is not None


@contextlib.contextmanager
def _temporary(name: str, blobs: Path) -> Iterator[Path]:
    """Hands out a path among the blobs, where what a killed writer leaves is swept up."""
    path = blobs / f".{name}.{os.getpid()}"
    path.unlink(missing_ok=True)
    try:
        yield path
    finally:
        # A placer may have failed half-way, or placed what was then refused.
        path.unlink(missing_ok=True)


def _holds(path: Path, data: bytes) -> bool:
    return _size(path) == len(data) and path.read_bytes() == data


def _size(path: Path) -> int | None:
    """Returns the size of a file that nobody wrote to since it was placed."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) and found.st_mtime_ns == MTIME * 10**9 else None
