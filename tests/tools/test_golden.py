"""What a tool's version stands for: fixed inputs -> fixed bytes, on every machine and Python.

When one of these fails, bytes have changed: by an edit, or by another release
of a dependency. Count the tool's version up, and only then write the new
digests here; otherwise old results would be taken for new ones.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from lambdabuild.action import Made, ToolCall
from lambdabuild.digest import Canonical, Digest, digest_of
from lambdabuild.oci.digest import sha256_of
from lambdabuild.oci.tar import CAPABILITY
from lambdabuild.python.index import Index
from lambdabuild.tools import KINDS, all_tools, tool_version
from lambdabuild.tree import FileNode
from tests.engines.saved import SavedEngine, archive_of
from tests.oci.tars import directory, hardlink, member, symlink, tar_of
from tests.python.building import IN_TREE, PYPROJECT

PULLED = bytes(10_240)  # a tar without entries
TEXT = b"def main(event, context):\n    return event\n" * 50
NOISE = bytes((i * i * 31 + (i >> 3)) % 251 for i in range(100_000))
FILES: dict[str, tuple[bytes, bool]] = {
    "opt/python/lib/__init__.py": (b"", False),
    "opt/python/lib/größe.py": (TEXT, False),
    "opt/python/" + "deep/" * 30 + "file.py": (b"x = 1\n", False),
    "opt/bin/tool": (b"#!/bin/sh\n", True),
    "var/task/noise.bin": (NOISE, False),
}
HOST_PARAMS: Mapping[str, Canonical] = {
    "texts": {"etc/passwd": {"content": "root:x:0:0\n", "executable": False}},
    "links": {"lib": "usr/lib"},
    "directories": {"tmp": "1777", "var/task": "0755"},
}
LAYER = {
    "diff_id": "sha256:" + "1" * 64,
    "digest": "sha256:" + "2" * 64,
    "size": 1000,
    "uncompressed_size": 10240,
}
IMAGE_PARAMS: Mapping[str, Canonical] = {
    "env": {"B": "2", "A": "1"},
    "labels": {"b": "2", "a": "1"},
    "entrypoint": ["/lambda-entrypoint.sh"],
    "cmd": ["handler.main"],
    "working_dir": "/var/task",
    "user": None,
    "python_path": "/opt/python",
}

# What an engine saved, with most of what layers can have.
BUILT = archive_of(
    [
        tar_of(
            directory("usr", mtime=5),
            member("usr/b", TEXT, mode=0o4755, uid=7, gid=70_000, mtime=9, uname="me"),
            hardlink("usr/a", "usr/b"),
            symlink("usr/link", "../b"),
            directory("tmp", mode=0o1777),
            member("usr/.wh.gone"),
            member("ping", b"x", pax_headers={CAPABILITY: "\1\0\0\2\0 \0\0" + "\0" * 12}),
            format=tarfile.PAX_FORMAT,
        ),
        tar_of(),
    ]
)

# The backend is the project's own: the bytes of a published one would change with its releases.
PROJECT = {"pyproject.toml": PYPROJECT.format(backend="own"), "tools/own.py": IN_TREE}
WHEEL_PARAMS: Mapping[str, Canonical] = {
    "project": "receipt-dynamo",
    "backend": "own",
    "backend_path": ["tools"],
    "build_lock": {"requires": [], "packages": []},
    "variables": {},
    "host": None,
}

# tool, version -> digest of each output.
GOLDEN: dict[tuple[str, int], dict[str, str]] = {
    ("dockerfile", 1): {
        "config.json": "bc2521414d35007602b0f7846080ba6b0c95283ec0ef1248d14adec715eacf56/370",
        "layers/000.json": "fd235ba8d4d62740c9590ba24c614332e32673403ecd2f533f45bb8ef0dc169e/205",
        "layers/000.tar.gz": "e454b915d01fdc3448eb65bace55e3ca53b1f4449c6df65dd75bcac9d6f93447/374",
        "layers/001.json": "03f88b99c3d8073bba8948d6e762aac443b265f606cc05abd4d172f03a4def6a/4",
        "layers/001.tar.gz": "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262/0",
        "manifest.json": "5dba8b083406997bbf55774f9013be9f9619eb3795efbbf9e2f3de8770ee757a/401",
    },
    ("host_python", 1): {
        "layer.json": "366ff6529bb13314e474b2b4c0a7eb3df56e31e473e1387974dd1c912a0d36d0/204",
        "layer.tar.gz": "aee2da7b218a643b747882d8d7b45fbd8cb2dbcf7667008a80a1878042112490/269",
    },
    ("image", 2): {
        "config.json": "68b257d96bd470fdc455e0d4639473938cea851249c6cacfb5388748aa95ccf3/564",
        "manifest.json": "0715922129945dbc2e0d78573ac23b0f2482c64d1f2c9398101b998a76448442/557",
    },
    ("layer", 1): {
        "layer.json": "65f024d0c9d1c34529a71138d342f561ac7844561328793620b4e9072f7332d5/207",
        "layer.tar.gz": "73599094d6e9ac8a2dba84d9a7cb851c5a10dc63596db199555b6839b0bc0ed0/3855",
    },
    ("pull", 1): {
        "layer.json": "ff57ffd6aa94d8142dcd92cd4414b5509176aac66bb3a17c7817a3d5030fc420/207",
        "layer.tar.gz": "205e052acad47647eed881040084976901ec817a4b6f270f1aed134145c9b3c2/10240",
    },
    ("wheel", 1): {"package.whl": "519328b0cb7955645e8b2cb18c05552d066a9dabac4c00079411154eebbc9538/1037"},
    ("wheels", 2): {
        "files.json": "f8856a9ffe9d963dfa43945498f148519fbd562be8b940a8f8a05f9e1366aee4/1435",
        "layer.json": "302a209f43568698fe750b984b822b19612a3bf4e4a8277fccdd93f0e71e1d46/205",
        "layer.tar.gz": "bb89c74fb2c9c5bc25aa86c514e2f0af4fdcae9b1a58729b757e905a58df2065/944",
    },
    ("write", 1): {"content": "da86b9ca82b3db35a2d555b9b5f1463be6e18fadb0c87585f6d1a423fc305b52/8 x"},
}


def run(
    tool: str, params: Mapping[str, Canonical], files: Mapping[str, tuple[bytes, bool]], scratch: Path
) -> dict[str, str]:
    """Returns the digest of each output of `tool`."""
    blobs = {digest_of(content): content for content, _ in files.values()}

    def contents(digest: Digest) -> Iterator[bytes]:
        yield blobs[digest]

    inputs = {path: FileNode(digest_of(content), executable) for path, (content, executable) in files.items()}
    call = ToolCall(params, inputs, "linux/arm64", contents, lambda: scratch, lambda: None)
    tools = all_tools(
        _no_index,
        scratch / "environments",
        _registry,
        engine=lambda: SavedEngine(BUILT),
        secrets=lambda name: b"",
    )
    return {name: _digest(made) for name, made in tools[tool].run(call).items()}


def _registry(digest: str, size: int) -> list[bytes]:
    assert (digest, size) == (sha256_of(PULLED), len(PULLED))
    return [PULLED]


def _no_index() -> Index:
    raise AssertionError("nothing is fetched here")


def wheel(name: str = "lib") -> tuple[bytes, bool]:
    """A wheel made by hand, with a module, a data file and an executable."""
    files = {f"{name}/__init__.py": TEXT, f"{name}/data.json": b"{}", f"{name}/tool.sh": b"#!/bin/sh\n"}
    info = f"{name}-1.dist-info"
    files[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n".encode()
    files[f"{info}/WHEEL"] = (
        b"Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    rows = []
    for path, content in files.items():
        encoded = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={encoded},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path)
            entry.external_attr = (0o100755 if path.endswith(".sh") else 0o100644) << 16
            archive.writestr(entry, content)
    return out.getvalue(), False


def _digest(made: Made) -> str:
    data = made.content if isinstance(made.content, bytes) else made.content.read_bytes()
    return f"{digest_of(data)}{' x' if made.executable else ''}"


def layer_document() -> tuple[bytes, bool]:
    return json.dumps(LAYER, sort_keys=True).encode(), False


CALLS: dict[str, tuple[Mapping[str, Canonical], Mapping[str, tuple[bytes, bool]]]] = {
    "dockerfile": (
        {
            "build_args": {},
            "target": "",
            "secrets": [],
            "images": {},
            "root": "scratch",
            "max_layers": 2,
        },
        {"dockerfile": (b"FROM scratch\nCOPY a /\nCOPY a /\n", False), "context/a": (b"a", False)},
    ),
    "layer": ({}, FILES),
    "host_python": (HOST_PARAMS, {"var/lang/bin/python3": (b"\x7fELF", True)}),
    "image": (IMAGE_PARAMS, {"layers/000.json": layer_document(), "layers/001.json": layer_document()}),
    "pull": ({"digest": sha256_of(PULLED), "size": len(PULLED)}, {}),
    "wheel": (WHEEL_PARAMS, {f"project/{path}": (text.encode(), False) for path, text in PROJECT.items()}),
    "wheels": (
        {"prefix": "opt/python", "bytecode": ""},
        {"lib-1-py3-none-any.whl": wheel(), "built/own.whl": wheel("own")},
    ),
    "write": ({"content": "grüße\n", "executable": True}, {}),
}


def test_every_tool_has_golden_outputs() -> None:
    # What is fetched has its sha256 in the key: no version of the tool can change it.
    kinds = {(kind.name, kind.version) for kind in KINDS if kind.name != "fetch"}
    assert kinds == GOLDEN.keys()
    assert CALLS.keys() == {name for name, _ in kinds}


@pytest.mark.parametrize("tool", CALLS)
def test_a_tools_bytes_change_only_with_its_version(tool: str, tmp_path: Path) -> None:
    assert run(tool, *CALLS[tool], tmp_path) == GOLDEN[tool, tool_version(tool)]
