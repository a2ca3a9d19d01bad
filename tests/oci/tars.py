"""Layers made by hand with tarfile, good ones and such as no honest tool would write."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path
from typing import Any

from lambdabuild.oci.digest import OciDigest, sha256_of
from lambdabuild.oci.unpack import unpack

Member = tuple[tarfile.TarInfo, bytes]


def member(name: str, data: bytes = b"", *, kind: bytes = tarfile.REGTYPE, **fields: Any) -> Member:
    """Returns a member; `fields` are those of TarInfo (linkname, mode, uid, …)."""
    info = tarfile.TarInfo(name)
    info.type, info.size = kind, len(data)
    info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def directory(name: str, **fields: Any) -> Member:
    return member(name, kind=tarfile.DIRTYPE, **fields)


def symlink(name: str, target: str) -> Member:
    return member(name, kind=tarfile.SYMTYPE, linkname=target)


def hardlink(name: str, target: str) -> Member:
    return member(name, kind=tarfile.LNKTYPE, linkname=target)


def tar_of(*members: Member, **options: Any) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", **options) as tar:
        for info, data in members:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def unpack_bytes(root: Path, *tars: bytes) -> Path:
    """Unpacks tars, lowest first, into `root`, and returns it. Every other one is compressed."""
    layers: list[tuple[OciDigest, Path]] = []
    for i, tar in enumerate(tars):
        blob = root.with_name(f"{root.name}-layer-{i}")
        blob.write_bytes(gzip.compress(tar) if i % 2 else tar)
        layers.append((sha256_of(tar), blob))
    unpack(layers, root)
    return root


def unpack_members(root: Path, *layers: list[Member]) -> Path:
    """Unpacks layers made of these members, lowest first, into `root`, and returns it."""
    return unpack_bytes(root, *(tar_of(*members) for members in layers))


def listing(root: Path) -> dict[str, bytes | str | None]:
    """What is below root: a file's bytes, a symlink's target, None for a directory."""
    found: dict[str, bytes | str | None] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path)  # a Path would tidy it up
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found
