"""What targets were on other machines: their last states, in the remote store.

    history/<64 hex>    raw deflate (RFC 1951) of {"version": 1, "states": [TargetState, …]}, the latest first

Named by workspace, label and platform, as `history` names its directories. One
request reads what is known of a target, two keep what it is now. Clients write
it, so that anybody's bytes may be there: a document counts if its key is its
hash, and nothing depends on the rest but explanations. Absent: states by hash,
which would take another index.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel
from lambdabuild.errors import LambdaBuildError, Location
from lambdabuild.explain.history import LIMIT, LocalHistory, name_of
from lambdabuild.explain.state import TargetState, is_sound, read_state, state_of, to_json
from lambdabuild.keys import KeyTable
from lambdabuild.store.inflating import RAW, inflated
from lambdabuild.store.s3.bucket import Bucket, Stored

VERSION = 1

MOST_STORED = 1 << 20
MOST_TEXT = 16 << 20
"""Bytes that one object has at most, as stored and inflated."""

_TRIES = 4
_REQUESTS = 16

T = TypeVar("T")
U = TypeVar("U")


class SharedHistory:
    """A History in a bucket, of one workspace. For any thread."""

    def __init__(self, bucket: Bucket, workspace: str) -> None:
        self._bucket = bucket
        self._workspace = workspace
        self._known: dict[str, Sequence[TargetState]] = {}

    def states(self, label: str, platform: str) -> Sequence[TargetState]:
        key = self._key(label, platform)
        if key not in self._known:
            self._known[key] = _states(self._bucket.read(key, limit=MOST_STORED), label, platform)
        return self._known[key]

    def with_hash(self, prefix: str) -> TargetState | None:
        return None

    def record(self, states: Iterable[TargetState]) -> None:
        """Keeps `states`, each before the earlier ones of its target; raises ExternalError."""
        _at_once(self._record, states)

    def fetch(self, ids: Iterable[ConfiguredLabel]) -> None:
        """Reads what is known of many targets, so that `states` asks nothing more for them."""
        _at_once(lambda id_: self.states(str(id_.label), id_.platform), ids)

    def _record(self, state: TargetState) -> None:
        """Gives up where others get in the way again and again: they keep newer states."""
        key = self._key(state.label, state.platform)
        for _ in range(_TRIES):
            stored = self._bucket.read(key, limit=MOST_STORED)
            known = _states(stored, state.label, state.platform)
            others = [each for each in known if each.target.key != state.target.key]
            # Written even if it was there: the bucket counts the object's days anew.
            data = _encoded([state, *others])
            if data is None or self._bucket.replace(key, data, stored.etag if stored else None):
                return

    def _key(self, label: str, platform: str) -> str:
        return f"history/{name_of(self._workspace, label, platform)}"


class LayeredHistory:
    """A History of two: what was built here, then what was built elsewhere.

    Without the remote one there is less to explain with, and nothing else is lost: what it refuses
    is said once, and it is asked nothing more.

    say: gets that.
    """

    def __init__(
        self, local: LocalHistory, remote: SharedHistory, say: Callable[[str, Location | None], None]
    ) -> None:
        self._local = local
        self._remote = remote
        self._say = say
        self._lock = threading.Lock()
        self._lost = False

    def states(self, label: str, platform: str) -> Sequence[TargetState]:
        here = self._local.states(label, platform)
        known = {state.target.key for state in here}
        nothing: Sequence[TargetState] = ()
        there = self._try(lambda: self._remote.states(label, platform), nothing)
        return [*here, *(state for state in there if state.target.key not in known)]

    def with_hash(self, prefix: str) -> TargetState | None:
        return self._local.with_hash(prefix)

    def record(self, graph: ConfiguredGraph, keys: KeyTable, built: Iterable[ConfiguredLabel]) -> None:
        self._local.record(graph, keys, built)

    def share(self, graph: ConfiguredGraph, keys: KeyTable, ran: Iterable[ConfiguredLabel]) -> None:
        """Keeps for others what the targets in `ran` are now."""
        states = [state_of(graph.targets[id_], keys) for id_ in ran]
        self._try(lambda: self._remote.record(states), None)

    def fetch(self, ids: Iterable[ConfiguredLabel]) -> None:
        self._try(lambda: self._remote.fetch(ids), None)

    def _try(self, work: Callable[[], T], otherwise: T) -> T:
        if not self._lost:
            try:
                return work()
            except LambdaBuildError as error:
                with self._lock:
                    self._lost = True
                self._say(f"what was built elsewhere is not known: {error.message}", None)
        return otherwise


def _at_once(work: Callable[[U], object], items: Iterable[U]) -> None:
    """Does `work` for each of `items`, several at a time; raises the first error."""
    wanted = list(items)
    if wanted:
        with ThreadPoolExecutor(min(_REQUESTS, len(wanted)), thread_name_prefix="history") as pool:
            for _ in pool.map(work, wanted):
                pass


def _encoded(states: Sequence[TargetState]) -> bytes | None:
    """Returns an object with the first of `states`, as many as there is room for; None if for none."""
    texts = [to_json(state) for state in states[:LIMIT]]
    while texts:
        text = b'{"version":%d,"states":[%s]}' % (VERSION, b",".join(texts))
        deflate = zlib.compressobj(wbits=RAW)
        data = deflate.compress(text) + deflate.flush()
        if len(data) <= MOST_STORED and len(text) <= MOST_TEXT:
            return data
        texts = texts[: len(texts) // 2]
    return None


def _states(stored: Stored | None, label: str, platform: str) -> Sequence[TargetState]:
    """Returns what an object says of a target; what is not as it should be is nothing."""
    try:
        document = json.loads(inflated(stored.data, MOST_TEXT)) if stored else None
        if not isinstance(document, dict) or document.get("version") != VERSION:
            return ()
        found = map(read_state, list(document["states"])[:LIMIT])
        return tuple(state for state in found if _counts(state, label, platform))
    except (ValueError, TypeError, KeyError, RecursionError):
        return ()


def _counts(state: TargetState, label: str, platform: str) -> bool:
    """Tells whether `state` is one of that target, with documents that its keys are the hashes of."""
    return (state.label, state.platform) == (label, platform) and is_sound(state)
