"""Dirty steps and images to push -> an Order, and the blobs that its worker is going to read.

Sources are named by the Directory of each action's input root, which the store
holds like any other blob; so an order is small, and two builds share what they
have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from lambdabuild.action import Action, ActionId, ActionOutput, HostFile, SourceFile
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.digest import Digest, Key
from lambdabuild.keys import KeyTable, tag_of
from lambdabuild.order import MadeFile, MadeInput, MadeLayer, Order, OrderedAction, PushedImage
from lambdabuild.pushing.plan import Item
from lambdabuild.tools.dockerfile import DockerfileTool
from lambdabuild.tools.pull import PullTool
from lambdabuild.tree import Directory, FileNode, directory_of

Blob = Callable[[], Iterable[bytes]]
"""Gives the bytes of a blob in pieces, anew each time."""


def runs_remotely(action: Action) -> bool:
    """Tells whether an action may run elsewhere, and gains by it.

    A layer of an external base comes from its registry to whoever needs its bytes.
    """
    return action.shareable and action.tool != PullTool.name


@dataclass(frozen=True, slots=True)
class Shipment:
    """An order, and what has to be in the store before it is carried out."""

    order: Order
    blobs: Mapping[Digest, Blob]


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where images go.

    places: "host/prefix" each.
    items:  the images that may be pushed, bases among them.
    """

    places: tuple[str, ...] = ()
    items: Mapping[ConfiguredLabel, Item] = field(default_factory=dict)


class Orders:
    """Makes the orders of one build.

    node_of:  digest and mode of a source.
    contents: its bytes, by digest.
    index:    URL of the package index without credentials, or None.
    pins:     gives where each layer of an external image can be read, by its sha256 digest.
    insecure: registries without TLS.
    """

    def __init__(
        self,
        graph: ConfiguredGraph,
        keys: KeyTable,
        *,
        node_of: Callable[[SourceFile | HostFile], FileNode],
        contents: Callable[[Digest], Iterable[bytes]],
        destinations: Destinations,
        index: str | None,
        pins: Callable[[], Mapping[str, str]],
        insecure: tuple[str, ...],
    ) -> None:
        self._graph = graph
        self._keys = keys
        self._node_of = node_of
        self._contents = contents
        self._index = index
        self._pins = pins
        self._insecure = insecure
        self.destinations = destinations

    def key_of(self, action: ActionId) -> Key:
        """Returns the deep key of an action."""
        return self._keys.deep_key(action)

    def manifest_key(self, image: ConfiguredLabel) -> Key:
        """Returns the deep key of the action that makes an image's manifest."""
        parts = self._graph.targets[image].image
        assert parts is not None
        return self._keys.deep_key(parts.manifest.action)

    def ship(self, actions: Sequence[Action], images: Collection[ConfiguredLabel]) -> Shipment:
        """Returns the order for `actions`, dependencies first, and for pushing `images`."""
        blobs: dict[Digest, Blob] = {}
        known: dict[Key, tuple[str, ...]] = {}
        made_here = {self._keys.deep_key(action.id) for action in actions}
        ordered = tuple(self._ordered(action, blobs) for action in actions)
        pushed = self._pushed(images)
        for id_ in self._referred(actions, pushed):
            key = self._keys.deep_key(id_)
            if key not in made_here:
                known[key] = self._graph.action(id_).outputs
        pins = self._pins() if self._reads_layers(actions, pushed) else {}
        order = Order(
            ordered,
            known=known,
            images=tuple(self._image(id_, list(pushed)) for id_ in pushed),
            destinations=self.destinations.places if pushed else (),
            pins=pins,
            insecure=self._insecure if pushed or pins else (),
            index=self._index if ordered else None,
        )
        return Shipment(order, blobs)

    def _ordered(self, action: Action, blobs: dict[Digest, Blob]) -> OrderedAction:
        nodes: dict[str, FileNode] = {}
        made: list[MadeInput] = []
        for path, source in action.inputs.items():
            if isinstance(source, ActionOutput):
                key = self._keys.deep_key(source.action)
                made.append(MadeInput(path, key, source.name, source.executable))
            else:
                nodes[path] = self._node_of(source)
        root = self._directory(nodes, blobs) if nodes else None
        return OrderedAction(
            self._keys.deep_key(action.id),
            action.id,
            action.tool,
            action.params,
            action.outputs,
            action.platform,
            root.digest if root else None,
            tuple(made),
        )

    def _directory(self, nodes: Mapping[str, FileNode], blobs: dict[Digest, Blob]) -> Directory:
        root = directory_of(nodes)
        blobs.update({digest: partial(_whole, message) for digest, message in root.messages()})
        blobs.update({node.digest: partial(self._contents, node.digest) for node in nodes.values()})
        return root

    def _pushed(self, images: Collection[ConfiguredLabel]) -> dict[ConfiguredLabel, bool]:
        """Returns `images` and the bases below them -> whether they were asked for; bases last."""
        found = dict.fromkeys(sorted(images), True)
        for id_ in list(found):
            base = self.destinations.items[id_].base
            while base is not None:
                found.setdefault(base, False)
                base = self.destinations.items[base].base
        return found

    def _image(self, id_: ConfiguredLabel, order: list[ConfiguredLabel]) -> PushedImage:
        item, target = self.destinations.items[id_], self._graph.targets[id_]
        parts = target.image
        assert parts is not None
        return PushedImage(
            id=id_,
            repository=item.repository,
            tag=tag_of(self._keys.hashes[id_]),
            manifest=self._file(parts.manifest),
            config=self._file(parts.config),
            layers=tuple(
                MadeLayer(self._file(layer.blob), self._file(layer.descriptor))
                for layer in parts.layers
                if runs_remotely(self._graph.action(layer.blob.action))
            ),
            tags=item.tags,
            base=None if item.base is None else order.index(item.base),
            asked=item.asked,
            for_lambda=item.for_lambda,
            handlers=item.handlers,
            shareable=item.shareable,
            origins=tuple(str(origin) for origin in item.origins),
        )

    def _file(self, output: ActionOutput) -> MadeFile:
        return MadeFile(self._keys.deep_key(output.action), output.name)

    def _referred(self, actions: Sequence[Action], images: Iterable[ConfiguredLabel]) -> Iterable[ActionId]:
        """Yields the actions whose outputs `actions` and `images` take."""
        for action in actions:
            yield from (i.action for i in action.inputs.values() if isinstance(i, ActionOutput))
        for id_ in images:
            parts = self._graph.targets[id_].image
            assert parts is not None
            outputs = (parts.manifest, parts.config, *(each for layer in parts.layers for each in layer))
            yield from (o.action for o in outputs if runs_remotely(self._graph.action(o.action)))

    def _reads_layers(self, actions: Iterable[Action], images: Iterable[ConfiguredLabel]) -> bool:
        """Tells whether an order's worker may have to read layers of external images."""
        if any(action.tool == DockerfileTool.name for action in actions):
            return True
        parts = (self._graph.targets[id_].image for id_ in images)
        layers = (layer for image in parts if image for layer in image.layers)
        return any(not runs_remotely(self._graph.action(layer.blob.action)) for layer in layers)


def _whole(message: bytes) -> list[bytes]:
    return [message]
