"""Keys and hashes: what names an action or a target before anything runs.

docs/hashing.md specifies what is computed here; this is its implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from lambdabuild.action import (
    Action,
    ActionId,
    ActionOutput,
    HostFile,
    Input,
    SourceFile,
    deep_document,
    output_reference,
    source_reference,
)
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.digest import Canonical, Key, key_of
from lambdabuild.errors import UserError
from lambdabuild.tree import FileNode

NodeOf = Callable[["SourceFile | HostFile"], FileNode]

TAG_DIGITS = 32


class Known(NamedTuple):
    """The hash of a target, and the deep keys of its actions, in order."""

    hash: Key
    keys: tuple[Key, ...]


class Part(NamedTuple):
    """The targets of a graph that have to be hashed, dependencies first; the others are known."""

    news: Sequence[ConfiguredLabel]
    known: Callable[[ConfiguredLabel], Known]


class KeyTable:
    """Deep keys of all actions of a graph, and hashes of its targets.

    hashes:   by configured target.
    failures: targets of which a source, or one of a dependency, cannot be used.
    """

    def __init__(
        self,
        graph: ConfiguredGraph,
        node_of: NodeOf,
        tool_version: Callable[[str], int],
        part: Part | None = None,
    ) -> None:
        self.hashes: dict[ConfiguredLabel, Key] = _Hashes(part)
        self.failures: dict[ConfiguredLabel, UserError] = {}
        self._deep: dict[ActionId, Key] = {}
        self._graph = graph
        self._node_of = node_of
        self._tool_version = tool_version
        self._part = part
        self._news = frozenset(part.news if part else ())
        for id_ in part.news if part else graph.targets:
            target = graph.targets[id_]
            try:
                self._add(target)
            except UserError as error:
                error.located(target.at)
                self.failures[id_] = error

    def deep_key(self, action: ActionId) -> Key:
        found = self._deep.get(action)
        return self._known_key(action) if found is None else found

    def known(self, target: ConfiguredTarget) -> Known:
        """Returns the hash of a target that has one, and its keys."""
        return Known(self.hashes[target.id], tuple(self.deep_key(action.id) for action in target.actions))

    def _known_key(self, action: ActionId) -> Key:
        """Returns the deep key of an action whose target needs no hashing; raises KeyError for others."""
        id_ = ConfiguredLabel(action.label, action.platform)
        if self._part is None or id_ in self._news:
            raise KeyError(action)
        key = self._deep[action] = self._part.known(id_).keys[action.number]
        return key

    def deep_document(self, action: Action) -> Mapping[str, Canonical]:
        """Returns the document that the deep key of `action` is the hash of."""
        inputs = [(path, self._reference(source)) for path, source in action.inputs.items()]
        return deep_document(action, self._tool_version(action.tool), inputs)

    def target_document(self, target: ConfiguredTarget) -> Canonical:
        """Returns the document that the target's hash is the hash of."""
        return [[path, self._reference(target.outputs[path])] for path in sorted(target.outputs)]

    def _add(self, target: ConfiguredTarget) -> None:
        for action in target.actions:
            self._deep[action.id] = key_of("deep", self.deep_document(action))
        self.hashes[target.id] = key_of("target", self.target_document(target))

    def _reference(self, source: Input) -> Canonical:
        if not isinstance(source, ActionOutput):
            return source_reference(self._node_of(source))
        try:
            key = self.deep_key(source.action)
        except KeyError:
            raise self.failures[ConfiguredLabel(source.action.label, source.action.platform)] from None
        return output_reference(key, source.name, source.executable)


class _Hashes(dict[ConfiguredLabel, Key]):
    """Hashes, with those that are known beside those that were worked out."""

    def __init__(self, part: Part | None) -> None:
        self._part = part
        self._news = frozenset(part.news if part else ())

    def __missing__(self, id_: ConfiguredLabel) -> Key:
        if self._part is None or id_ in self._news:
            raise KeyError(id_)
        return self._part.known(id_).hash


def sources(targets: Iterable[ConfiguredTarget]) -> list[str]:
    """Returns the paths of all files of the workspace that hashing `targets` reads, in the order of need."""
    files = (each for target in targets for each in target.inputs() if type(each) is SourceFile)
    return [*dict.fromkeys(each.path for each in files)]


def tag_of(hash_: Key) -> str:
    """Returns the image tag that a target's hash names."""
    return f"b3-{hash_[:TAG_DIGITS]}"
