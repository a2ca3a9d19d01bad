"""Where below lambdabuild-out each target's outputs go, and that no two want one place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from lambdabuild.action import ActionOutput
from lambdabuild.configured import ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import UserError
from lambdabuild.settings import OUT_DIR

LISTING = ".lambdabuild-files"
"""Lists the files that were put into a directory, so that a later build can remove them."""

LAYOUT_PARTS = ("index.json", "oci-layout", "blobs")


def output_directories(targets: Sequence[ConfiguredTarget]) -> Mapping[ConfiguredLabel, str]:
    """Returns the workspace-relative output directory of each target.

    An image has one layout for all its platforms; other targets that are built
    for several have a directory for each. Raises UserError where the outputs of
    two targets would be in each other's way.
    """
    platforms = Counter(target.label for target in targets)
    directories: dict[ConfiguredLabel, str] = {}
    owners = {f"{OUT_DIR}/.gitignore": "lambdabuild itself"}
    for target in targets:
        parts = [OUT_DIR, target.label.package, target.label.name]
        if target.image is None and platforms[target.label] > 1:
            parts.append(target.platform.replace("/", "-"))
        directory = directories[target.id] = "/".join(filter(None, parts))
        for path in _paths(target):
            place, owner = f"{directory}/{path}", str(target.label if target.image else target.id)
            if owners.setdefault(place, owner) != owner:
                raise _conflict(target, place, owners[place])
    for target in targets:
        for path in _paths(target):
            parent = f"{directories[target.id]}/{path}".rpartition("/")[0]
            while parent:
                if parent in owners:
                    raise _conflict(target, parent, owners[parent])
                parent = parent.rpartition("/")[0]
    return directories


def _paths(target: ConfiguredTarget) -> Iterator[str]:
    """Yields what a target puts into its directory; a layout's blobs count as one."""
    if target.image is not None:
        yield from LAYOUT_PARTS
        return
    made = [path for path, file in target.outputs.items() if isinstance(file, ActionOutput)]
    yield from made
    if made:
        yield LISTING


def _conflict(target: ConfiguredTarget, place: str, other: str) -> UserError:
    return UserError(
        f"{target.label} and {other} both want {place}", at=target.at, hint="rename a target or an output"
    )
