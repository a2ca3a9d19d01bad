"""Segments: what index/ and results/ hold, as values and as bytes.

A segment is a JSON document, deflated (RFC 1951), named by the BLAKE3 of the
result. Each has a random nonce, so that no two writers ever mean the same name
and one can be deleted by who has merged it.

    index    {"nonce": …, "version": 1,
              "objects": {"<64 hex>": [[hash, size, offset, length, encoding], …], …}}
    results  {"nonce": …, "version": 1, "packs": ["<64 hex>", …],
              "entries": {key: [result, count, made, pack, offset, length, size, encoding], …}}

A result's bytes stand there as a text of their values. `made` is null until a
segment is merged: until then it is the time at which S3 wrote the segment.
`pack`, the place in `packs`, and what follows say where in keys/ the key's
document lies.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lambdabuild.digest import Digest, Key
from lambdabuild.store.inflating import inflated
from lambdabuild.store.s3.packs import ENCODINGS, DamagedError, Member

VERSION = 1

STORED_LIMIT = 64 << 20
"""Bytes of the largest segment that is read."""

_TEXT_LIMIT = 512 << 20
_MOST = 1 << 50  # no object, offset or count is larger
_HEX = frozenset("0123456789abcdef")

Objects = Mapping[str, Sequence[Member]]
"""Objects of cas/ by name, and what is in them."""


@dataclass(frozen=True, slots=True)
class Document:
    """Where in keys/ a key's document lies: pack, bytes as stored, and its size."""

    pack: str
    offset: int
    length: int
    size: int
    encoding: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A result, as a segment holds it.

    count: greater than that of every result which the writer knew: the newest one has the greatest.
    made:  seconds since 1970 by S3's clock; None: when the segment was written.
    """

    result: bytes
    count: int
    made: float | None
    document: Document


def encode_index(objects: Objects) -> bytes:
    """Returns the segment that says what is in `objects`."""
    lines = {
        name: [[m.digest.hash, m.digest.size, m.offset, m.length, m.encoding] for m in members]
        for name, members in objects.items()
    }
    return _encode({"objects": lines})


def decode_index(data: bytes) -> Objects:
    """Returns what `encode_index` was given; raises DamagedError for anything else."""
    objects = _mapping(_decode(data).get("objects"))
    return {_hex(name): [_member(line) for line in _list(lines)] for name, lines in objects.items()}


def merge_indexes(segments: Iterable[Objects], held: Mapping[str, int]) -> Objects:
    """Returns one index for all, without what does not lie in an object that is `held` (name -> size)."""
    merged: dict[str, dict[Member, None]] = {}
    for objects in segments:
        for name, members in objects.items():
            there = [m for m in members if m.offset + m.length <= held.get(name, -1)]
            if there:
                merged.setdefault(name, {}).update(dict.fromkeys(there))
    return {name: tuple(sorted(members, key=_place)) for name, members in sorted(merged.items())}


def _place(member: Member) -> tuple[int, int, Digest]:
    return member.offset, member.length, member.digest


def encode_results(entries: Mapping[Key, Entry]) -> bytes:
    """Returns the segment that holds `entries`."""
    packs = {name: i for i, name in enumerate(sorted({e.document.pack for e in entries.values()}))}
    return _encode({"entries": {key: _line(e, packs) for key, e in entries.items()}, "packs": list(packs)})


def _line(entry: Entry, packs: Mapping[str, int]) -> list[object]:
    made = None if entry.made is None else int(entry.made)
    d = entry.document
    return [
        entry.result.decode("latin-1"), entry.count, made,
        packs[d.pack], d.offset, d.length, d.size, d.encoding,
    ]  # fmt: skip


def decode_results(data: bytes) -> Mapping[Key, Entry]:
    """Returns what `encode_results` was given, times in whole seconds; DamagedError for anything else."""
    document = _decode(data)
    packs = [_hex(name) for name in _list(document.get("packs"))]
    entries = _mapping(document.get("entries"))
    return {Key(_hex(key)): _entry(line, packs) for key, line in entries.items()}


def merge_results(
    segments: Iterable[tuple[Mapping[Key, Entry], float]], oldest: float
) -> Mapping[Key, Entry]:
    """Returns the newest entry of each key, those made before `oldest` left out.

    segments: entries, and when their segment was written (seconds since 1970, S3's clock).
    """
    merged: dict[Key, Entry] = {}
    for entries, written in segments:
        for key, entry in entries.items():
            dated = entry if entry.made is not None else replace(entry, made=written)
            if made_at(dated) >= oldest and (key not in merged or newer(dated, merged[key])):
                merged[key] = dated
    return dict(sorted(merged.items()))


def newer(entry: Entry, other: Entry) -> bool:
    """Returns whether `entry` takes the place of `other`; both have times. The same for all readers."""
    return (entry.count, made_at(entry), entry.result) > (other.count, made_at(other), other.result)


def made_at(entry: Entry) -> float:
    """Returns the time of an entry that has one."""
    assert entry.made is not None
    return entry.made


def _encode(document: Mapping[str, object]) -> bytes:
    import deflate

    whole = {**document, "nonce": secrets.token_hex(4), "version": VERSION}
    text = json.dumps(whole, sort_keys=True, separators=(",", ":"))
    return bytes(deflate.deflate_compress(text.encode(), 9))


def _decode(data: bytes) -> Mapping[str, Any]:
    try:
        document = _mapping(json.loads(inflated(data, _TEXT_LIMIT)))
    except (ValueError, RecursionError):
        raise DamagedError from None
    if document.get("version") != VERSION:
        raise DamagedError
    return document


def _member(line: object) -> Member:
    hash_, size, offset, length, encoding = _row(line, 5)
    if encoding not in ENCODINGS:
        raise DamagedError
    return Member(Digest(_hex(hash_), _count(size)), _count(offset), _count(length), _count(encoding))


def _entry(line: object, packs: Sequence[str]) -> Entry:
    result, count, made, pack, offset, length, size, encoding = _row(line, 8)
    if encoding not in ENCODINGS or not isinstance(result, str) or _count(pack) >= len(packs):
        raise DamagedError
    try:
        data = result.encode("latin-1")
    except UnicodeEncodeError:
        raise DamagedError from None
    document = Document(packs[pack], _count(offset), _count(length), _count(size), _count(encoding))
    return Entry(data, _count(count), None if made is None else float(_count(made)), document)


def _row(value: object, length: int) -> list[Any]:
    row = _list(value)
    if len(row) != length:
        raise DamagedError
    return row


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DamagedError
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise DamagedError
    return value


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise DamagedError
    return value


def _hex(value: object) -> str:
    if not isinstance(value, str) or len(value) != 64 or not _HEX.issuperset(value):
        raise DamagedError
    return value
