"""Git LFS: pointers that stand for files, and where this machine keeps those.

The format of pointers is that of git-lfs's docs/spec.md, version 1. git-lfs
itself is not run, since it would fetch what is missing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
from typing import NamedTuple

from lambdabuild.errors import ExternalError
from lambdabuild.sources.git_objects import Sink
from lambdabuild.sources.git_repository import Repository
from lambdabuild.sources.stable import pieces

FILTER = "lfs"
MAX_POINTER = 1024
"""Bytes that a pointer has at most."""

_POINTER = re.compile(
    rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\r?\n"
    rb"oid sha256:([0-9a-f]{64})\r?\nsize ([0-9]{1,18})\r?\n?"
)


class Pointer(NamedTuple):
    """A file by its sha256, in hex, and its size in bytes."""

    sha256: str
    size: int


def parse_pointer(data: bytes) -> Pointer | None:
    """Returns what `data` stands for, or None if it is no pointer."""
    match = _POINTER.fullmatch(data) if len(data) <= MAX_POINTER else None
    return Pointer(match[1].decode(), int(match[2])) if match else None


def copy_object(repository: Repository, pointer: Pointer, revision: str, path: str, sink: Sink) -> None:
    """Gives the bytes that `pointer` stands for to `sink`; raises ExternalError if they are not here."""
    storage = os.path.join(repository.common_dir, repository.setting("lfs.storage") or "lfs")
    name = pointer.sha256
    place = os.path.join(storage, "objects", name[:2], name[2:4], name)
    hasher = hashlib.sha256()
    size = 0
    try:
        for piece in pieces(place):
            hasher.update(piece)
            size += len(piece)
            sink(piece)
    except OSError:
        fetch = f"{repository.git} lfs fetch {repository.remote} {shlex.quote(revision)}"
        raise ExternalError(f"{path} is in Git LFS, and its bytes are not here", hint=fetch) from None
    if hasher.hexdigest() != name or size != pointer.size:
        raise ExternalError(
            f"{path} is in Git LFS, and its bytes here are damaged", hint=f"{repository.git} lfs fsck"
        )
