"""A document that anybody may have written -> an Order.

Whatever is accepted is what `writing` writes: the document is written again, and has
to be the same bytes. So an order has one digest, and nothing in it is overlooked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NoReturn, TypeVar, cast

from lambdabuild.action import ActionId
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Canonical, Digest, Key, digest_of
from lambdabuild.errors import UserError
from lambdabuild.oci.digest import parse_oci_digest
from lambdabuild.order import MadeFile, MadeInput, MadeLayer, Order, OrderedAction, PushedImage, checks
from lambdabuild.order.writing import VERSION
from lambdabuild.store.inflating import ZLIB, inflated

MAX_DOCUMENT: Final = 64 << 20
"""Bytes of a document: some 100,000 actions."""

MAX_COMPRESSED: Final = 16 << 20
"""Bytes of an encoded order."""

_DEPTH = 50
_MEMBERS = ("version", "actions", "known", "images", "destinations", "pins", "insecure", "index")
_ACTION = ("key", "target", "tool", "params", "outputs", "platform", "sources", "made")
_IMAGE = (
    "target",
    "repository",
    "tag",
    "manifest",
    "config",
    "layers",
    "tags",
    "base",
    "asked",
    "for_lambda",
    "handlers",
    "shareable",
    "origins",
)

T = TypeVar("T")

Outputs = Mapping[int, tuple[Key, tuple[str, ...]]]
"""Number that stands for a key -> the key, and the outputs that there are of it."""


def read_order(data: bytes, expected: str) -> Order:
    """Returns the order in `data`; raises UserError for what is none, or not the one of that digest.

    expected: 64 hex digits.
    """
    try:
        document = _unpacked(data)
        if digest_of(document).hash != expected:
            raise ValueError("its bytes have another digest")
        order = _order(_parsed(document))
        if order.document() != document:
            raise ValueError("it is not canonical")
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UserError(
            f"the order {checks.shown(expected)} cannot be used: {said}",
            hint="start the build again; if that does not help: lambdabuild bootstrap",
        ) from None
    return order


def _unpacked(data: bytes) -> bytes:
    if len(data) > MAX_COMPRESSED:
        raise ValueError("it is too large")
    return inflated(data, MAX_DOCUMENT, ZLIB)


def _parsed(document: bytes) -> object:
    parsed = json.loads(document.decode(), parse_float=_no_number, parse_constant=_no_number)
    checks.depth(parsed, _DEPTH, "it")
    return parsed


def _no_number(text: str) -> NoReturn:
    raise ValueError("it has a number that is no integer")


def _order(document: object) -> Order:
    version = document.get("version") if isinstance(document, dict) else None
    if type(version) is not int or version != VERSION:
        raise ValueError(f"it has the version {checks.shown(version)}, and here {VERSION} is understood")
    found = checks.members(document, _MEMBERS, "it")
    listed = checks.items(found["actions"], "actions")
    known = [_known(each) for each in checks.items(found["known"], "known")]
    there: dict[int, tuple[Key, tuple[str, ...]]] = dict(enumerate(known, len(listed)))
    actions = []
    for number, each in enumerate(listed):
        action = _action(each, there)
        there[number] = (action.key, action.outputs)
        actions.append(action)
    _once((key for key, _ in there.values()), "a key")
    _once((action.id for action in actions), "an action")
    images = _all(found["images"], "images", lambda each: _image(each, there))
    _check_bases(images)
    return Order(
        tuple(actions),
        dict(known),
        images,
        _all(found["destinations"], "destinations", checks.destination),
        _pins(found["pins"]),
        _all(found["insecure"], "insecure", checks.host),
        None if found["index"] is None else checks.index(found["index"]),
    )


def _known(value: object) -> tuple[Key, tuple[str, ...]]:
    key, outputs = checks.exactly(value, 2, "a known key")
    return checks.key(key), checks.paths(outputs, "output")


def _action(value: object, there: Outputs) -> OrderedAction:
    """there: what the action may refer to: known keys, and actions before it."""
    found = checks.members(value, _ACTION, "an action")
    label, platform, number = checks.exactly(found["target"], 3, "an action's target")
    params = found["params"]
    if not isinstance(params, dict):
        raise ValueError("parameters are no object")
    outputs = checks.paths(found["outputs"], "output")
    if not outputs:
        raise ValueError("an action has no outputs")
    made = _all(found["made"], "made", lambda each: _input(each, there))
    _once((each.path for each in made), "an input")
    return OrderedAction(
        checks.key(found["key"]),
        ActionId(checks.label(label), checks.platform(platform), checks.number(number, 1 << 31, "a number")),
        checks.tool(found["tool"]),
        cast("Mapping[str, Canonical]", params),
        outputs,
        checks.platform(found["platform"]),
        None if found["sources"] is None else Digest.parse(checks.text(found["sources"], "a digest")),
        made,
    )


def _input(value: object, there: Outputs) -> MadeInput:
    path, number, output, executable = checks.exactly(value, 4, "an input")
    made = _file([number, output], there)
    mode = None if executable is None else checks.flag(executable, "an executable bit")
    return MadeInput(checks.path(path, "input"), made.key, made.output, mode)


def _file(value: object, there: Outputs) -> MadeFile:
    number, output = checks.exactly(value, 2, "a made file")
    if type(number) is not int or number not in there:
        raise ValueError(f"it refers to the action {checks.shown(number)}, which does not come before")
    key, outputs = there[number]
    if output not in outputs:
        raise ValueError(f"it refers to the output {checks.shown(output)}, which an action does not have")
    return MadeFile(key, str(output))


def _image(value: object, there: Outputs) -> PushedImage:
    found = checks.members(value, _IMAGE, "an image")
    label, platform = checks.exactly(found["target"], 2, "an image's target")
    base = found["base"]
    return PushedImage(
        id=ConfiguredLabel(checks.label(label), checks.platform(platform)),
        repository=checks.repository(found["repository"]),
        tag=checks.version_tag(found["tag"]),
        manifest=_file(found["manifest"], there),
        config=_file(found["config"], there),
        layers=_all(found["layers"], "layers", lambda each: _layer(each, there)),
        tags=_all(found["tags"], "tags", checks.further_tag),
        base=None if base is None else checks.number(base, 1 << 31, "a base"),
        asked=checks.flag(found["asked"], "asked"),
        for_lambda=checks.flag(found["for_lambda"], "for_lambda"),
        handlers=_all(found["handlers"], "handlers", lambda each: checks.text(each, "a handler")),
        shareable=checks.flag(found["shareable"], "shareable"),
        origins=_all(found["origins"], "origins", checks.reference),
    )


def _layer(value: object, there: Outputs) -> MadeLayer:
    blob, descriptor = checks.exactly(value, 2, "a layer")
    return MadeLayer(_file(blob, there), _file(descriptor, there))


def _check_bases(images: Sequence[PushedImage]) -> None:
    """Raises ValueError for a base that is not there, and for images that stand on themselves."""
    _once((image.id for image in images), "an image")
    sound: set[int] = set()
    for number in range(len(images)):
        way: dict[int, None] = {}
        at: int | None = number
        while at is not None and at not in sound:
            if at >= len(images) or at in way:
                raise ValueError(f"an image stands on the image {at}, which cannot be")
            way[at] = None
            at = images[at].base
        sound |= way.keys()


def _pins(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("pins are no object")
    return {parse_oci_digest(digest): checks.pinned(reference) for digest, reference in value.items()}


def _all(value: object, what: str, check: Callable[[object], T]) -> tuple[T, ...]:
    return tuple(check(each) for each in checks.items(value, what))


def _once(values: Iterable[object], what: str) -> None:
    listed = list(values)
    if len({*listed}) != len(listed):
        raise ValueError(f"{what} is there twice")
