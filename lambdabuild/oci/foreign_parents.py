"""Lower layers -> what they say of some directories.

An overlay's layer names every directory on the way to what it changes, so this
is needed for layers alone that were put together by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TypeAlias

from lambdabuild.oci.conformance.members import Readable, members
from lambdabuild.oci.errors import ImageError
from lambdabuild.oci.foreign import entry_path
from lambdabuild.oci.layer_files import hides, is_hidden
from lambdabuild.oci.tar import Dir, Owner

_Found: TypeAlias = Dir | None
"""None: there is something, but no directory."""


def directories(layers: Iterable[Callable[[], Readable]], wanted: Collection[str]) -> dict[str, Dir]:
    """Returns those of the directories `wanted` that the image of `layers` has, with modes and owners.

    layers: lowest first; each opens the plain tar.

    Raises ImageError where there is something else: an entry of a directory would replace it.
    """
    found: dict[str, _Found] = {}
    for opened in layers:
        hidden, added = _read(opened(), wanted)
        found = {path: entry for path, entry in found.items() if not is_hidden(path, hidden)} | added
    for path, entry in found.items():
        if entry is None:
            raise ImageError(f"it has entries below {path!r}, which is a link or a file of a lower layer")
    return {path: entry for path, entry in found.items() if entry}


def _read(tar: Readable, wanted: Collection[str]) -> tuple[set[str], dict[str, _Found]]:
    """Returns what a layer takes away from those below, and what it has of `wanted`.

    Taken away are paths with all below them; with a final "/" only what is below.
    """
    hidden: set[str] = set()
    added: dict[str, _Found] = {}
    for member in members(tar):
        path = entry_path(member.name.lstrip("/"))
        if (whiteout := hides(path)) is not None:
            hidden.add(whiteout)
        elif member.isdir() and path in wanted:
            added[path] = Dir(path, member.mode & 0o7777, Owner(member.uid, member.gid))
        elif not member.isdir():
            hidden.add(path)
            if path in wanted:
                added[path] = None
    return hidden, added
