"""Images to run in tests: this machine's Python, and functions on top of it."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Dir, Entry, File, Layer, Symlink, write_layer
from lambdabuild.python.host import discover
from lambdabuild.running import RunnableImage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lambdabuild.oci.digest import OciDigest


class Images:
    """Makes images, and keeps their layers in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._blobs: dict[OciDigest, Path] = {}

    @functools.cached_property
    def base(self) -> Image:
        host = discover()
        entries: list[Entry] = [
            File(place, Path(file.path).stat().st_size, file.executable, functools.partial(pieces, file.path))
            for place, file in host.files.items()
        ]
        entries += [text(place, each.content, each.executable) for place, each in host.texts.items()]
        entries += [Symlink(place, target) for place, target in host.links.items()]
        entries += [Dir(place, mode) for place, mode in host.dirs.items()]
        entries.append(Dir("srv/open", 0o777))
        return (
            Image.scratch(host.platform)
            .append([self._layer(entries)], ["the host's Python"])
            .with_config(env=host.env, entrypoint=host.entrypoint, working_dir=host.working_dir)
        )

    def function(
        self,
        files: Mapping[str, str],
        *,
        cmd: str = "app.handler",
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> RunnableImage:
        """Returns an image with `files`, text by place, on the base."""
        layer = self._layer([text(place, content) for place, content in files.items()])
        image = self.base.append([layer], ["the function"])
        return self.runnable(image.with_config(cmd=[cmd], env=env or {}, user=user))

    def program(self, data: bytes, platform: str) -> RunnableImage:
        """Returns an image that starts with the program of these bytes, and has nothing else."""
        layer = self._layer([File("program", len(data), True, lambda: [data])])
        image = Image.scratch(platform).append([layer], ["a program"])
        return self.runnable(image.with_config(entrypoint=["/program"]))

    def runnable(self, image: Image) -> RunnableImage:
        return RunnableImage(image, self._blobs.__getitem__)

    def _layer(self, entries: Iterable[Entry]) -> Layer:
        listing = list(entries)
        target = self._directory / hashlib.sha256(repr(listing).encode()).hexdigest()
        layer = write_layer(listing, target)
        self._blobs[layer.digest] = target
        return layer


def pieces(path: str) -> list[bytes]:
    return [Path(path).read_bytes()]


def text(place: str, content: str, executable: bool = False) -> File:
    data = content.encode()
    return File(place, len(data), executable, lambda: [data])
