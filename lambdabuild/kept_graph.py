"""A ConfiguredGraph on disk, with its keys, of which only those targets are read that are asked for.

What analysis made of the BUILD files holds as long as the files that it looked
at answer alike; so a later run takes it from here, and works out again only the
targets that an edited source is in. The file is the user's own, as all of the
cache is; still, one that others could write to is not read, and what it holds
can become nothing but the classes listed here.

    "lambdabuild graph 3", a line end; id: 16 bytes
    eight bytes each, little-endian: size and CRC-32 of the index
    index    pickled: an Index
    targets  pickled one by one: the ConfiguredTarget, its hash, the deep keys of its actions
    parts    pickled one by one: path -> Facts
"""

from __future__ import annotations

import io
import os
import pickle
import stat
from abc import ABC, abstractmethod
from binascii import crc32
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from lambdabuild.action import Action, ActionId, ActionOutput, HostFile, SourceFile
from lambdabuild.collector import held_back
from lambdabuild.configured import (
    ConfiguredGraph,
    ConfiguredLabel,
    ConfiguredTarget,
    FunctionSpec,
    ImageOutputs,
    LayerOutputs,
)
from lambdabuild.digest import Digest, Key
from lambdabuild.errors import ExternalError, Location
from lambdabuild.kept_paths import Answer, Facts, KeptPaths
from lambdabuild.keys import KeyTable, Known
from lambdabuild.label import Label
from lambdabuild.sources import Kind
from lambdabuild.store.local import damaged
from lambdabuild.target import Face
from lambdabuild.tree import FileNode

_MAGIC = b"lambdabuild graph 3\n"
ID_BYTES = 16
_HEAD = len(_MAGIC) + ID_BYTES + 16


class Place(NamedTuple):
    """Where some bytes lie, after the index."""

    offset: int
    size: int
    crc: int


class Index(NamedTuple):
    """What is known of a graph without its targets, which are named by their numbers.

    ids:     of all targets.
    ranks:   of each of them; those of its dependencies are lower.
    roots:   numbers of those that were asked for, in order.
    users:   for each target, the numbers of those that take its outputs.
    dependents: for each target, the numbers of those that were analysed with what it provides.
    faces:   of each package, what others can know of it without depending on a target of it.
    leads:   path that was asked of -> where links led from it.
    links:   paths of the links on the way to anything.
    said:    what BUILD files printed, and where.
    notes:   for each root, what users should know of it.
    places:  of the targets.
    parts:   places of the parts of what is known of paths.
    """

    ids: tuple[ConfiguredLabel, ...]
    ranks: tuple[int, ...]
    roots: tuple[int, ...]
    users: tuple[tuple[int, ...], ...]
    dependents: tuple[tuple[int, ...], ...]
    faces: Mapping[str, Face]
    leads: Mapping[str, str]
    links: frozenset[str]
    said: tuple[tuple[str, Location | None], ...]
    notes: tuple[tuple[str, ...], ...]
    places: tuple[Place, ...] = ()
    parts: tuple[Place, ...] = ()


_CLASSES: tuple[type, ...] = (
    *(Action, ActionId, ActionOutput, HostFile, SourceFile, Label, Location, Digest, FileNode, Kind),
    *(ConfiguredLabel, ConfiguredTarget, FunctionSpec, ImageOutputs, LayerOutputs, frozenset),
    *(Answer, Facts, Index, Place),
)
_KNOWN = {(each.__module__, each.__qualname__): each for each in _CLASSES}


class _Reader(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str, /) -> type:
        found = _KNOWN.get((module_name, global_name))
        if found is None:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} has no place in a graph")
        return found


class Graph(ABC):
    """A graph of which single targets are taken.

    id:    names it among all that ever were.
    paths: what is known of the paths that it stands on.
    looked_at: those that were looked at for it since it was kept.
    """

    def __init__(
        self, id_: bytes, index: Index, paths: KeptPaths, looked_at: frozenset[str] = frozenset()
    ) -> None:
        self.id = id_
        self.index = index
        self.paths = paths
        self.looked_at = looked_at

    @cached_property
    def numbers(self) -> Mapping[ConfiguredLabel, int]:
        return {id_: number for number, id_ in enumerate(self.index.ids)}

    @property
    def graph(self) -> ConfiguredGraph:
        return ConfiguredGraph(_Targets(self))

    @abstractmethod
    def target(self, number: int) -> ConfiguredTarget:
        """Returns a target; raises ExternalError for a file that is damaged."""

    @abstractmethod
    def known(self, id_: ConfiguredLabel) -> Known:
        """Returns hash and deep keys of a target, as they were when it was kept."""

    def above(self, numbers: Iterable[int]) -> list[int]:
        """Returns those targets and all that are made of them, dependencies first."""
        return sorted(closure(numbers, self.index.users), key=self.index.ranks.__getitem__)


def closure(numbers: Iterable[int], edges: Sequence[Iterable[int]]) -> set[int]:
    """Returns all numbers that edges lead to from `numbers`, and these."""
    todo = list(numbers)
    found = set(todo)
    while todo:
        news = [each for each in edges[todo.pop()] if each not in found]
        found.update(news)
        todo.extend(news)
    return found


class KeptGraph(Graph):
    """A graph in an open file. Closing it is left to the end of the process."""

    def __init__(self, path: str, id_: bytes, descriptor: int, index: Index, start: int) -> None:
        super().__init__(
            id_, index, KeptPaths(len(index.parts), lambda n: self._bytes(index.parts[n]), _load)
        )
        self._path = path
        self._descriptor = descriptor
        self._start = start
        self._read: dict[int, tuple[ConfiguredTarget, Key, tuple[Key, ...]]] = {}

    def target(self, number: int) -> ConfiguredTarget:
        return self._entry(number)[0]

    def known(self, id_: ConfiguredLabel) -> Known:
        _, hash_, keys = self._entry(self.numbers[id_])
        return Known(hash_, keys)

    def chunk(self, number: int) -> bytes:
        """Returns the bytes of a target, its hash and its keys; raises ExternalError as `target` does."""
        return self._bytes(self.index.places[number])

    def _bytes(self, place: Place) -> bytes:
        data = os.pread(self._descriptor, place.size, self._start + place.offset)
        if crc32(data) != place.crc:
            raise self._damaged()
        return data

    def _entry(self, number: int) -> tuple[ConfiguredTarget, Key, tuple[Key, ...]]:
        if number not in self._read:
            try:
                self._read[number] = _load(self.chunk(number))
            except pickle.UnpicklingError:
                raise self._damaged() from None
        return self._read[number]

    def _damaged(self) -> ExternalError:
        """Returns the error for a file that is not what was written, once it is removed."""
        path = Path(self._path)
        path.unlink(missing_ok=True)
        return damaged(path)


class _Targets(Mapping[ConfiguredLabel, ConfiguredTarget]):
    """The targets of a kept graph; a target is read when it is asked for."""

    def __init__(self, kept: Graph) -> None:
        self._kept = kept

    def __getitem__(self, id_: ConfiguredLabel) -> ConfiguredTarget:
        return self._kept.target(self._kept.numbers[id_])

    def __iter__(self) -> Iterator[ConfiguredLabel]:
        index = self._kept.index
        return iter(
            [index.ids[number] for number in sorted(range(len(index.ids)), key=index.ranks.__getitem__)]
        )

    def __len__(self) -> int:
        return len(self._kept.index.ids)


def read(path: str, id_: bytes) -> KeptGraph | None:
    """Returns the graph of that id; None for whatever else is at `path`, or nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        head = os.read(descriptor, _HEAD)
        mine = status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        if mine and len(head) == _HEAD and head.startswith(_MAGIC + id_):
            size, crc = (
                int.from_bytes(head[start : start + 8], "little") for start in (_HEAD - 16, _HEAD - 8)
            )
            data = os.pread(descriptor, min(size, status.st_size), _HEAD)
            if crc32(data) == crc:
                return KeptGraph(path, id_, descriptor, _load(data), _HEAD + size)
    except (OSError, ValueError, pickle.UnpicklingError, EOFError, AttributeError, TypeError):
        pass
    os.close(descriptor)
    return None


def chunks_of(targets: Iterable[ConfiguredTarget], keys: KeyTable) -> Iterator[bytes]:
    """Yields the bytes of targets with their hashes and keys; raises UnpicklingError if they are of no use.

    That is found out of one target of each kind: all of a kind are made of the same classes.
    """
    kinds = set()
    for target in targets:
        chunk = pickle.dumps((target, *keys.known(target)), pickle.HIGHEST_PROTOCOL)
        if target.kind not in kinds:
            kinds.add(target.kind)
            _load(chunk)
        yield chunk


def encode(id_: bytes, index: Index, chunks: Iterable[bytes], parts: Iterable[bytes]) -> bytes:
    """Returns the bytes of a file; raises UnpicklingError if they are of no use.

    chunks: of the targets, by number.
    parts:  of what is known of paths.
    """
    body = bytearray()

    def places_of(pieces: Iterable[bytes]) -> Iterator[Place]:
        for piece in pieces:
            yield Place(len(body), len(piece), crc32(piece))
            body.extend(piece)

    index = index._replace(places=tuple(places_of(chunks)), parts=tuple(places_of(parts)))
    head = pickle.dumps(index, pickle.HIGHEST_PROTOCOL)
    _load(head)
    numbers = (len(head).to_bytes(8, "little"), crc32(head).to_bytes(8, "little"))
    return b"".join((_MAGIC, id_, *numbers, head, body))


class Taken(NamedTuple):
    """The other targets whose outputs a target takes, and the paths of its sources."""

    others: set[ConfiguredLabel]
    sources: set[str]


def taken(target: ConfiguredTarget) -> Taken:
    """Returns what a target takes for its actions, its outputs, and its parts as an image or a wheel."""
    every = list(target.inputs())
    every += [target.wheel] if target.wheel else []
    if target.image:
        every += [target.image.manifest, target.image.config]
        every += [part for layer in target.image.layers for part in layer]
    outputs = {each.action for each in every if isinstance(each, ActionOutput)}
    others = {ConfiguredLabel(each.label, each.platform) for each in outputs} - {target.id}
    return Taken(others, {each.path for each in every if isinstance(each, SourceFile)})


def _load(data: bytes) -> Any:
    with held_back():
        return _Reader(io.BytesIO(data)).load()
