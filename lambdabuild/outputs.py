"""What a build leaves for people under lambdabuild-out/<package>/<name>/.

An image becomes an OCI image layout, its layers hard-linked read-only from the
content store; other targets' generated files are copied. What is there already
is left as it is; what is missing is put back.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from lambdabuild.action import ActionOutput
from lambdabuild.digest import Digest
from lambdabuild.errors import UserError
from lambdabuild.label import is_relative_path
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import read_descriptor
from lambdabuild.oci.layout import LayoutEntry, absent_layers, layout_is, write_layout
from lambdabuild.output_paths import LAYOUT_PARTS, LISTING
from lambdabuild.settings import OUT_DIR
from lambdabuild.store import BlobFiles
from lambdabuild.store.local import disk_errors, remove_tree, write_atomically
from lambdabuild.tree import FileNode

_ELSEWHERE = "or build in a checkout that you can write to"

_SMALL = 1 << 10
"""Bytes of a blob that is kept in memory: what describes a layer has a third of that."""


class VerifiedOnce:
    """Blobs of a store for one pass over many images, which share most of their layers.

    Each is verified when it is first asked for. Why not each time: what all layouts get is the same
    file, hard-linked, so a later look protects none of them better. For one thread.
    """

    def __init__(self, store: BlobFiles) -> None:
        self._store = store
        self._paths: dict[Digest, Path] = {}
        self._small: dict[Digest, bytes] = {}

    def pieces(self, digest: Digest) -> Iterator[bytes]:
        if digest.size > _SMALL:
            return self._store.pieces(digest)
        if digest not in self._small:
            self._small[digest] = b"".join(self._store.pieces(digest))
        return iter((self._small[digest],))

    def verified(self, digest: Digest) -> Path:
        if digest not in self._paths:
            self._paths[digest] = self._store.verified(digest)
        return self._paths[digest]


class BuiltImage:
    """An image whose parts are in the content store, but perhaps for layers of an external base.

    layers: of those that are there, digest of the compressed bytes -> the blob's digest in the store.
            What a Dockerfile adds has places that may be unused (`oci.layer.UNUSED`).
    """

    def __init__(
        self, store: BlobFiles, manifest: Digest, config: Digest, layers: Sequence[tuple[Digest, Digest]]
    ) -> None:
        self.image = Image.parse(_read(store, manifest), _read(store, config))
        self.layers: Mapping[OciDigest, Digest] = {
            layer.digest: blob
            for blob, descriptor in layers
            if (layer := read_descriptor(_read(store, descriptor)))
        }

    def lacking(self, absent: Collection[OciDigest]) -> tuple[OciDigest, ...]:
        """Returns those of `absent` that are layers of this image, lowest first, each once."""
        return tuple(dict.fromkeys(each.digest for each in self.image.layers if each.digest in absent))


def prepare(root: Path) -> None:
    """Makes the output directory, which keeps itself out of git."""
    out = root / OUT_DIR
    ignore = out / ".gitignore"
    if not ignore.is_file():
        with disk_errors(out, _ELSEWHERE):
            out.mkdir(exist_ok=True)
            ignore.write_text("*\n")


def write_images(
    directory: Path,
    images: Sequence[tuple[str, BuiltImage]],
    store: BlobFiles,
    left_out: Collection[OciDigest] = (),
    far: Collection[Digest] = (),
) -> tuple[OciDigest, ...]:
    """Makes `directory` the layout of `images`, each with its name within it; returns the layers it lacks.

    left_out: layers that need not be there. They stay where they are, though.
    far:      blobs that are not on this machine: their layers need not be there either.
    """
    entries = [LayoutEntry(built.image, name) for name, built in images]
    layers = {digest: blob for _, built in images for digest, blob in built.layers.items()}
    blobs = {digest: blob for digest, blob in layers.items() if blob not in far}
    left_out = {*left_out, *layers} - blobs.keys()

    def place(digest: OciDigest, path: Path) -> None:
        if digest in left_out:
            return
        if digest not in blobs:
            raise UserError(
                f"the image has a layer {digest} that its ImageInfo does not list",
                hint="return the ImageInfo that ctx.actions.image gave",
            )
        link_or_copy(store.verified(blobs[digest]), path)

    with disk_errors(directory, _ELSEWHERE):
        if not layout_is(directory, entries, absent=left_out):
            _forget_files(directory, keep=())
            return write_layout(directory, entries, place)
        return absent_layers(directory, entries) if left_out else ()


def write_files(directory: Path, files: Mapping[str, FileNode], store: BlobFiles) -> None:
    """Puts generated files at their paths below `directory`, and removes those of an earlier build."""
    with disk_errors(directory, _ELSEWHERE):
        for part in LAYOUT_PARTS if (directory / "oci-layout").exists() else ():
            remove_tree(directory / part)
        _forget_files(directory, keep=files)
        for path, node in files.items():
            mode = 0o555 if node.executable else 0o444
            _write_file(directory / path, _read(store, node.digest), mode)
        listing = "".join(f"{path}\n" for path in sorted(files))
        _write_file(directory / LISTING, listing.encode(), 0o644)


def _write_file(target: Path, content: bytes, mode: int) -> None:
    with contextlib.suppress(OSError):
        if target.read_bytes() == content and target.stat().st_mode & 0o777 == mode:
            return
    if target.is_dir():
        remove_tree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, content, target.parent, mode=mode)


def _forget_files(directory: Path, keep: Collection[str]) -> None:
    """Removes the files that an earlier `write_files` listed, but for `keep`."""
    listing = directory / LISTING
    if not listing.is_file():
        return
    for path in listing.read_text("utf-8").splitlines():
        if path not in keep and is_relative_path(path):
            (directory / path).unlink(missing_ok=True)
    listing.unlink()


def generated(outputs: Mapping[str, object]) -> dict[str, ActionOutput]:
    """Returns those of a target's outputs that actions make."""
    return {path: file for path, file in outputs.items() if isinstance(file, ActionOutput)}


def link_or_copy(blob: Path, target: Path) -> None:
    """Makes `target` the blob: a hard link where the file system allows, else a copy."""
    try:
        os.link(blob, target)
    except OSError:
        shutil.copyfile(blob, target)
        target.chmod(0o444)


def _read(store: BlobFiles, digest: Digest) -> bytes:
    return b"".join(store.pieces(digest))
