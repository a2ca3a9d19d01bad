"""Names of images in maps: labels, in the letters that all tools take.

    //infra/list_receipts:image     infra_list_receipts_image
    //infra/list-receipts           infra_list_receipts          a target named as its package
    //:image                        image
    //2024:image                    _2024_image

Package and name joined; whatever is no ASCII letter or digit becomes "_", and
a name that begins with a digit gets "_" in front. Where a label comes for
several platforms, the architecture follows: infra_list_receipts_image_arm64.
The result is an identifier of HCL, of shells and of Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lambdabuild.configured import ConfiguredLabel
from lambdabuild.errors import UserError
from lambdabuild.label import Label

T = TypeVar("T")

_STRANGE = re.compile(r"[^A-Za-z0-9]")


def name_of(label: Label) -> str:
    """Returns the name of a label; an external image is below "external"."""
    if label.external:
        return _identifier(f"external/{label.name}")
    same = label.package.rpartition("/")[2] == label.name
    path = label.package if same else f"{label.package}/{label.name}".lstrip("/")
    return _identifier(path)


def names_of(ids: Sequence[ConfiguredLabel]) -> dict[ConfiguredLabel, str]:
    """Returns the name of each image; raises UserError for two that have one name."""
    labels = [id_.label for id_ in ids]
    names = {
        id_: name_of(id_.label) + (_architecture(id_) if labels.count(id_.label) > 1 else "") for id_ in ids
    }
    distinct(ids, lambda id_: id_, lambda id_: (names[id_],))
    return names


def distinct(
    items: Iterable[T], id_of: Callable[[T], ConfiguredLabel], keys_of: Callable[[T], Iterable[str]]
) -> None:
    """Raises UserError if two images would have the same key."""
    first: dict[str, T] = {}
    for item in items:
        for key in keys_of(item):
            other = first.setdefault(key, item)
            if other is not item:
                raise UserError(
                    f"{id_of(other)} and {id_of(item)} would both be {key}",
                    hint="ask for one of them at a time, or rename a target",
                )


def _architecture(id_: ConfiguredLabel) -> str:
    return _STRANGE.sub("_", "/" + id_.platform.partition("/")[2])


def _identifier(path: str) -> str:
    text = _STRANGE.sub("_", path)
    return f"_{text}" if text[:1].isdigit() else text
