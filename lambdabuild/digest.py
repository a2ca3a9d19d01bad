"""Digests, and the canonical encoding of the documents that are hashed.

The only module that calls blake3. Two kinds of digest, told apart by type:

* `Digest` names bytes: plain BLAKE3-256 and a size, as in the Remote Execution
  API v2 with the BLAKE3 digest function.
* `Key` names a document: BLAKE3 in its derive-key mode, with the document's
  type as context string, over `encode(document)`. Documents of different types
  never share a key, even when their bytes are equal.

docs/hashing.md specifies both for other implementations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple, NewType, TypeAlias

from blake3 import blake3

# Wide on purpose: mypy cannot see through recursive unions of mappings cheaply.
Canonical: TypeAlias = "bool | int | str | Sequence[Canonical] | Mapping[str, Canonical] | None"

Key = NewType("Key", str)
"""64 lower-case hex digits that name a canonical document."""

CHUNK = 1 << 20


class Digest(NamedTuple):
    """BLAKE3-256 of some bytes, as 64 lower-case hex digits, and their count."""

    hash: str
    size: int

    def __str__(self) -> str:
        return f"{self.hash}/{self.size}"

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Returns the digest that `str` printed; ValueError if `text` is not one."""
        hash_, slash, size = text.partition("/")
        well_formed = slash and len(hash_) == 64 and set(hash_) <= set("0123456789abcdef")
        if not well_formed or not size.isascii() or not size.isdecimal() or str(int(size)) != size:
            raise ValueError(f"not a digest: {text!r}")
        return cls(hash_, int(size))


def digest_of(data: bytes | memoryview) -> Digest:
    """Returns the Digest of `data`."""
    return Digest(blake3(data).hexdigest(), len(data))


class Hasher:
    """Digests bytes that come in pieces."""

    def __init__(self) -> None:
        self._blake3 = blake3()
        self._size = 0

    def update(self, data: bytes | memoryview) -> None:
        self._blake3.update(data)
        self._size += len(data)

    def digest(self) -> Digest:
        return Digest(self._blake3.hexdigest(), self._size)


def encode(value: Canonical) -> bytes:
    """Returns the one canonical encoding of `value`: JSON, UTF-8, sorted keys, no spaces.

    As RFC 8785, but keys sort by code point, integers are of any size, and
    there are no floats. Values that differ in type or content differ in their
    encoding. Raises TypeError for anything outside `Canonical`, and ValueError
    for a string that is not Unicode text (lone surrogates).
    """
    _check(value)
    return _ENCODER.encode(value).encode()


_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False)


def _check(value: object) -> None:
    kind = type(value)
    if kind is str or kind is int or kind is bool or value is None:
        return
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]
            if type(key) is not str:
                raise TypeError(f"a canonical document's keys are strings, not {key!r}")
            _check(item)
    elif kind is list or kind is tuple:
        for item in value:  # type: ignore[attr-defined]
            _check(item)
    else:
        raise TypeError(f"{kind.__name__} has no canonical encoding: {value!r}")


def key_of(kind: str, document: Canonical) -> Key:
    """Returns the key of `document`.

    kind: the document's type, e.g. "action"; it becomes the BLAKE3 derive-key
          context "lambdabuild 1 <kind>".
    """
    return Key(blake3(encode(document), derive_key_context=f"lambdabuild 1 {kind}").hexdigest())
