"""The archive that an engine saves an image as -> its config, and the layers that are new.

Reads what `docker save` writes, up to Docker 24 (Docker's image spec 1.2) and
since (an OCI layout with the same manifest.json), and buildah's docker-archive;
as a stream, once. Nothing of it is believed: names, kinds, counts and sizes are
bounded, and a layer is taken for the one whose sha256 it has. An archive that was
cut short anywhere is no image, since manifest.json, the config or a layer lacks.

Absent: tags, architecture lists, and what else an archive has.
"""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

from lambdabuild.oci import documents
from lambdabuild.oci.config import Config, parse_config
from lambdabuild.oci.conformance.members import Readable, opened
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.foreign import entry_path
from lambdabuild.oci.layer_reader import CHUNK, LayerReader

MAX_MEMBERS: Final = 10_000
MAX_BYTES: Final = 32 << 30
"""Of all members, uncompressed: three times what Lambda takes."""
MAX_DOCUMENT: Final = 8 << 20
"""Bytes of manifest.json, or of a config."""


@dataclass(frozen=True, slots=True)
class SavedImage:
    """An image as an engine made it.

    tars: for each diff_id of the config the layer's plain tar; None for one that was known before.
    """

    config: Config
    tars: tuple[Path | None, ...]


@dataclass(slots=True)
class _Spool:
    """What has been read so far: name -> diff_id (the sha256 of what it unpacks to) and file."""

    directory: Path
    known: Collection[OciDigest]
    check: Callable[[], None]
    files: dict[str, tuple[OciDigest, Path | None]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    size: int = 0

    def add(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        name = entry_path(member.name)
        if member.isdir():
            return
        if name in self.files or name in self.links or len(self.files) + len(self.links) >= MAX_MEMBERS:
            raise ImageError(f"it has {name!r} twice, or more than {MAX_MEMBERS} members")
        if member.issym():
            self.links[name] = entry_path(posixpath.normpath(f"{posixpath.dirname(name)}/{member.linkname}"))
        elif member.isreg() and not member.issparse():
            content = archive.extractfile(member)
            assert content is not None  # it is a regular file
            with content:
                self.files[name] = self._keep(content)
        else:
            raise ImageError(f"{name!r} is neither file nor link")

    def _keep(self, content: IO[bytes]) -> tuple[OciDigest, Path | None]:
        reader, path = LayerReader(content), self.directory / str(len(self.files))
        with path.open("xb") as out:
            while piece := reader.read(CHUNK):
                self.check()
                self.size += len(piece)
                if self.size > MAX_BYTES:
                    raise ImageError(f"it unpacks to more than {MAX_BYTES >> 30} GiB")
                out.write(piece)
        diff_id = reader.diff_id()
        if diff_id in self.known:
            path.unlink()
            return diff_id, None
        return diff_id, path

    def file(self, name: str) -> tuple[OciDigest, Path | None]:
        name = entry_path(name)
        found = self.files.get(self.links.get(name, name))
        if found is None:
            raise ImageError(f"it lacks {name!r}")
        return found

    def document(self, name: str) -> bytes:
        path = self.file(name)[1]
        if path is None or path.stat().st_size > MAX_DOCUMENT:
            raise ImageError(f"{name!r} in it is no document, or too large")
        return path.read_bytes()


def read_archive(
    archive: Readable, directory: Path, known: Collection[OciDigest], check: Callable[[], None]
) -> SavedImage:
    """Returns the one image of `archive`; its tars lie in `directory`, which is empty before.

    known: diff_ids of layers that need not be kept.
    check: called often; raises to stop.

    Raises ImageError for an archive that is none, or is not whole.
    """
    spool = _Spool(directory, known, check)
    try:
        for tar, member in opened(archive):
            spool.add(tar, member)
        return _image(spool)
    except ImageError as error:
        raise ImageError(f"what the engine saved is no image: {error.message}", hint=error.hint) from error
    except tarfile.TarError as error:  # of a member's content, which is read outside of `opened`
        raise ImageError(f"what the engine saved is no image: {error}") from error


def _image(spool: _Spool) -> SavedImage:
    listing = documents.decode_list(spool.document("manifest.json"), "manifest.json")
    if len(listing) != 1:
        raise ImageError(f"it holds {len(listing)} images")
    config = parse_config(spool.document(listing[0].text("Config")))
    layers = [spool.file(name) for name in listing[0].texts_or_empty("Layers")]
    if tuple(diff_id for diff_id, _ in layers) != config.diff_ids:
        raise ImageError("its layers are not those that its config names")
    return SavedImage(config, tuple(path for _, path in layers))
