"""Layers, read once from the lowest up: sizes, digests, the tree, and what is wrong with entries.

Absent: judgement of the whole. A scan says what it saw; checks say what it means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, Final, Literal, TypeAlias, cast

from lambdabuild.errors import ExternalError
from lambdabuild.oci.conformance.entries import RULES, entry_of, judge
from lambdabuild.oci.conformance.finding import Verdict
from lambdabuild.oci.conformance.members import members
from lambdabuild.oci.conformance.tree import Tree
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.layer_reader import CHUNK, LayerReader
from lambdabuild.oci.manifest import Descriptor

Held: TypeAlias = Callable[[Descriptor], Iterable[bytes] | None]
"""Returns a layer's compressed bytes, in pieces of any size; None if they are not held here."""

Compression: TypeAlias = Literal["gzip", "zstd", "none"]

_MAGIC: Final[tuple[tuple[bytes, Compression], ...]] = (
    (b"\x1f\x8b\x08", "gzip"),  # RFC 1952 §2.3, with deflate
    (b"\x28\xb5\x2f\xfd", "zstd"),  # RFC 8878 §3.1.1
)


@dataclass
class LayerScan:
    """What was seen of one layer.

    label:       how messages call it, e.g. "layer 2 of 3 (sha256:0123456789ab)".
    broken:      why its tar was not read to the end; "" if it was.
    too_large:   whether that is because the layers up to here unpack to more than is allowed.
    compression: by the first bytes; None if there were none to see.
    digest:      of the compressed bytes, `size` their count; None if not all were read.
    diff_id:     of the tar; None if not all of it was read. `tar_size`: bytes of it that were.
    entries:     what the rules for entries found, by check.
    """

    label: str
    descriptor: Descriptor
    held: bool = True
    broken: str = ""
    too_large: bool = False
    compression: Compression | None = None
    digest: OciDigest | None = None
    size: int = 0
    diff_id: OciDigest | None = None
    tar_size: int = 0
    entries: dict[str, Verdict] = field(default_factory=lambda: {check: Verdict() for check in RULES})

    @property
    def seen(self) -> bool:
        """Whether all entries of the layer are known."""
        return self.held and not self.broken


def scan_layers(layers: Sequence[Descriptor], held: Held, tree: Tree, limit: int) -> tuple[LayerScan, ...]:
    """Applies the layers to `tree`, lowest first, and returns what was seen of each.

    limit: bytes; when the tars together have more, the rest is not read.

    Raises what `held` and the iterators it gives raise.
    """
    scans: list[LayerScan] = []
    for index, descriptor in enumerate(layers):
        label = f"layer {index + 1} of {len(layers)} ({descriptor.digest[:19]})"
        scan = LayerScan(label, descriptor)
        whole = all(below.seen for below in scans)
        left = limit - sum(below.tar_size for below in scans)
        scans.append(scan)
        if any(below.too_large for below in scans):
            scan.broken = "the layers below are too large already"
        elif (pieces := held(descriptor)) is None:
            scan.held = False
        else:
            tree.begin_layer(index)
            _scan(scan, pieces, tree, whole, left)
    return tuple(scans)


def _scan(scan: LayerScan, pieces: Iterable[bytes], tree: Tree, whole: bool, limit: int) -> None:
    blob = _Blob(pieces)
    scan.compression = blob.compression()
    try:
        if scan.compression == "zstd":
            raise ExternalError("it is compressed with zstd")
        _read_tar(scan, _Bounded(LayerReader(cast("IO[bytes]", blob)), limit), tree, whole)
    except _TooLarge:
        scan.too_large, scan.broken = True, "it is too large"
        return
    except ExternalError as error:
        if error is blob.error:  # the bytes did not come, which says nothing about the image
            raise
        scan.broken = error.message
    while blob.read(CHUNK):
        pass
    scan.digest, scan.size = blob.digest(), blob.count


def _read_tar(scan: LayerScan, tar: _Bounded, tree: Tree, whole: bool) -> None:
    try:
        try:
            for member in members(tar):
                judge(entry_of(member), tree, whole, scan.entries)
        except ImageError as error:
            scan.broken = error.message
        scan.diff_id = tar.diff_id()
    finally:
        scan.tar_size = tar.count


class _TooLarge(Exception):
    """The layers unpack to more than is allowed."""


class _Bounded:
    """The tar of a layer, as far as `limit` bytes of it."""

    def __init__(self, reader: LayerReader, limit: int) -> None:
        self._reader = reader
        self._limit = limit
        self.count = 0

    def read(self, size: int) -> bytes:
        data = self._reader.read(size)
        self.count += len(data)
        if self.count > self._limit:
            raise _TooLarge
        return data

    def diff_id(self) -> OciDigest:
        while self.read(CHUNK):
            pass
        return self._reader.diff_id()


class _Blob:
    """The compressed bytes of a layer as a file, counted and hashed while they pass.

    error: what the iterator raised.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._ready = memoryview(b"")  # a piece may be the whole layer, and is not copied for each read
        self._sha256 = hashlib.sha256()
        self.count = 0
        self.error: BaseException | None = None

    def compression(self) -> Compression:
        """Returns what the first bytes say, without reading past them."""
        self._fill(4)
        first = bytes(self._ready[:4])
        return next((kind for magic, kind in _MAGIC if first.startswith(magic)), "none")

    def read(self, size: int) -> bytes:
        """Returns `size` bytes, or what is left."""
        self._fill(size)
        data, self._ready = bytes(self._ready[:size]), self._ready[size:]
        self._sha256.update(data)
        self.count += len(data)
        return data

    def digest(self) -> OciDigest:
        return OciDigest("sha256:" + self._sha256.hexdigest())

    def _fill(self, size: int) -> None:
        if len(self._ready) >= size:
            return
        parts: list[bytes | memoryview] = [self._ready]
        have = len(self._ready)
        try:
            while have < size and (piece := next(self._pieces, None)) is not None:
                parts.append(piece)
                have += len(piece)
        except BaseException as error:
            self.error = error
            raise
        self._ready = memoryview(b"".join(parts))
