"""layer: an input root -> one compressed layer that holds just that tree, and bytecode if wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from lambdabuild.action import Made, ToolCall
from lambdabuild.digest import Digest
from lambdabuild.oci.layer import Entry, File, pack_layer
from lambdabuild.sources.stable import pieces

BLOB = "layer.tar.gz"
DESCRIPTOR = "layer.json"

_IMPORTED = ("var/task/", "opt/python/")
"""Where an image has modules that are imported."""

_SMALL = 1 << 20
"""Bytes of a layer that is handed on as it is: cheaper than a file that is read once more."""


class LayerTool:
    """Puts out `layer.tar.gz` and, in `layer.json`, what describes it.

    Parameter: `bytecode`, the exact version of the image's Python, for bytecode of
    what is below /var/task and /opt/python; absent or "" for none.
    """

    name = "layer"
    version = 1

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        compiled = bytecode(call, _modules(call)) if call.params.get("bytecode") else {}
        entries = [file_entry(place, path) for place, path in compiled.items() if place not in call.inputs]
        return write(call, [*file_entries(call), *entries])


def bytecode(call: ToolCall, files: Mapping[str, Path]) -> dict[str, Path]:
    """Returns place in the image -> bytecode of the modules among `files`, if the call is to make it.

    files: place in the image -> file in the call's scratch directory.
    """
    version = call.params.get("bytecode")
    if not version:
        return {}
    from lambdabuild.python.bytecode import compile_files  # for those who want it

    modules = {place: path for place, path in files.items() if place.endswith(".py")}
    return compile_files(str(version), modules, call.scratch / "bytecode", call.check)


def _modules(call: ToolCall) -> dict[str, Path]:
    """Writes the inputs that are compiled to the scratch directory; returns place -> file."""
    directory = call.scratch / "modules"
    directory.mkdir()
    modules: dict[str, Path] = {}
    for number, (place, node) in enumerate(call.inputs.items()):
        if place.startswith(_IMPORTED) and place.endswith(".py"):
            call.check()
            modules[place] = directory / f"{number}.py"
            with open(modules[place], "wb") as out:
                out.writelines(call.contents(node.digest))
    return modules


def file_entries(call: ToolCall) -> Iterator[Entry]:
    """Yields the input root's files as a layer's entries."""
    for path, node in call.inputs.items():
        yield File(path, node.digest.size, node.executable, _opener(call, node.digest))


def file_entry(place: str, path: Path) -> File:
    """Returns a file on disk as a layer's entry at `place`."""
    status = path.stat()
    return File(place, status.st_size, bool(status.st_mode & 0o100), partial(pieces, str(path)))


def write(call: ToolCall, entries: Iterable[Entry]) -> Mapping[str, Made]:
    """Writes the layer of `entries`; returns the outputs of a tool that makes a layer."""
    compressed, layer = pack_layer(entries, lambda: call.scratch)
    return {BLOB: _blob(call, compressed), DESCRIPTOR: Made(layer.to_json())}


def _blob(call: ToolCall, compressed: bytearray) -> Made:
    if len(compressed) <= _SMALL:
        return Made(bytes(compressed))
    target = call.scratch / BLOB
    target.write_bytes(compressed)
    return Made(target)


def _opener(call: ToolCall, digest: Digest) -> Callable[[], Iterable[bytes]]:
    def read() -> Iterable[bytes]:
        call.check()
        return call.contents(digest)

    return read
