"""Images that install the same first-party packages -> one base_image with them, below all of them.

The rule is one that can be foreseen: at least two images, made without their
Dockerfiles, on the same image and for the same platforms, with the same
packages and extras. Then an edit of a package makes one layer, once, and a push
sends it once; each image adds its own files. A base_image that is there already
and holds just these packages is taken, for a single image as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lambdabuild.migrating.existing import Base
from lambdabuild.migrating.first_party import FirstParty
from lambdabuild.migrating.images import package_labels
from lambdabuild.migrating.reading import Reading
from lambdabuild.migrating.rendering import Draft, Value

BASES = "bases"
"""The package of the bases."""

MIN_IMAGES = 2
_MOST_NAMED = 2


@dataclass(frozen=True, slots=True)
class Shared:
    """A base_image, and the Dockerfiles whose images stand on it.

    draft: None for one that is there already.
    """

    label: str
    packages: tuple[str, ...]
    dockerfiles: tuple[str, ...]
    draft: Draft | None = None


def shared_bases(
    readings: Sequence[Reading],
    packages: FirstParty,
    images: Mapping[str, str],
    there: Mapping[Base, str],
    *,
    new: bool,
) -> tuple[Shared, ...]:
    """Returns the bases that images should share, by what they are made of.

    images: reference -> name in [images].
    there:  the bases that are declared.
    new:    whether others can be.
    """
    groups: dict[Base, list[str]] = {}
    for each in readings:
        if each.recipe and each.recipe.packages:
            platforms = (each.platform,) if each.platform else ()
            labels = package_labels(each.recipe, packages)
            base = Base(f"@{images[each.recipe.base]}", platforms, labels)
            groups.setdefault(base, []).append(each.dockerfile.path)
    found: list[Shared] = []
    names: set[str] = set()
    for base, paths in sorted(groups.items()):
        if base in there:
            found.append(Shared(there[base], base.packages, tuple(paths)))
        elif new and len(paths) >= MIN_IMAGES:
            draft = _draft(base, _name(base.packages, names))
            names.add(draft.name)
            found.append(Shared(draft.label, base.packages, tuple(paths), draft))
    return tuple(found)


def _draft(base: Base, name: str) -> Draft:
    attributes: dict[str, Value] = {
        "base": base.below,
        "packages": base.packages,
        "platforms": base.platforms,
    }
    return Draft(BASES, name, "base_image", attributes)


def _name(packages: Sequence[str], taken: set[str]) -> str:
    names = [label.partition("[")[0].rpartition("/")[2].rpartition(":")[2] for label in packages]
    name = "_".join(names) if len(names) <= _MOST_NAMED else "shared"
    found, number = name, 2
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found
