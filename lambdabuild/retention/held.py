"""An image in a repository: its tags, blobs, age and what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lambdabuild.oci.digest import OciDigest


@dataclass(frozen=True, slots=True)
class Origin:
    """What an image was made of, as far as it matters here. See `deploying.lineage`."""

    workspace: str
    label: str
    platform: str
    hash: str


@dataclass(frozen=True, slots=True)
class Held:
    """One manifest or index of a repository.

    place:   host and repository.
    at:      when it was last pushed or deployed, as far as anybody knows: Unix time; None if nobody does.
    layers:  its layers' digests, the lowest first; () for an index, and for what cannot be read.
    sizes:   bytes of all blobs, of the manifest itself, too, by digest.
    parts:   the manifests of an index.
    origins: all that it is known to be made of.
    """

    place: str
    digest: OciDigest
    tags: tuple[str, ...]
    at: float | None
    layers: tuple[OciDigest, ...] = ()
    sizes: Mapping[OciDigest, int] | None = None
    parts: tuple[OciDigest, ...] = ()
    origins: tuple[Origin, ...] = ()
