"""What an image was made of: target, hash, the documents behind it, and the revision; found by digest.

    lineage/<64 hex of the image's sha256>/<target hash>
        {"version": 1, "workspace", "label", "platform", "hash", "reference", "commit", "dirty", "state"}

`state` is the TargetState (see `explain.state`), whose documents the hash is computed from. It stands beside
the image and not in it, so that equal inputs give equal images on every commit; the first revision that
made an image stays. One image may have several hashes: inputs that differ and come to the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lambdabuild.configured import ConfiguredTarget
from lambdabuild.deploying.documents import Documents
from lambdabuild.deploying.plan import at_once
from lambdabuild.deploying.revision import Revision
from lambdabuild.errors import escaped
from lambdabuild.explain.state import Maker, TargetState, deep_keys, is_sound, read_state, state_of, to_json
from lambdabuild.keys import KeyTable
from lambdabuild.oci.digest import OciDigest

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where an image comes from. reference: the name that it was pushed under, with its tag."""

    workspace: str
    reference: str
    revision: Revision
    state: TargetState

    @property
    def hash(self) -> str:
        return self.state.target.key

    def to_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "workspace": self.workspace,
            "label": self.state.label,
            "platform": self.state.platform,
            "hash": self.hash,
            "reference": self.reference,
            "commit": self.revision.commit or None,
            "dirty": self.revision.dirty,
            "state": json.loads(to_json(self.state)),
        }


def keep(
    documents: Documents,
    digest: OciDigest,
    target: ConfiguredTarget,
    keys: KeyTable,
    *,
    workspace: str,
    reference: str,
    revision: Revision,
) -> None:
    """Records where an image comes from; what is known stays, and is known to be in use today."""
    found = Lineage(workspace, reference, revision, state_of(target, keys))
    key = f"{_prefix(digest)}{found.hash}"
    if not documents.create(key, json.dumps(found.to_json()).encode()):
        documents.renew(key)


def find(documents: Documents, digest: OciDigest) -> tuple[Lineage, ...]:
    """Returns all that an image is known to come from, the latest first; damaged documents are left out."""
    return find_dated(documents, digest)[0]


def find_dated(documents: Documents, digest: OciDigest) -> tuple[tuple[Lineage, ...], float]:
    """Returns what `find` and `dated` do, for one question."""
    prefix = _prefix(digest)
    times = documents.list(prefix)
    names = sorted(times, key=lambda name: (times[name], name), reverse=True)
    read = (_read(documents.read(f"{prefix}{name}"), name) for name in names)
    return tuple(filter(None, read)), max(times.values(), default=0.0)


def keys_of_all(documents: Documents, without: Collection[OciDigest]) -> frozenset[str]:
    """Returns the deep keys of all actions that recorded images were made by, but those of some."""
    names = sorted(documents.list("lineage/"))
    wanted = [name for name in names if f"sha256:{name.partition('/')[0]}" not in without]

    def one(name: str) -> frozenset[str]:
        found = _read(documents.read(f"lineage/{name}"), name.rpartition("/")[2])
        return deep_keys(found.state) if found else frozenset()

    return frozenset().union(*at_once(one, wanted))


def forget(documents: Documents, digest: OciDigest) -> None:
    """Removes what is known of an image that is no more."""
    for name in documents.list(_prefix(digest)):
        documents.delete(f"{_prefix(digest)}{name}")


def dated(documents: Documents, digest: OciDigest) -> float:
    """Returns when an image was last recorded, as Unix time; 0 if it never was."""
    return max(documents.list(_prefix(digest)).values(), default=0.0)


def sources(state: TargetState) -> Mapping[str, str]:
    """Returns the files of the workspace that a target takes itself, with their digests."""
    found = {}
    for each in (state.target, *state.actions):
        for path, origin in each.origins.items():
            if isinstance(origin, str):
                found[origin] = str(each.inputs[path].get("digest", ""))
    return dict(sorted(found.items()))


def made_by(state: TargetState) -> tuple[str, ...]:
    """Returns the other targets whose outputs a target takes."""
    makers = (origin for each in (state.target, *state.actions) for origin in each.origins.values())
    labels = {each.label for each in makers if isinstance(each, Maker) and each.label != state.label}
    return tuple(sorted(labels))


def _prefix(digest: OciDigest) -> str:
    return f"lineage/{digest.removeprefix('sha256:')}/"


def _read(data: bytes | None, name: str) -> Lineage | None:
    """Returns what a document says, if its hash is that of the documents in it."""
    try:
        document = json.loads(data or b"")
        state = read_state(document["state"])
        if document["version"] != VERSION or state.target.key != name or not is_sound(state):
            return None
        revision = Revision(escaped(str(document["commit"] or "")), bool(document["dirty"]))
        return Lineage(
            escaped(str(document["workspace"])), escaped(str(document["reference"])), revision, state
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
