"""An order -> actions with their keys, each computed again from what it says.

A client names the key that an action's result is going to be kept under. Whoever
writes orders could name another one, and so put a result of his own under the key
of somebody else's work: hence a key that does not follow refuses the whole order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from lambdabuild.action import (
    ANY_PLATFORM,
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
from lambdabuild.digest import Canonical, Digest, Key, key_of
from lambdabuild.errors import UserError
from lambdabuild.label import Label
from lambdabuild.order import Order, OrderedAction
from lambdabuild.tree import FileNode, directory_of

Tree = Mapping[str, FileNode]

KNOWN_TOOL: Final = "known"
"""Stands in for what makes a result that the order takes from the action cache. Cannot run."""

_KNOWN_PACKAGE = "@known"  # no label has it
_VERSIONS: Final = range(1, 100)
_BOOTSTRAP = "bring the worker to the release of who builds: lambdabuild bootstrap"


@dataclass(slots=True)
class OrderGraph:
    """The actions of an order, and stand-ins for those that made what it takes from the cache.

    ids:     by deep key; those of the order first, in its order.
    keyless: deep keys of actions whose sources could not be read: their keys are not verified.
    """

    actions: dict[ActionId, Action] = field(default_factory=dict)
    keys: dict[ActionId, Key] = field(default_factory=dict)
    ids: dict[Key, ActionId] = field(default_factory=dict)
    keyless: set[Key] = field(default_factory=set)

    def deep_document(self, action: Action, tool_version: int) -> Mapping[str, Canonical]:
        """Returns the document that the deep key of `action` is the hash of."""
        inputs = [(path, self._reference(source)) for path, source in action.inputs.items()]
        return deep_document(action, tool_version, inputs)

    def add(self, key: Key, action: Action) -> None:
        self.actions[action.id] = action
        self.keys[action.id] = key
        self.ids[key] = action.id

    def _reference(self, source: Input) -> Canonical:
        if isinstance(source, ActionOutput):
            return output_reference(self.keys[source.action], source.name, source.executable)
        return source_reference(node_of(source))


def node_of(file: SourceFile | HostFile) -> FileNode:
    """Returns a source of an order. Its path is its digest: nothing here has the workspace's files."""
    return FileNode(Digest.parse(file.path), file.executable is True)


def graph_of(order: Order, trees: Mapping[Digest, Tree], versions: Mapping[str, int]) -> OrderGraph:
    """Returns the order's actions; raises UserError if it has to be refused.

    trees:    by the digest of their root; those that could not be read are absent.
    versions: of the tools that there are, by name.
    """
    graph = OrderGraph()
    for key, outputs in order.known.items():
        id_ = ActionId(Label(_KNOWN_PACKAGE, key), ANY_PLATFORM, 0)
        graph.add(key, Action(id_, KNOWN_TOOL, {}, {}, outputs, ANY_PLATFORM))
    for ordered in order.actions:
        if ordered.tool not in versions:
            raise UserError(
                f"the order has the tool {ordered.tool}, which is new to this worker", hint=_BOOTSTRAP
            )
        readable = ordered.sources is None or ordered.sources in trees
        tree = trees[ordered.sources] if ordered.sources and readable else {}
        graph.add(ordered.key, _action(ordered, tree, graph))
        if readable:
            _check_key(ordered, graph, versions)
        else:
            graph.keyless.add(ordered.key)
    return graph


def _action(ordered: OrderedAction, tree: Tree, graph: OrderGraph) -> Action:
    inputs: dict[str, Input] = {
        path: SourceFile(str(node.digest), node.executable) for path, node in tree.items()
    }
    for made in ordered.made:
        if made.path in inputs:
            raise _refused(ordered, f"two inputs want to be at {made.path}")
        inputs[made.path] = ActionOutput(graph.ids[made.key], made.output, made.executable)
    try:
        directory_of(dict.fromkeys(inputs, _ANY_NODE))
    except ValueError as error:
        raise _refused(ordered, f"its inputs are no tree: {error}") from None
    return Action(ordered.id, ordered.tool, ordered.params, inputs, ordered.outputs, ordered.platform)


_ANY_NODE: Final = FileNode(Digest("0" * 64, 0))


def _check_key(ordered: OrderedAction, graph: OrderGraph, versions: Mapping[str, int]) -> None:
    """Raises UserError unless the key of an action is that of what the order says of it."""
    action, version = graph.actions[ordered.id], versions[ordered.tool]

    def key(of_version: int) -> Key:
        return key_of("deep", graph.deep_document(action, of_version))

    if key(version) == ordered.key:
        return
    other = next((each for each in _VERSIONS if key(each) == ordered.key), None)
    if other is None:
        raise _refused(ordered, "its key does not follow from its inputs")
    raise UserError(
        f"the order of {ordered.id.label} is for version {other} of the tool {ordered.tool}, "
        f"and this worker has version {version}",
        hint=_BOOTSTRAP,
    )


def _refused(ordered: OrderedAction, problem: str) -> UserError:
    return UserError(f"the order of {ordered.id.label} is refused: {problem}", hint=_BOOTSTRAP)


def dependents(order: Order, broken: Callable[[Key], bool]) -> set[Key]:
    """Returns the deep keys of the order's actions that are broken, or stand on one that is."""
    found: set[Key] = set()
    for action in order.actions:
        if broken(action.key) or any(made.key in found or broken(made.key) for made in action.made):
            found.add(action.key)
    return found
