"""What a kept graph knows of the paths that it stands on, in parts of which a run reads few.

An edit is of one path or some, and there may be a hundred thousand. So they are
spread over parts by a checksum of their names, and a part is read when one of
its paths is asked for.
"""

from __future__ import annotations

import os
import pickle
from binascii import crc32
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from lambdabuild.sources.seen import Asker

_PATHS_A_PART = 500


class Answer(NamedTuple):
    """What was asked of a path, the answer, and who asked."""

    what: str
    answer: Any
    askers: tuple[Asker, ...]


class Facts(NamedTuple):
    """What is known of a path.

    takers:  numbers of the targets that it is a source of, or that take what leads to it.
    answers: what the evaluation asked of it.
    """

    takers: tuple[int, ...] = ()
    answers: tuple[Answer, ...] = ()


class KeptPaths:
    """Facts by path, some of them newer than the parts that are kept.

    count: how many parts there are.
    read:  gives the bytes of a part.
    load:  makes a mapping of them.
    """

    def __init__(
        self, count: int, read: Callable[[int], bytes], load: Callable[[bytes], Mapping[str, Facts]]
    ) -> None:
        self._count = count
        self._read = read
        self._load = load
        self._parts: dict[int, Mapping[str, Facts]] = {}
        self._news: dict[str, Facts] = {}

    def __getitem__(self, path: str) -> Facts:
        """Returns what is known of `path`, which may be nothing."""
        found = self._news.get(path)
        return found or self._part(_part_of(path, self._count)).get(path, Facts())

    def __setitem__(self, path: str, facts: Facts) -> None:
        self._news[path] = facts

    def __iter__(self) -> Iterator[str]:
        for number in range(self._count):
            yield from (path for path in self._part(number) if path not in self._news)
        yield from self._news

    def parts(self) -> Iterator[bytes]:
        """Yields the bytes of all parts, those without news as they were kept."""
        news: dict[int, dict[str, Facts]] = {}
        for path, facts in self._news.items():
            news.setdefault(_part_of(path, self._count), {})[path] = facts
        for number in range(self._count):
            changed = news.get(number)
            yield _bytes_of({**self._part(number), **changed}) if changed else self._read(number)

    def _part(self, number: int) -> Mapping[str, Facts]:
        if number not in self._parts:
            self._parts[number] = self._load(self._read(number))
        return self._parts[number]


def parts_of(facts: Mapping[str, Facts]) -> list[bytes]:
    """Returns the bytes of parts that hold all of `facts`."""
    count = len(facts) // _PATHS_A_PART + 1
    parts: list[dict[str, Facts]] = [{} for _ in range(count)]
    for path, each in facts.items():
        parts[_part_of(path, count)][path] = each
    return [_bytes_of(part) for part in parts]


def _part_of(path: str, count: int) -> int:
    return crc32(os.fsencode(path)) % count


def _bytes_of(part: Mapping[str, Facts]) -> bytes:
    return pickle.dumps(part, pickle.HIGHEST_PROTOCOL)
