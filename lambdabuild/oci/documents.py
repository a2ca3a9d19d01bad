"""JSON documents: strict about those from outside, canonical about our own.

Strict, since two parsers that read one document differently have been the way
to smuggle in images (CVE-2021-41190): a name twice in one object, NaN, invalid
UTF-8 and bottomless nesting are refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lambdabuild.oci.digest import OciDigest, parse_oci_digest
from lambdabuild.oci.errors import ImageError

T = TypeVar("T")

_KINDS = {dict: "an object", list: "a list", str: "a string", int: "a number"}


def encode(document: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """Returns the document as JSON: sorted keys, no spaces, UTF-8 without escapes."""
    return json.dumps(
        document, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    ).encode()


def decode(data: bytes, what: str) -> Fields:
    """Returns the JSON object in `data`; ImageError, with `what` in it, if there is none."""
    value = _value(data, what)
    if not isinstance(value, dict):
        raise ImageError(f"the {what} is not a JSON object")
    return Fields(value, f"the {what}")


def decode_list(data: bytes, what: str) -> tuple[Fields, ...]:
    """Returns the objects of the JSON list in `data`; ImageError, with `what` in it, if there is none."""
    return Fields({what: _value(data, what)}, "the document").objects(what)


def _value(data: bytes, what: str) -> Any:
    try:
        value = json.loads(data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
        # Also proves that no string holds half a surrogate pair, and no number is infinite.
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        raise ImageError(f"the {what} is not valid JSON: {error or 'nested too deep'}") from None
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} occurs twice")
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


@dataclass(frozen=True, slots=True)
class Fields:
    """One object of a document, and readers that know what to complain about.

    Go writes an empty list, map or string as null or not at all; so do the
    readers that have "or_empty" in their name. The others insist.

    what: how a message names the object, e.g. "the config".
    """

    document: dict[str, Any]
    what: str

    def text(self, name: str) -> str:
        return self._get(name, str)

    def text_or_empty(self, name: str) -> str:
        return self._get(name, str, "")

    def count(self, name: str) -> int:
        """Returns a number of bytes: a whole number, 0 or more."""
        value = self._get(name, int)
        if isinstance(value, bool) or value < 0:
            raise ImageError(f"{name!r} of {self.what} is not a size: {value!r}")
        return value

    def digest(self, name: str) -> OciDigest:
        return self._digest(self.text(name), name)

    def object(self, name: str) -> Fields:
        return Fields(self._get(name, dict), f"{name!r} of {self.what}")

    def object_or_empty(self, name: str) -> Fields:
        return Fields(self._get(name, dict, {}), f"{name!r} of {self.what}")

    def objects(self, name: str) -> tuple[Fields, ...]:
        return self._objects(self._get(name, list), name)

    def objects_or_empty(self, name: str) -> tuple[Fields, ...]:
        return self._objects(self._get(name, list, []), name)

    def texts_or_empty(self, name: str) -> tuple[str, ...]:
        values = self._get(name, list, [])
        if not all(isinstance(value, str) for value in values):
            raise ImageError(f"{name!r} of {self.what} is not a list of strings")
        return tuple(values)

    def digests_or_empty(self, name: str) -> tuple[OciDigest, ...]:
        return tuple(self._digest(text, name) for text in self.texts_or_empty(name))

    def text_map_or_empty(self, name: str) -> dict[str, str]:
        values = self._get(name, dict, {})
        if not all(isinstance(value, str) for value in values.values()):
            raise ImageError(f"{name!r} of {self.what} does not map strings to strings")
        return dict(values)

    def only(self, *names: str) -> None:
        """Raises ImageError if there are fields besides `names`."""
        for name in self.document:
            if name not in names:
                raise ImageError(f"{self.what} has an unknown field {name!r}")

    def _get(self, name: str, kind: type[T], default: T | None = None) -> T:
        value = self.document.get(name)
        if value is None and default is not None:
            return default
        if value is None:
            raise ImageError(f"{self.what} has no {name!r}")
        if not isinstance(value, kind):
            raise ImageError(f"{name!r} of {self.what} is not {_KINDS[kind]}")
        return value

    def _objects(self, values: list[Any], name: str) -> tuple[Fields, ...]:
        if not all(isinstance(value, dict) for value in values):
            raise ImageError(f"{name!r} of {self.what} is not a list of objects")
        return tuple(Fields(value, f"{name}[{i}] of {self.what}") for i, value in enumerate(values))

    def _digest(self, text: str, name: str) -> OciDigest:
        try:
            return parse_oci_digest(text)
        except ValueError as error:
            raise ImageError(f"{name!r} of {self.what} is {error}") from None
