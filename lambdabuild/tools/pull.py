"""pull: a layer of an external image, by its sha256 and size.

The key holds no host: any registry that has these bytes will do, and hashes need
no network. The tool is given what knows where pinned layers are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from lambdabuild.action import Made, ToolCall
from lambdabuild.oci.digest import OciDigest, parse_oci_digest
from lambdabuild.oci.layer import Layer
from lambdabuild.oci.layer_reader import CHUNK, LayerReader
from lambdabuild.tools.layer import BLOB, DESCRIPTOR

ReadLayer: TypeAlias = Callable[[str, int], Iterable[bytes]]
"""Gives a layer's compressed bytes by digest and size; they are verified once all have come."""


class PullTool:
    """Puts out what the layer tool does: the layer's bytes, as they are, and what describes it.

    Parameters: `digest`, of the compressed bytes, and `size`, their count.
    """

    name = "pull"
    version = 1
    outputs = (DESCRIPTOR, BLOB)

    def __init__(self, read: ReadLayer) -> None:
        self._read = read

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        digest, size = parse_oci_digest(str(call.params["digest"])), call.params["size"]
        assert isinstance(size, int)
        blob = call.scratch / BLOB
        with blob.open("wb") as out:
            for piece in self._read(digest, size):
                call.check()
                out.write(piece)
        diff_id, count = _unpacked(blob, call.check)
        layer = Layer(diff_id=diff_id, digest=digest, size=size, uncompressed_size=count)
        return {BLOB: Made(blob), DESCRIPTOR: Made(layer.to_json())}


def _unpacked(blob: Path, check: Callable[[], None]) -> tuple[OciDigest, int]:
    """Returns diff_id and size of the tar in `blob`; raises ExternalError if it is damaged."""
    with blob.open("rb") as file:
        reader, count = LayerReader(file), 0
        while piece := reader.read(CHUNK):
            check()
            count += len(piece)
        return reader.diff_id(), count
