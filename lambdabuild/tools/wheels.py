"""wheels: wheel files -> one layer with what they install, at the place of Python packages.

Inputs are the wheels under their own file names. Beside the layer comes a
listing of its files, so that wheels of different layers that want one place
are found when an image is put together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from lambdabuild.action import Made, ToolCall
from lambdabuild.digest import CHUNK, Digest, Hasher
from lambdabuild.errors import UserError
from lambdabuild.oci.layer import File, write_layer
from lambdabuild.tools.layer import BLOB, DESCRIPTOR

LISTING = "files.json"


class WheelsTool:
    """Puts out what the layer tool does, and `files.json`: path in the image -> [wheel, digest]."""

    name = "wheels"
    version = 1

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        files: dict[str, tuple[str, Path]] = {}
        listing: dict[str, list[str]] = {}
        for name in sorted(call.inputs):
            call.check()
            root = call.scratch / "trees" / name
            _unpack(call, name, root)
            for path in sorted(p for p in root.rglob("*") if p.is_file()):
                place = f"{call.params['prefix']}/{path.relative_to(root).as_posix()}"
                entry = [name, str(_digest(path))]
                check_same(place, listing.setdefault(place, entry), entry)
                files[place] = (name, path)
        target = call.scratch / BLOB
        layer = write_layer((_entry(place, path) for place, (_, path) in files.items()), target)
        document = json.dumps(listing, sort_keys=True, separators=(",", ":")).encode()
        return {BLOB: Made(target), DESCRIPTOR: Made(layer.to_json()), LISTING: Made(document)}


def check_same(place: str, one: list[str], other: list[str]) -> None:
    """Raises UserError where two wheels put different bytes at one place."""
    if one[1] != other[1]:
        raise UserError(
            f"two wheels want to be at /{place}: {one[0]} and {other[0]}",
            hint="drop one of them from the requirements, or pin a version that does not have the file",
        )


def _unpack(call: ToolCall, name: str, root: Path) -> None:
    from lambdabuild.python.wheel import install  # for those who have wheels

    wheel = call.scratch / name
    with open(wheel, "wb") as out:
        out.writelines(call.contents(call.inputs[name].digest))
    root.mkdir(parents=True)
    install(wheel, root)
    wheel.unlink()


def _digest(path: Path) -> Digest:
    hasher = Hasher()
    for piece in _pieces(path):
        hasher.update(piece)
    return hasher.digest()


def _entry(place: str, path: Path) -> File:
    status = path.stat()
    return File(place, status.st_size, bool(status.st_mode & 0o100), partial(_pieces, path))


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(CHUNK):
            yield piece
