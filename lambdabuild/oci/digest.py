"""sha256 digests, as manifests, configs and registries spell them.

A type of its own on purpose: a `lambdabuild.digest.Digest` is BLAKE3 and never
fits where one of these is wanted.

Two kinds of OciDigest name one layer, and every docstring says which it means:
the *digest* is of the compressed bytes that travel, the *diff_id* of the tar.
"""

from __future__ import annotations

import hashlib
import re
from typing import NewType

OciDigest = NewType("OciDigest", str)
"""`sha256:` and 64 lower-case hex digits (image-spec, descriptor.md, "Digests")."""

_SHAPE = re.compile(r"sha256:[0-9a-f]{64}")


def parse_oci_digest(text: str) -> OciDigest:
    """Returns `text` as a digest; ValueError if it is none, or not of sha256."""
    if not _SHAPE.fullmatch(text):
        raise ValueError(f"not a sha256 digest: {text!r}")
    return OciDigest(text)


def sha256_of(data: bytes | bytearray | memoryview) -> OciDigest:
    """Returns the digest of `data`."""
    return OciDigest("sha256:" + hashlib.sha256(data).hexdigest())


def hex_of(digest: OciDigest) -> str:
    """Returns the 64 hex digits alone, as file names use them."""
    return digest.removeprefix("sha256:")
