"""Images that install the same first-party packages -> one base_image with them, below all of them.

The rule is one that can be foreseen: at least two images, made without their
Dockerfiles, on the same image and for the same platforms, with the same
packages and extras. Then an edit of a package makes one layer, once, and a push
sends it once; each image adds its own files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.migrating.images import package_labels
from lambdabuild.migrating.reading import Reading
from lambdabuild.migrating.rendering import Draft, Value

BASES = "bases"
"""The package of the bases."""

MIN_IMAGES = 2
_MOST_NAMED = 2


@dataclass(frozen=True, slots=True)
class Shared:
    """A base_image, and the Dockerfiles whose images stand on it."""

    draft: Draft
    dockerfiles: tuple[str, ...]


def shared_bases(
    readings: Sequence[Reading], labels: Mapping[str, str], images: Mapping[str, str]
) -> tuple[Shared, ...]:
    """Returns the bases that images should share, by name.

    labels: directory -> label of each python_package.
    images: reference -> name in [images].
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[Reading]] = {}
    for each in readings:
        if each.recipe and each.recipe.packages:
            packages = package_labels(each.recipe, labels)
            groups.setdefault((each.recipe.base, each.platform, packages), []).append(each)
    found: list[Shared] = []
    for (base, platform, packages), members in sorted(groups.items()):
        if len(members) >= MIN_IMAGES:
            name = _name(packages, {each.draft.name for each in found})
            platforms = (platform,) if platform else ()
            attributes: dict[str, Value] = {
                "base": f"@{images[base]}",
                "packages": packages,
                "platforms": platforms,
            }
            draft = Draft(BASES, name, "base_image", attributes)
            found.append(Shared(draft, tuple(each.dockerfile.path for each in members)))
    return tuple(found)


def _name(packages: Sequence[str], taken: set[str]) -> str:
    names = [label.partition("[")[0].rpartition("/")[2].rpartition(":")[2] for label in packages]
    name = "_".join(names) if len(names) <= _MOST_NAMED else "shared"
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
