"""An image -> the archive that `docker load` reads (Docker 20.10 and later).

A tar in the format of `lambdabuild.oci.tar`, with manifest.json (Docker's image
spec 1.2, "Combined Image JSON + Filesystem Changeset Format"), the config, and
each layer as it is in the store: Docker looks at the bytes, not at names, to
see whether a layer is compressed. `docker load` refuses OCI archives, and keeps
no manifest: the image's ID there is its config's digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest, hex_of
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.image import Descriptor, Image
from lambdabuild.oci.tar import File, arrange, write_tar

CHUNK = 1 << 20


def write_docker_archive(image: Image, tag: str, blobs: Callable[[OciDigest], Path], out: IO[bytes]) -> None:
    """Writes `image` to `out`, which need not be seekable: `docker load`'s stdin will do.

    tag:   what to call it, as "repository:tag".
    blobs: finds the file of a layer by the digest of its compressed bytes.

    Raises ImageError for a tag that is none, ExternalError for a layer whose
    file has not the size that the manifest says, and what `blobs` raises.
    """
    stream_docker_archive(image, tag, lambda layer: _file_pieces(blobs(layer.digest)), out)


def stream_docker_archive(
    image: Image, tag: str, read: Callable[[Descriptor], Iterable[bytes]], out: IO[bytes]
) -> None:
    """Does as `write_docker_archive`, with layers that need not be files.

    read: gives the compressed bytes of a layer in pieces.
    """
    _check_tag(tag)
    config = File(f"{hex_of(image.config_digest)}.json", len(image.config), False, lambda: [image.config])
    # By digest: an image may have one layer twice, the archive its file once.
    layers = {layer.digest: _layer_file(layer, read) for layer in image.layers}
    paths = [layers[layer.digest].path for layer in image.layers]
    listing = documents.encode([{"Config": config.path, "RepoTags": [tag], "Layers": paths}])
    manifest = File("manifest.json", len(listing), False, lambda: [listing])
    write_tar(arrange([manifest, config, *layers.values()]), out)


def _layer_file(layer: Descriptor, read: Callable[[Descriptor], Iterable[bytes]]) -> File:
    return File(f"{hex_of(layer.digest)}.tar", layer.size, False, lambda: read(layer))


def _file_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece


def _check_tag(tag: str) -> None:
    repository, colon, name = tag.rpartition(":")
    if not (repository and colon and name) or "/" in name or "@" in tag:
        raise ImageError(f"{tag!r} is not a tag", hint='write it as "repository:tag"')
