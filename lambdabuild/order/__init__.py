"""Order: the document that says what one build on CodeBuild has to do.

A client writes it, names it by its digest, and starts a build with that name. It
holds no bytes of sources: these lie in the content store, under a Directory for
each action. It holds no commands either: an action names one of the worker's own
tools. The worker trusts nothing in it, and computes every key again.

    writing   an Order -> canonical JSON
    reading   JSON that anybody may have written -> an Order, or UserError
    checks    what single values of it may be

Absent: where the store is, and every credential. Both come from the project.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from lambdabuild.action import ActionId
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Canonical, Digest, Key, digest_of


@dataclass(frozen=True, slots=True)
class MadeFile:
    """An output of an action.

    key: the action's deep key.
    """

    key: Key
    output: str


@dataclass(frozen=True, slots=True)
class MadeInput:
    """An input that another action makes.

    path:       in the input root.
    key:        the deep key of that action.
    executable: None: as the tool made it.
    """

    path: str
    key: Key
    output: str
    executable: bool | None = None


@dataclass(frozen=True, slots=True)
class OrderedAction:
    """An action to run.

    key:     its deep key, as the client computed it.
    sources: a Directory message in the store: the inputs that are sources, with
             executable bits resolved; None for none.
    """

    key: Key
    id: ActionId
    tool: str
    params: Mapping[str, Canonical]
    outputs: tuple[str, ...]
    platform: str
    sources: Digest | None = None
    made: tuple[MadeInput, ...] = ()


@dataclass(frozen=True, slots=True)
class MadeLayer:
    """A layer's compressed bytes, and its description."""

    blob: MadeFile
    descriptor: MadeFile


@dataclass(frozen=True, slots=True)
class PushedImage:
    """An image to push once its parts are there.

    repository: below a destination's prefix.
    tag:        that of its target's hash, "b3-" and 32 hex digits.
    layers:     those made or fetched. Others are read where `Order.pins` says.
    tags:       further ones.
    base:       which of `Order.images` it stands on.
    asked:      whether it was asked for; a base that was not goes only where it is needed.
    for_lambda: whether it has to be one that Lambda takes.
    handlers:   Python functions that it has to serve, e.g. "app.main".
    shareable:  whether its bytes are the same on any machine.
    origins:    repositories that hold all its layers already, those of an external image.
    """

    id: ConfiguredLabel
    repository: str
    tag: str
    manifest: MadeFile
    config: MadeFile
    layers: tuple[MadeLayer, ...]
    tags: tuple[str, ...] = ()
    base: int | None = None
    asked: bool = True
    for_lambda: bool = False
    handlers: tuple[str, ...] = ()
    shareable: bool = True
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Order:
    """What one build has to do.

    actions:      those that have to run, each after those whose outputs it takes.
    known:        deep keys that actions or images refer to and that are made
                  elsewhere -> names of their outputs. Their results are in the
                  action cache of the remote store.
    images:       what to push.
    destinations: where to, "host/prefix" each.
    pins:         sha256 digest of an external base's layer -> where it is,
                  "host/repository@sha256:…".
    insecure:     registries that are spoken to without TLS.
    index:        URL of the package index, without credentials; None: what pip is configured for.
    """

    actions: tuple[OrderedAction, ...]
    known: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)
    images: tuple[PushedImage, ...] = ()
    destinations: tuple[str, ...] = ()
    pins: Mapping[str, str] = field(default_factory=dict)
    insecure: tuple[str, ...] = ()
    index: str | None = None

    def document(self) -> bytes:
        """Returns the canonical JSON; raises KeyError where it refers to a key that is not in it."""
        from lambdabuild.order.writing import document_of

        return document_of(self)

    def encode(self) -> bytes:
        """Returns the document as it is kept: a zlib stream (RFC 1950)."""
        return zlib.compress(self.document(), 9)

    @property
    def digest(self) -> Digest:
        """Names the order: the digest of its document, whose hash its object has as name."""
        return digest_of(self.document())

    @staticmethod
    def decode(data: bytes, expected: str) -> Order:
        """Returns the order that `encode` wrote; raises UserError for anything else.

        expected: the 64 hex digits of the order's digest.
        """
        from lambdabuild.order.reading import read_order

        return read_order(data, expected)
