"""layer: an input root -> one compressed layer that holds just that tree."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lambdabuild.action import Made, ToolCall
from lambdabuild.digest import Digest
from lambdabuild.oci.layer import Entry, File, write_layer

BLOB = "layer.tar.gz"
DESCRIPTOR = "layer.json"


class LayerTool:
    """Puts out `layer.tar.gz` and, in `layer.json`, what describes it."""

    name = "layer"
    version = 1

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        return write(call, file_entries(call))


def file_entries(call: ToolCall) -> Iterator[Entry]:
    """Yields the input root's files as a layer's entries."""
    for path, node in call.inputs.items():
        yield File(path, node.digest.size, node.executable, _opener(call, node.digest))


def write(call: ToolCall, entries: Iterable[Entry]) -> Mapping[str, Made]:
    """Writes the layer of `entries`; returns the outputs of a tool that makes a layer."""
    target = call.scratch / BLOB
    layer = write_layer(entries, target)
    return {BLOB: Made(target), DESCRIPTOR: Made(layer.to_json())}


def _opener(call: ToolCall, digest: Digest) -> Callable[[], Iterable[bytes]]:
    def read() -> Iterable[bytes]:
        call.check()
        return call.contents(digest)

    return read
