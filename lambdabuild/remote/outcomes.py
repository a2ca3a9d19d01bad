"""What a worker said of an order: its outcome document, read.

It explains; it proves nothing. What was done shows in the action cache alone.
The document is written by the worker's role, yet checked like anything from outside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from lambdabuild.digest import Digest, Key
from lambdabuild.errors import ExternalError, LambdaBuildError, UserError, escaped
from lambdabuild.pushing.result import PushResult
from lambdabuild.report import error_from_json

MAX_BYTES = 32 << 20
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class ActionFailure:
    """An action that did not succeed. log: the last lines of its log."""

    error: LambdaBuildError
    log: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """What became of an order, as its worker saw it.

    failures: by deep key.
    lost:     blobs that were promised and are missing or damaged.
    unknown:  deep keys that the order called known and that have no result.
    refused:  why the whole order was not carried out, or None.
    ran:      deep keys of the actions that really ran.
    pushes:   what became of each image.
    """

    failures: Mapping[Key, ActionFailure]
    lost: frozenset[Digest]
    unknown: frozenset[Key]
    refused: LambdaBuildError | None
    ran: frozenset[Key]
    pushes: tuple[PushResult, ...]


def read_outcome(data: bytes, order: str) -> OrderOutcome:
    """Returns what a worker wrote of `order` (64 hex digits); raises ExternalError if it is not that."""
    try:
        document = json.loads(data)
        if document["version"] != 1 or document["order"] != order:
            raise ValueError("it is of another order or version")
        refused = document.get("refused")
        return OrderOutcome(
            failures={
                _key(each["key"]): ActionFailure(error_from_json(each["error"]), _lines(each.get("log", ())))
                for each in document.get("failures", ())
            },
            lost=frozenset(Digest.parse(each) for each in document.get("lost", ())),
            unknown=frozenset(_key(each) for each in document.get("unknown", ())),
            refused=error_from_json(refused) if refused else None,
            ran=frozenset(_key(each) for each in document.get("ran", ())),
            pushes=tuple(PushResult.from_json(each) for each in document.get("pushes", ())),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UserError) as error:
        raise ExternalError(
            f"what the worker wrote of order {order[:12]} cannot be understood: {error}",
            hint="bring project and worker to this release: lambdabuild bootstrap",
        ) from None


def _key(value: object) -> Key:
    if not isinstance(value, str) or len(value) != 64 or not set(value) <= _HEX:
        raise ValueError(f"not a key: {str(value)[:80]!r}")
    return Key(value)


def _lines(values: object) -> tuple[str, ...]:
    if not isinstance(values, list | tuple):
        raise TypeError("lines that are no list")
    return tuple(escaped(str(value)) for value in values)
