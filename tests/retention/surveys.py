"""Strategies: what a store may hold, and what is needed of it, as values."""

from __future__ import annotations

from hypothesis import strategies as st

from lambdabuild.action import ActionResult
from lambdabuild.digest import Digest, Key, digest_of
from lambdabuild.retention.choose import DAY
from lambdabuild.retention.unneeded import StoreNeeds
from lambdabuild.store.s3.bucket import Listed
from lambdabuild.store.s3.packs import STORED, Member
from lambdabuild.store.s3.segments import Document, Entry
from lambdabuild.store.s3.survey import Survey
from lambdabuild.tree import FileNode

NOW = 1000 * DAY
BLOBS = tuple(digest_of(b"blob %d" % number) for number in range(8))
KEYS = tuple(Key(digest_of(b"key %d" % number).hash) for number in range(6))
OBJECTS = tuple(digest_of(b"object %d" % number).hash for number in range(5))
PACKS = tuple(digest_of(b"pack %d" % number).hash for number in range(3))

_ages = st.integers(0, 20).map(lambda days: NOW - days * DAY)


def result_of(*blobs: Digest) -> bytes:
    """Returns a result that names these blobs."""
    outputs = {f"out{number}": FileNode(blob, executable=False) for number, blob in enumerate(blobs)}
    return ActionResult(outputs, 1.0, "local").to_json()


def outputs_of(entry: Entry) -> set[Digest]:
    return {node.digest for node in ActionResult.from_json(entry.result).outputs.values()}


@st.composite
def entries(draw: st.DrawFn) -> dict[Key, Entry]:
    """A segment of results."""
    found = {}
    for key in draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=5)):
        blobs = draw(st.lists(st.sampled_from(BLOBS), unique=True, max_size=2))
        document = Document(draw(st.sampled_from(PACKS)), 0, 1, 1, STORED)
        found[key] = Entry(result_of(*blobs), 1, draw(_ages), document)
    return found


@st.composite
def members(draw: st.DrawFn) -> list[Member]:
    """What lies in one object, one blob behind the other."""
    blobs = draw(st.lists(st.sampled_from(BLOBS), unique=True, min_size=1, max_size=4))
    found, end = [], 0
    for blob in blobs:
        found.append(Member(blob, end, blob.size, STORED))
        end += blob.size
    return found


@st.composite
def surveys(draw: st.DrawFn) -> Survey:
    """A store: packs with blobs that share and repeat them, some in no index, results of all ages."""
    packs = {name: draw(members()) for name in draw(st.lists(st.sampled_from(OBJECTS), unique=True))}
    objects = {
        name: Listed(each[-1].offset + each[-1].length, draw(_ages), "") for name, each in packs.items()
    }
    told = [name for name in packs if draw(st.booleans()) or draw(st.booleans())]
    documents = {name: Listed(10, draw(_ages), "") for name in PACKS}
    results = {f"segment {number}": draw(entries()) for number in range(draw(st.integers(0, 3)))}
    index = {f"segment {name}": {name: packs[name]} for name in told}
    return Survey(NOW, objects, documents, index, results)


@st.composite
def store_needs(draw: st.DrawFn) -> StoreNeeds:
    return StoreNeeds(
        frozenset(draw(st.lists(st.sampled_from(KEYS), max_size=3))),
        frozenset(draw(st.lists(st.sampled_from(BLOBS), max_size=2))),
        draw(st.integers(0, 12)),
    )
