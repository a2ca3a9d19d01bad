"""TargetState: the documents behind a target's hash, and where the inputs in them came from.

Keys say at which path of its input root an action sees a file, and not where in
the workspace that file lay. People think in the latter, so a state holds both.

    {"label": …, "platform": …, "kind": …, "hash": …, "document": […], "origins": {…},
     "actions": [{"key": …, "number": …, "document": {…}, "origins": {…}}, …]}

`document` is as docs/hashing.md has it. `origins` gives, for paths in it, the
path in the workspace, the absolute path of a file of this machine, or
`[label, platform, number]` of the action that makes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from lambdabuild.action import Action, ActionOutput, Input
from lambdabuild.configured import ConfiguredTarget
from lambdabuild.digest import Canonical, Key, key_of
from lambdabuild.keys import KeyTable

TARGET = -1
"""The number of a Maker that is no action, but the list of a target's default outputs."""


class Maker(NamedTuple):
    """An action by who declared it, as text."""

    label: str
    platform: str
    number: int


Origin: TypeAlias = "str | Maker"


@dataclass(frozen=True, slots=True)
class Hashed:
    """A document that has a key: of an action, or of a target's default outputs.

    maker:   whose it is; None where only the key is known.
    fields:  the document without its inputs; {} for a target.
    inputs:  path -> reference.
    origins: path -> where that comes from, as far as it is known.
    """

    key: Key
    maker: Maker | None
    fields: Mapping[str, Any]
    inputs: Mapping[str, Mapping[str, Any]]
    origins: Mapping[str, Origin]

    @property
    def label(self) -> str:
        return self.maker.label if self.maker else ""

    @property
    def tool(self) -> str:
        return str(self.fields.get("tool", ""))


Find: TypeAlias = Callable[[Key, "Maker | None"], "Hashed | None"]
"""Gives the document of a deep key that an action, if it is known which, declared."""


@dataclass(frozen=True, slots=True)
class TargetState:
    """What a configured target was when it had `target.key` as its hash.

    actions: those that it declared itself.
    """

    label: str
    platform: str
    kind: str
    target: Hashed
    actions: tuple[Hashed, ...]


def hashed(key: Key, maker: Maker | None, document: object, origins: object = None) -> Hashed:
    """Returns a document as it was read; raises ValueError where it is none that has a key."""
    if isinstance(document, list):
        fields: Mapping[str, Any] = {}
        pairs: object = document
    elif isinstance(document, dict):
        fields = {name: value for name, value in document.items() if name != "inputs"}
        pairs = document.get("inputs", [])
    else:
        raise ValueError("a document is a list or an object")
    if not isinstance(pairs, list):
        raise ValueError("inputs are a list")
    return Hashed(key, maker, fields, dict(map(_pair, pairs)), _origins(origins or {}))


def state_of(target: ConfiguredTarget, keys: KeyTable) -> TargetState:
    """Returns what `target` is now; it has a hash."""
    label, platform = str(target.label), target.platform
    outputs = keys.target_document(target)
    assert isinstance(outputs, list)
    own = Maker(label, platform, TARGET)
    return TargetState(
        label,
        platform,
        target.kind,
        Hashed(keys.hashes[target.id], own, {}, dict(outputs), origins_of(target.outputs)),
        tuple(action_state(action, keys) for action in target.actions),
    )


def action_state(action: Action, keys: KeyTable) -> Hashed:
    """Returns what `action` is now; its inputs have digests."""
    document: dict[str, Any] = dict(keys.deep_document(action))
    inputs = dict(document.pop("inputs"))
    maker = Maker(str(action.id.label), action.id.platform, action.id.number)
    return Hashed(keys.deep_key(action.id), maker, document, inputs, origins_of(action.inputs))


def origins_of(inputs: Mapping[str, Input]) -> dict[str, Origin]:
    """Returns where inputs come from, as states have it."""
    return {path: _origin(source) for path, source in inputs.items()}


def _origin(source: Input) -> Origin:
    if isinstance(source, ActionOutput):
        return Maker(str(source.action.label), source.action.platform, source.action.number)
    return source.path


def to_json(state: TargetState) -> bytes:
    """Returns `state` as it is kept."""
    actions = [
        {
            "key": each.key,
            "number": each.maker.number if each.maker else TARGET,
            "document": {**each.fields, "inputs": list(each.inputs.items())},
            "origins": each.origins,
        }
        for each in state.actions
    ]
    document = {
        "label": state.label,
        "platform": state.platform,
        "kind": state.kind,
        "hash": state.target.key,
        "document": list(state.target.inputs.items()),
        "origins": state.target.origins,
        "actions": actions,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def from_json(data: bytes) -> TargetState:
    """Returns the state that `to_json` wrote; raises ValueError for anything else."""
    try:
        return read_state(json.loads(data))
    except RecursionError as error:
        raise ValueError(f"not a target's state: {error}") from None


def read_state(document: Any) -> TargetState:
    """Returns the state that is said in parsed JSON; raises ValueError where none is."""
    try:
        label, platform = str(document["label"]), str(document["platform"])
        target = hashed(
            _key(document["hash"]),
            Maker(label, platform, TARGET),
            document["document"],
            document.get("origins"),
        )
        actions = tuple(
            hashed(
                _key(each["key"]),
                Maker(label, platform, int(each["number"])),
                each["document"],
                each["origins"],
            )
            for each in document.get("actions", ())
        )
        return TargetState(label, platform, str(document.get("kind", "")), target, actions)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a target's state: {error}") from None


def is_sound(state: TargetState) -> bool:
    """Tells whether the keys in a state, which may come from anybody, are the hashes of its documents."""
    return all(_is_sound("deep", each) for each in state.actions) and _is_sound("target", state.target)


def _is_sound(kind: str, each: Hashed) -> bool:
    inputs: Canonical = [[path, dict(reference)] for path, reference in each.inputs.items()]
    document = {**each.fields, "inputs": inputs} if kind == "deep" else inputs
    return each.key == key_of(kind, document)


def deep_keys(state: TargetState) -> frozenset[str]:
    """Returns the keys of a target's own actions, and of those whose outputs it or they take."""
    inputs = (each for document in (state.target, *state.actions) for each in document.inputs.values())
    taken = {str(reference["action"]) for reference in inputs if "action" in reference}
    return frozenset({each.key for each in state.actions} | taken)


def is_key(text: object) -> bool:
    """Tells whether `text` is 64 lower-case hex digits."""
    return isinstance(text, str) and len(text) == 64 and set(text) <= set("0123456789abcdef")


def _key(text: object) -> Key:
    if not is_key(text):
        raise ValueError(f"not a key: {text!r}")
    return Key(str(text))


def _pair(pair: object) -> tuple[str, Mapping[str, Any]]:
    if isinstance(pair, list | tuple) and len(pair) == 2:
        path, reference = pair
        if isinstance(path, str) and isinstance(reference, dict) and _is_reference(reference):
            return path, reference
    raise ValueError("an input is a path and a reference")


def _is_reference(reference: Mapping[object, object]) -> bool:
    if isinstance(reference.get("digest"), str):
        return True
    return is_key(reference.get("action")) and isinstance(reference.get("output"), str)


def _origins(value: object) -> dict[str, Origin]:
    if not isinstance(value, dict):
        raise ValueError("origins are an object")
    return {path: _read_origin(origin) for path, origin in value.items()}


def _read_origin(value: object) -> Origin:
    match value:
        case str():
            return value
        case [str() as label, str() as platform, int() as number]:
            return Maker(label, platform, number)
    raise ValueError("an origin is a path, or label, platform and number of an action")
