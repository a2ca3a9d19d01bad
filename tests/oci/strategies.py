"""The vocabulary of the laws in this folder: file trees, layers and images."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from lambdabuild.oci import documents
from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.image import Image
from lambdabuild.oci.layer import Dir, Entry, File, Layer, Symlink
from lambdabuild.oci.manifest import Descriptor, Manifest
from lambdabuild.oci.media_types import FAMILIES

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


def _is_component(text: str) -> bool:
    return text not in (".", "..") and "/" not in text and not text.startswith(".wh.")


components = st.one_of(
    st.sampled_from(["a", "b", "a.py", "a-b", "a b", "ä", "é", "日本", "\N{SNAKE}.py", "\\", "\n", "Ω" * 40]),
    texts.filter(_is_component),
    # Across the limits of 100 bytes and 256 characters of a path.
    st.integers(90, 200).map(lambda length: "long" * (length // 4)),
)
"""Names that a file system takes: at most 255 bytes, no slash."""


def file(path: str, data: bytes, *, executable: bool = False) -> File:
    """A File with its bytes at hand, given in two pieces."""
    half = len(data) // 2
    return File(path, len(data), executable, lambda: [data[:half], data[half:]])


_leaves = st.one_of(
    st.tuples(st.binary(max_size=1200), st.booleans()),
    st.one_of(texts, st.just("../" * 40 + "x")),
)
_nodes = st.recursive(_leaves, lambda below: st.dictionaries(components, below, max_size=4), max_leaves=12)
_roots = st.dictionaries(components, _nodes, max_size=4)


def _entries(node: Any, path: str) -> Iterator[Entry]:
    match node:
        case dict():
            if path and (not node or len(node) == 3):  # mostly implied, now and then explicit
                yield Dir(path, 0o700 if len(node) == 3 else 0o755)
            for name, below in node.items():
                yield from _entries(below, f"{path}/{name}" if path else name)
        case str():
            yield Symlink(path, node)
        case data, executable:
            yield file(path, data, executable=executable)


entries: st.SearchStrategy[list[Entry]] = _roots.map(lambda root: list(_entries(root, "")))
"""What a layer can be made of, in no particular order; parents mostly unnamed."""

digests: st.SearchStrategy[OciDigest] = st.binary(max_size=4).map(sha256_of)

layers: st.SearchStrategy[Layer] = st.builds(
    Layer,
    diff_id=digests,
    digest=digests,
    size=st.integers(0, 1 << 40),
    uncompressed_size=st.integers(0, 1 << 40),
)

names = st.sampled_from(["A", "B", "PATH", "path"])
environments = st.dictionaries(names, st.text("ab=: ä", max_size=5), max_size=4)

_run_configs: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "Env": st.none() | st.lists(st.tuples(names, st.text("ab=", max_size=3)).map("=".join), max_size=5),
        "Labels": st.none() | environments,
        "Entrypoint": st.none() | st.lists(texts, max_size=2),
        "Cmd": st.none() | st.lists(texts, max_size=2),
        "WorkingDir": st.sampled_from(["", "/var/task"]),
        "User": st.sampled_from(["", "1000:1000"]),
        "ExposedPorts": st.just({"8080/tcp": {}}),
        "ArgsEscaped": st.booleans(),
    },
)


@st.composite
def bases(draw: st.DrawFn) -> Image:
    """An image that some other tool made: odd whitespace, unknown fields, nulls, lacking history."""
    family = FAMILIES[draw(st.sampled_from(["oci", "docker"]))]
    stack = draw(st.lists(layers, max_size=3))
    told = draw(st.integers(0, len(stack)))
    history: list[dict[str, Any]] = [{"created_by": f"step {i}"} for i in range(told)]
    history.insert(draw(st.integers(0, told)), {"created_by": "ENV A=b", "empty_layer": True})
    config: dict[str, Any] = {
        "os": "linux",
        "architecture": draw(st.sampled_from(["amd64", "arm64"])),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in stack]},
        "config": draw(st.none() | _run_configs),
        "history": draw(st.sampled_from([None, history])),
        "created": "2024-05-06T07:08:09.123Z",
        "docker_version": "20.10.24",
        "x-unknown": {"deep": [1, None, "é"]},
    }
    if draw(st.booleans()):
        config["variant"] = "v8"
    data = _as_others_write(draw, config)
    manifest = Manifest(
        family,
        Descriptor(family.config, sha256_of(data), len(data)),
        tuple(Descriptor(family.gzip_layer, layer.digest, layer.size) for layer in stack),
    )
    fields = documents.decode(manifest.encode(), "manifest").document
    fields["annotations"] = {"made": "elsewhere"}
    return Image.parse(_as_others_write(draw, fields), data)


def _as_others_write(draw: st.DrawFn, document: dict[str, Any]) -> bytes:
    order = draw(st.permutations(sorted(document)))
    return json.dumps({name: document[name] for name in order}, indent=draw(st.integers(1, 3))).encode()


images = st.one_of(
    bases(),
    st.builds(Image.scratch, st.just("linux/arm64"), family=st.sampled_from(["oci", "docker"])),
)
