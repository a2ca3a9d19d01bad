"""An Order -> its document: canonical JSON in which keys are written once.

    {"version": 1, "actions": [{…}], "known": [[key, [output, …]], …], "images": [{…}],
     "destinations": [], "pins": {}, "insecure": [], "index": null}

Elsewhere an integer stands for a key: its place among the keys of `actions`,
followed by those of `known`, which are sorted. Canonical, so that equal orders have
equal digests. Of an action that takes a thousand bytes here some 150 are left when
many of them are compressed together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from lambdabuild.digest import Canonical, Key, encode

if TYPE_CHECKING:
    from lambdabuild.order import MadeFile, MadeInput, Order, OrderedAction, PushedImage

VERSION: Final = 1


def document_of(order: Order) -> bytes:
    """Returns the document; raises KeyError where it refers to a key that it does not have."""
    known = sorted(order.known)
    numbers = {key: number for number, key in enumerate([*(each.key for each in order.actions), *known])}
    return encode(
        {
            "version": VERSION,
            "actions": [_action(each, numbers) for each in order.actions],
            "known": [[key, order.known[key]] for key in known],
            "images": [_image(each, numbers) for each in order.images],
            "destinations": order.destinations,
            "pins": dict(order.pins),
            "insecure": order.insecure,
            "index": order.index,
        }
    )


def _action(action: OrderedAction, numbers: Mapping[Key, int]) -> Canonical:
    return {
        "key": action.key,
        "target": [str(action.id.label), action.id.platform, action.id.number],
        "tool": action.tool,
        "params": action.params,
        "outputs": action.outputs,
        "platform": action.platform,
        "sources": str(action.sources) if action.sources else None,
        "made": [_input(each, numbers) for each in action.made],
    }


def _input(made: MadeInput, numbers: Mapping[Key, int]) -> Canonical:
    return [made.path, numbers[made.key], made.output, made.executable]


def _image(image: PushedImage, numbers: Mapping[Key, int]) -> Canonical:
    def file(made: MadeFile) -> Canonical:
        return [numbers[made.key], made.output]

    return {
        "target": [str(image.id.label), image.id.platform],
        "repository": image.repository,
        "tag": image.tag,
        "manifest": file(image.manifest),
        "config": file(image.config),
        "layers": [[file(each.blob), file(each.descriptor)] for each in image.layers],
        "tags": image.tags,
        "base": image.base,
        "asked": image.asked,
        "for_lambda": image.for_lambda,
        "handlers": image.handlers,
        "shareable": image.shareable,
        "origins": image.origins,
    }
