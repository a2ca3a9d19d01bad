"""Which sources of which targets leave this machine with what is built of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lambdabuild.action import Action, ActionId, ActionOutput, SourceFile
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.digest import Canonical, Digest, digest_of
from lambdabuild.errors import Location
from lambdabuild.reporting import wanted
from lambdabuild.tree import FileNode

_WRITERS: Final = frozenset({"dockerfile", "image", "write"})
"""Tools whose parameters come to stand in what they make."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Bytes that leave.

    path:   of the workspace; that of the BUILD file for what stands in attributes.
    line:   where all of it stands, or 0 where its own lines count.
    pieces: gives the bytes.
    """

    path: str
    line: int
    digest: Digest
    pieces: Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one action takes from the workspace: a layer's files, or a context."""

    target: ConfiguredTarget
    subjects: tuple[Subject, ...]

    @property
    def size(self) -> int:
        return sum(subject.digest.size for subject in self.subjects if not subject.line)


def parcels(
    graph: ConfiguredGraph,
    targets: Iterable[ConfiguredTarget],
    node_of: Callable[[SourceFile], FileNode],
    contents: Callable[[Digest], Iterable[bytes]],
    leaves: Callable[[Action], bool],
) -> Iterator[Parcel]:
    """Yields what is taken from the workspace for the outputs of `targets`, by the actions that leave."""
    for action in _needed(graph, targets):
        target = graph.targets[ConfiguredLabel(action.id.label, action.id.platform)]
        if action.id.label.external or not leaves(action):
            continue
        sources = (each for each in action.inputs.values() if isinstance(each, SourceFile))
        subjects = [_of_file(source.path, node_of(source).digest, contents) for source in sources]
        if action.tool in _WRITERS and (attributes := _of_attributes(target.at, action.params)):
            subjects.append(attributes)
        if subjects:
            yield Parcel(target, tuple(subjects))


def _needed(graph: ConfiguredGraph, targets: Iterable[ConfiguredTarget]) -> Iterator[Action]:
    """Yields the actions that the outputs of `targets` need, each once."""
    seen: set[ActionId] = set()
    todo = [output.action for target in targets for output in wanted(target)]
    while todo:
        id_ = todo.pop()
        if id_ in seen:
            continue
        seen.add(id_)
        action = graph.action(id_)
        yield action
        todo += [each.action for each in action.inputs.values() if isinstance(each, ActionOutput)]


def _of_file(path: str, digest: Digest, contents: Callable[[Digest], Iterable[bytes]]) -> Subject:
    return Subject(path, 0, digest, lambda: contents(digest))


def _of_attributes(at: Location, params: Mapping[str, Canonical]) -> Subject | None:
    """Returns the texts among an action's parameters: variables, labels, files written out in a rule."""
    text = "".join(f"{name} = '{value}'\n" for name, value in _texts("", params))
    data = text.encode()
    return Subject(at.path, at.line or 1, digest_of(data), lambda: [data]) if text else None


def _texts(name: str, value: Canonical) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key, item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from _texts(name, item)
