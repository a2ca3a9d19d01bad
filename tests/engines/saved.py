"""An engine that has built already: what it saves is given. For laws about what is made of that."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lambdabuild.engines.engine import BuildOrder, Check, ReadBlob
from lambdabuild.engines.transcript import Transcript
from lambdabuild.oci.digest import hex_of, sha256_of
from lambdabuild.oci.image import Image
from tests.oci.tars import member, tar_of


def archive_of(layers: Sequence[bytes], *, platform: str = "linux/arm64", **fields: Any) -> bytes:
    """Returns what `docker save` writes of an image of these tars.

    fields: of the config, beside those that every one has.
    """
    digests = [sha256_of(layer) for layer in layers]
    system, architecture = platform.split("/")
    config = {
        "os": system,
        "architecture": architecture,
        "created": "2026-01-02T03:04:05.678Z",
        "container": "0123456789ab",
        "docker_version": "20.10.24",
        "config": {"Hostname": "0123456789ab", "Env": ["A=b"], "WorkingDir": "/w", "Image": "sha256:0"},
        "history": [
            {"created": "2026-01-02T03:04:05Z", "created_by": f"RUN {n} # buildkit", "comment": "buildkit"}
            for n in range(len(layers))
        ],
        "rootfs": {"type": "layers", "diff_ids": digests},
    } | fields
    document = json.dumps(config).encode()
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    listing = [{"Config": "config.json", "RepoTags": ["a:b"], "Layers": names}]
    files = [member(name, data) for name, data in dict(zip(names, layers, strict=True)).items()]
    return tar_of(
        *files, member("config.json", document), member("manifest.json", json.dumps(listing).encode())
    )


class SavedEngine:
    """See engine.Engine. orders: what was asked for; left: what was not removed."""

    def __init__(
        self,
        archive: bytes,
        *,
        heredocs: bool = True,
        during: Callable[[BuildOrder, Transcript], None] = lambda order, transcript: None,
    ) -> None:
        self.archive, self.heredocs, self._during = archive, heredocs, during
        self.orders: list[BuildOrder] = []
        self.put_in: list[str] = []
        self.left: set[str] = set()

    def describe(self) -> str:
        return "an engine of tests"

    def put(self, image: Image, read: ReadBlob, scratch: object, check: Check) -> str:
        for layer in image.layers:
            assert sha256_of(b"".join(read(layer))) == layer.digest
        self.put_in.append(f"base:{hex_of(image.config_digest)}")
        return self.put_in[-1]

    def build(self, order: BuildOrder, transcript: Transcript, check: Check) -> str:
        self.orders.append(order)
        self._during(order, transcript)
        self.left.add("built")
        return "built"

    @contextlib.contextmanager
    def saved(self, image: str, check: Check) -> Iterator[io.BytesIO]:
        yield io.BytesIO(self.archive)

    def remove(self, image: str) -> None:
        self.left.discard(image)
