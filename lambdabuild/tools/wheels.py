"""wheels: wheel files -> one layer with what they install, at the place of Python packages.

Inputs are published wheels under their own file names, and those that the wheel
tool made as `built/<project>.whl`: their names are inside. Beside the layer comes
a listing of its files, so that wheels of different layers that want one place
are found when an image is put together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from lambdabuild.action import Made, ToolCall
from lambdabuild.errors import ActionFailed, UserError
from lambdabuild.oci.layer import write_layer
from lambdabuild.sources.stable import read_node
from lambdabuild.tools.layer import BLOB, DESCRIPTOR, bytecode, file_entry

LISTING = "files.json"
_BUILT = "built/"


class WheelsTool:
    """Puts out what the layer tool does, and `files.json`: path in the image -> [wheel, digest].

    Parameters: `prefix`, the place of packages in the image; `bytecode`, the exact
    version of the image's Python, or "" for no bytecode. The listing has no
    bytecode: it collides where its sources do.
    """

    name = "wheels"
    version = 2

    def run(self, call: ToolCall) -> Mapping[str, Made]:
        files: dict[str, Path] = {}
        listing: dict[str, list[str]] = {}
        for number, name in enumerate(sorted(call.inputs)):
            call.check()
            root = call.scratch / "trees" / str(number)
            _unpack(call, name, root)
            for path in sorted(p for p in root.rglob("*") if p.is_file()):
                place = f"{call.params['prefix']}/{path.relative_to(root).as_posix()}"
                entry = [_shown(name), str(read_node(str(path)).digest)]
                check_same(place, listing.setdefault(place, entry), entry)
                files[place] = path
        files |= bytecode(call, files)
        target = call.scratch / BLOB
        layer = write_layer((file_entry(place, path) for place, path in files.items()), target)
        document = json.dumps(listing, sort_keys=True, separators=(",", ":")).encode()
        return {BLOB: Made(target), DESCRIPTOR: Made(layer.to_json()), LISTING: Made(document)}


def check_same(place: str, one: list[str], other: list[str]) -> None:
    """Raises UserError where two wheels put different bytes at one place."""
    if one[1] != other[1]:
        raise UserError(
            f"two wheels want to be at /{place}: {one[0]} and {other[0]}",
            hint="drop one of them from the requirements, or pin a version that does not have the file",
        )


def _shown(name: str) -> str:
    """Returns how an input is called in listings: a file name, or a project of the workspace."""
    return name.removeprefix(_BUILT).removesuffix(".whl") if name.startswith(_BUILT) else name


def _unpack(call: ToolCall, name: str, root: Path) -> None:
    from lambdabuild.python.wheel import install  # for those who have wheels

    wheel = call.scratch / name.removeprefix(_BUILT)
    with open(wheel, "wb") as out:
        out.writelines(call.contents(call.inputs[name].digest))
    root.mkdir(parents=True)
    if name.startswith(_BUILT):
        wheel = _install_built(wheel, _shown(name), root)
    else:
        install(wheel, root)
    wheel.unlink()


def _install_built(wheel: Path, project: str, root: Path) -> Path:
    """Installs what the wheel tool made, under its proper name; returns where it is then."""
    from lambdabuild.python.pep517.wheel_name import name_from_inside
    from lambdabuild.python.wheel import install

    try:
        wheel = wheel.rename(wheel.with_name(name_from_inside(wheel)))
        install(wheel, root)
    except (ValueError, UserError) as error:
        said = error.message if isinstance(error, UserError) else f"it {error}"
        raise ActionFailed(
            f"the wheel that was built of {project} cannot be installed: {said}",
            hint="its build backend made it so: see [build-system] in its pyproject.toml",
        ) from None
    return wheel
