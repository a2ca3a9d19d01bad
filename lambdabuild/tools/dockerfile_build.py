"""One build of a Dockerfile: images and context put in place, the engine at work, the layers that it adds."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from lambdabuild.action import Made, ToolCall
from lambdabuild.dockerfile import BASE, BASE_ARG, SCRATCH, for_engine, parse
from lambdabuild.errors import ActionFailed, ExternalError, UserError
from lambdabuild.oci.digest import OciDigest
from lambdabuild.oci.foreign import rewrite
from lambdabuild.oci.image import Descriptor, Image
from lambdabuild.oci.layer import UNUSED, Layer, read_descriptor
from lambdabuild.oci.layer_files import PieceReader
from lambdabuild.oci.layer_reader import CHUNK, LayerReader
from lambdabuild.oci.tar import MTIME
from lambdabuild.tools.dockerfile import CONTEXT, DOCKERFILE
from lambdabuild.tools.image import CONFIG, MANIFEST
from lambdabuild.tools.pull import ReadLayer
from lambdabuild.tree import FileNode

if TYPE_CHECKING:
    from lambdabuild.engines.engine import Engine
    from lambdabuild.engines.transcript import Transcript
    from lambdabuild.oci.config import Config
    from lambdabuild.oci.conformance.members import Readable

SEARCHED: Final = 8
"""Bytes of a secret that is looked for. A shorter one is found in much that has nothing to do with it."""


def build(
    call: ToolCall, engine: Callable[[], Engine], read_layer: ReadLayer, secrets: Callable[[str], bytes]
) -> Mapping[str, Made]:
    """Returns what DockerfileTool puts out."""
    params = cast("Mapping[str, Any]", call.params)
    values = {name: secrets(name) for name in params["secrets"]}
    with _private(call.scratch, "secrets", "saved") as (written, saved):
        files = _write_secrets(written, values)
        image, layers = _Build(call, engine(), read_layer, values).run(files, saved)
    return _outputs(image, layers, params["max_layers"])


@dataclass(frozen=True, slots=True)
class _Base:
    """An image among the inputs, whose layers can be read wherever they are."""

    image: Image
    held: Mapping[OciDigest, FileNode]
    call: ToolCall
    read_layer: ReadLayer

    def pieces(self, layer: Descriptor) -> Iterator[bytes]:
        node = self.held.get(layer.digest)
        found = self.call.contents(node.digest) if node else self.read_layer(layer.digest, layer.size)
        for piece in found:
            self.call.check()
            yield piece

    def tar(self, layer: Descriptor) -> LayerReader:
        """Opens a layer's tar."""
        return LayerReader(cast("IO[bytes]", PieceReader(self.pieces(layer))))


@dataclass(frozen=True, slots=True)
class _Build:
    call: ToolCall
    engine: Engine
    read_layer: ReadLayer
    values: Mapping[str, bytes]
    names: dict[str, str] = field(default_factory=dict)

    def run(self, secrets: Mapping[str, Path], saved: Path) -> tuple[Image, list[tuple[Layer, Path]]]:
        """Returns the image, and the layers that it adds to its root."""
        from lambdabuild.engines.transcript import Transcript
        from lambdabuild.oci.foreign_archive import read_archive
        from lambdabuild.oci.foreign_image import derived

        check, params = self.call.check, cast("Mapping[str, Any]", self.call.params)
        root = None if params["root"] == SCRATCH else self._image(params["root"])
        made = self._made(secrets, Transcript(self.values.values()))
        try:
            known = root.image.diff_ids if root else ()
            with self.engine.saved(made, check) as archive:
                found = read_archive(archive, saved, known, check)
        finally:
            self.engine.remove(made)
        tars = [
            tar or self._again(root, diff_id, saved)
            for tar, diff_id in list(zip(found.tars, found.config.diff_ids, strict=True))[len(known) :]
        ]
        self._search(found.config, tars)
        layers = self._rewritten(tars, root)
        below = root.image if root else Image.scratch(self.call.platform)
        image = derived(below, found.config, [layer for layer, _ in layers], self.names)
        return image, [(layer, path) for layer, path in layers if layer]

    def _made(self, secrets: Mapping[str, Path], transcript: Transcript) -> str:
        """Has the engine build; returns what it calls the image."""
        from lambdabuild.engines.engine import BuildOrder

        params = cast("Mapping[str, Any]", self.call.params)
        text, build_args = self._text(), dict(params["build_args"])
        if f"{BASE}/{MANIFEST}" in self.call.inputs:
            build_args[BASE_ARG] = self._put(BASE)
        tags = {reference: self._put(place) for reference, place in params["images"].items()}
        order = BuildOrder(
            dockerfile=self.call.scratch / "dockerfile" / "Dockerfile",
            context=self.call.scratch / "context",
            target=params["target"],
            platform=self.call.platform,
            build_args=build_args,
            secrets=secrets,
            scratch=self.call.scratch,
        )
        changed = for_engine(
            "Dockerfile",
            text,
            build_args=build_args,
            target=order.target,
            tags=tags,
            platform=order.platform,
        )
        order.dockerfile.parent.mkdir()
        order.dockerfile.write_text(changed, "utf-8", newline="")
        # Without it a declared .dockerignore would be heeded.
        order.dockerfile.with_name("Dockerfile.dockerignore").write_text("# all that is declared\n")
        write_context(self.call, order.context)
        return self.engine.build(order, transcript, self.call.check)

    def _text(self) -> str:
        """Returns the Dockerfile; raises UserError if the engine would not understand it."""
        try:
            text = b"".join(self.call.contents(self.call.inputs[DOCKERFILE].digest)).decode()
        except UnicodeDecodeError:
            raise UserError("the Dockerfile is not UTF-8 text") from None
        if parse("Dockerfile", text).heredocs and not self.engine.heredocs:
            raise UserError(
                f"the Dockerfile has here-documents, which {self.engine.describe()} does not know",
                hint="install Docker 23 or buildah 1.33, or newer ones, or write RUN without <<",
            )
        return text

    def _put(self, place: str) -> str:
        """Returns what the engine calls the image at `place`, which it has then."""
        base = self._image(place)
        name = self.engine.put(base.image, base.pieces, self.call.scratch, self.call.check)
        self.names[name] = str(base.image.digest)
        return name

    def _image(self, place: str) -> _Base:
        """Returns the image whose documents are at `place` of the input root."""
        inputs = self.call.inputs

        def read(path: str) -> bytes:
            return b"".join(self.call.contents(inputs[path].digest))

        held = {}
        for path in inputs:
            if path.startswith(f"{place}/layers/") and path.endswith(".json"):
                layer = read_descriptor(read(path))
                if layer:
                    held[layer.digest] = inputs[path.removesuffix(".json") + ".tar.gz"]
        image = Image.parse(read(f"{place}/{MANIFEST}"), read(f"{place}/{CONFIG}"))
        return _Base(image, held, self.call, self.read_layer)

    def _rewritten(self, tars: Sequence[Path], root: _Base | None) -> list[tuple[Layer | None, Path]]:
        from lambdabuild.oci.foreign_parents import directories

        layers: list[tuple[Layer | None, Path]] = []
        below: list[Callable[[], Readable]] = []
        if root:
            below += [partial(root.tar, each) for each in root.image.layers]
        for number, tar in enumerate(tars):
            self.call.check()
            target = self.call.scratch / f"layer-{number}.tar.gz"
            layers.append((rewrite(tar, target, partial(directories, below)), target))
            below.append(partial(_opened, tar))
        return layers

    def _again(self, root: _Base | None, diff_id: OciDigest, saved: Path) -> Path:
        """Writes the tar of a layer that the root has as well, such as an empty one; returns where."""
        assert root is not None  # no other layers were known
        path = saved / "again" / diff_id
        path.parent.mkdir(exist_ok=True)
        reader = root.tar(root.image.layers[root.image.diff_ids.index(diff_id)])
        with path.open("wb") as out:
            while piece := reader.read(CHUNK):
                out.write(piece)
        return path

    def _search(self, config: Config, tars: Iterable[Path]) -> None:
        """Raises ActionFailed where a secret's value is in the image."""
        from lambdabuild.oci.foreign_search import find

        for name, value in self.values.items():
            needles = {each for each in (value, value.strip()) if len(each) >= SEARCHED}
            where = "its configuration or history" if _says(config.document, needles) else None
            for tar in tars:
                self.call.check()
                where = where or find(tar, needles)
            if where:
                raise ActionFailed(
                    f"the secret {name!r} is in the image: in {where}",
                    hint=f"read it in the step that uses it (RUN --mount=type=secret,id={name}), "
                    "and write it nowhere but below /tmp, in a file that the same step removes",
                )


def _opened(tar: Path) -> IO[bytes]:
    return tar.open("rb")


def write_context(call: ToolCall, directory: Path) -> None:
    """Writes the context: modes 0755 and 0644, and one time for all, as on any other machine."""
    directory.mkdir()
    for path, node in call.inputs.items():
        if path.startswith(CONTEXT):
            call.check()
            target = directory / path.removeprefix(CONTEXT)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as out:
                out.writelines(call.contents(node.digest))
            target.chmod(0o755 if node.executable else 0o644)
            os.utime(target, (MTIME, MTIME))
    for where, _, _ in os.walk(directory, topdown=False):
        Path(where).chmod(0o755)
        os.utime(where, (MTIME, MTIME))


def _outputs(image: Image, layers: Sequence[tuple[Layer, Path]], places: int) -> dict[str, Made]:
    if len(layers) > places:
        raise ExternalError(
            f"the engine made {len(layers)} layers, and the Dockerfile's steps can make {places}",
            hint="report it, with the Dockerfile",
        )
    outputs = {MANIFEST: Made(image.manifest), CONFIG: Made(image.config)}
    for number in range(places):
        place = f"layers/{number:03}"
        used = number < len(layers)
        outputs[f"{place}.json"] = Made(layers[number][0].to_json() if used else UNUSED)
        outputs[f"{place}.tar.gz"] = Made(layers[number][1] if used else b"")
    return outputs


@contextmanager
def _private(scratch: Path, *names: str) -> Iterator[tuple[Path, ...]]:
    """Yields directories for what must not stay, not even when those of failed actions do."""
    directories = tuple(scratch / name for name in names)
    try:
        for directory in directories:
            directory.mkdir(0o700)
        yield directories
    finally:
        for directory in directories:
            shutil.rmtree(directory, ignore_errors=True)


def _write_secrets(directory: Path, values: Mapping[str, bytes]) -> dict[str, Path]:
    files = {name: directory / str(number) for number, name in enumerate(values)}
    for name, path in files.items():
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(values[name])
    return files


def _says(value: Any, needles: Iterable[bytes]) -> bool:
    """Returns whether a string of a document, a name in it or a value, has one of `needles` in it."""
    if isinstance(value, str):
        data = value.encode(errors="surrogateescape")
        return any(needle in data for needle in needles)
    if isinstance(value, Mapping):
        return any(_says(each, needles) for pair in value.items() for each in pair)
    return isinstance(value, list) and any(_says(each, needles) for each in value)
