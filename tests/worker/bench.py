"""A store on moto's server, orders written into it by hand, and the worker let loose on them."""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lambdabuild.action import (
    ActionId,
    ActionResult,
    deep_document,
    output_reference,
    source_reference,
)
from lambdabuild.digest import Canonical, Digest, Key, digest_of, key_of
from lambdabuild.label import parse_label
from lambdabuild.order import MadeInput, Order, OrderedAction
from lambdabuild.store.s3.bucket import Bucket
from lambdabuild.store.s3.cache import S3ActionCache
from lambdabuild.store.s3.store import S3Store
from lambdabuild.tools import tool_version
from lambdabuild.tree import Directory, FileNode, directory_of
from lambdabuild.worker.events import Log
from lambdabuild.worker.main import serve
from lambdabuild.worker.settings import ORDER, OWNER, STORE, WorkerSettings
from tests.cloud.moto_server import ACCOUNT, client, environment, new_bucket


@cache
def s3() -> Any:
    """Returns the client that the tests of this process share: to make one takes longer than most of them."""
    return client("s3")


LAYER = ("layer.tar.gz", "layer.json")
IMAGE = ("manifest.json", "config.json")
Files = Mapping[str, "bytes | tuple[bytes, bool]"]

SETTINGS: Mapping[str, Canonical] = {
    "cmd": ["app.main"],
    "entrypoint": None,
    "env": {},
    "labels": {},
    "python_path": None,
    "user": None,
    "working_dir": None,
}
"""Parameters of an image."""


@dataclass(frozen=True)
class Done:
    """What became of an order. events: what the log says, line by line."""

    code: int
    outcome: dict[str, Any]
    events: list[dict[str, Any]] = field(repr=False)

    def told(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]


class Bench:
    """A bucket of its own, and what a client would do with it."""

    def __init__(self, directory: Path) -> None:
        self.name = new_bucket()
        self._directory = directory
        self._numbers = itertools.count()
        self.bucket = Bucket(s3, self.name, "p", ACCOUNT)
        self.store = self.new_store()

    def new_store(self) -> S3Store:
        """Returns the store as somebody sees it who has no copy of the index."""
        return S3Store(self.bucket, self._new_directory())

    def new_cache(self) -> S3ActionCache:
        return S3ActionCache(self.bucket, self._new_directory())

    def upload(self, *blobs: bytes) -> None:
        self.store.upload({digest_of(data): lambda data=data: [data] for data in blobs})  # type: ignore[misc]

    def sources(self, files: Files) -> Directory:
        """Uploads a tree of files, (bytes, executable) each or bytes alone."""
        contents = {path: each if isinstance(each, tuple) else (each, False) for path, each in files.items()}
        tree = directory_of(
            {path: FileNode(digest_of(data), mode) for path, (data, mode) in contents.items()}
        )
        self.upload(*(data for data, _ in contents.values()))
        self.upload(*(message for _, message in tree.messages()))
        return tree

    def place(self, order: Order) -> str:
        """Returns the name of an order, which is in the bucket then."""
        self.bucket.create(f"orders/{order.digest.hash}", order.encode())
        return order.digest.hash

    def run(self, order: Order | str) -> Done:
        """Works on an order in this process, as a build would."""
        name = order if isinstance(order, str) else self.place(order)
        lines: list[str] = []
        settings = WorkerSettings(f"s3://{self.name}/p", ACCOUNT, name, f"project:{uuid.uuid4()}")
        code = serve(settings, {"PIP_RETRIES": "0"}, lambda: None, Log(lines.append))
        return Done(code, self.outcome(name, settings.build_uuid), [json.loads(line) for line in lines])

    def outcome(self, order: str, build: str) -> dict[str, Any]:
        stored = self.bucket.read(f"outcomes/{order}/{build}", limit=1 << 20)
        assert stored is not None
        document: dict[str, Any] = json.loads(stored.data)
        assert document["order"] == order
        return document

    def environment(self, order: str) -> dict[str, str]:
        """Returns the variables of a build."""
        return {**environment(), STORE: f"s3://{self.name}/p", OWNER: ACCOUNT, ORDER: order}

    def result(self, key: Key) -> ActionResult | None:
        """Returns what the action cache holds, as somebody sees it who comes anew."""
        found = self.new_cache().lookup([key])
        return ActionResult.from_json(found[key]) if found else None

    def output(self, key: Key, name: str) -> bytes:
        """Returns an output of a published result."""
        result = self.result(key)
        assert result is not None
        return b"".join(self.new_store().pieces(result.outputs[name].digest))

    def names(self, kind: str) -> set[str]:
        """Returns the names of the objects of a kind."""
        return set(self.bucket.list(f"{kind}/").objects)

    def _new_directory(self) -> Path:
        directory = self._directory / str(next(self._numbers))
        directory.mkdir(parents=True)
        return directory


def action(
    label: str,
    tool: str,
    params: Mapping[str, Canonical],
    outputs: tuple[str, ...],
    *,
    tree: Directory | None = None,
    made: tuple[MadeInput, ...] = (),
    number: int = 0,
    platform: str = "any",
    version: int | None = None,
) -> OrderedAction:
    """Returns an action under the key that follows from it."""
    inputs: list[tuple[str, Canonical]] = [
        (path, source_reference(node))
        for path, node in (tree.walk() if tree else ())
        if isinstance(node, FileNode)
    ]
    inputs += [(each.path, output_reference(each.key, each.output, each.executable)) for each in made]
    id_ = ActionId(parse_label(label), "linux/amd64", number)
    sources: Digest | None = tree.digest if tree else None
    ordered = OrderedAction(Key(""), id_, tool, params, outputs, platform, sources, made)
    found = deep_document(_Bare(ordered), version or tool_version(tool), inputs)  # type: ignore[arg-type]
    return OrderedAction(key_of("deep", found), id_, tool, params, outputs, platform, sources, made)


class _Bare:
    """What `deep_document` looks at of an action."""

    def __init__(self, ordered: OrderedAction) -> None:
        self.tool, self.params = ordered.tool, ordered.params
        self.outputs, self.platform = ordered.outputs, ordered.platform


def layer(bench: Bench, label: str, files: Files) -> OrderedAction:
    return action(label, "layer", {}, LAYER, tree=bench.sources(files))


def image(label: str, *layers: OrderedAction, base: OrderedAction | None = None) -> OrderedAction:
    made = [MadeInput(f"layers/{n:03}.json", each.key, "layer.json") for n, each in enumerate(layers)]
    if base:
        made += [MadeInput(f"base/{name}", base.key, name) for name in IMAGE]
    return action(label, "image", SETTINGS, IMAGE, made=tuple(made), number=1, platform="linux/amd64")
