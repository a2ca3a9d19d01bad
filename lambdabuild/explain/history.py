"""What targets were when they were last built: the states that a difference starts from.

    <root>/history/<2 hex>/<62 hex>/<target hash>    one TargetState

The directory is named by workspace, label and platform, so that checkouts of one
workspace share what they know. It holds the last LIMIT states. Nothing depends
on them but explanations: one that is damaged is removed and forgotten.

`shared_history` has the states of other machines, under the same names; single
deep documents the action caches give, by key (`Remembered`).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from lambdabuild.action import ActionOutput
from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.digest import Key, key_of
from lambdabuild.explain.state import Hashed, Maker, TargetState, from_json, hashed, state_of, to_json
from lambdabuild.keys import KeyTable
from lambdabuild.store.local import write_atomically

LIMIT = 20


class History(Protocol):
    """Earlier states of targets."""

    def states(self, label: str, platform: str) -> Sequence[TargetState]:
        """Returns those of one configured target, the latest first."""
        ...

    def with_hash(self, prefix: str) -> TargetState | None:
        """Returns one whose target's hash begins so."""
        ...

    def fetch(self, ids: Iterable[ConfiguredLabel]) -> None:
        """Readies what `states` is going to be asked for."""
        ...


class LocalHistory:
    """A History on this machine's disk.

    root:      the cache directory.
    workspace: its name.
    """

    def __init__(self, root: Path, workspace: str) -> None:
        self._root = f"{root}/history"
        self._scratch = root / "tmp"
        self._workspace = workspace

    def record(self, graph: ConfiguredGraph, keys: KeyTable, built: Iterable[ConfiguredLabel]) -> None:
        """Keeps what the targets in `built`, and all below them, are now."""
        # A target's state is written after those below it: where it is, they were.
        news = [id_ for id_ in built if not os.path.exists(self._path(id_, keys))]
        for id_ in reversed(closure(graph, news)):
            path = Path(self._path(id_, keys))
            if not path.exists():
                write_atomically(path, to_json(state_of(graph.targets[id_], keys)), self._scratch)
                _prune(path.parent)

    def states(self, label: str, platform: str) -> Sequence[TargetState]:
        paths = _latest_first(Path(self._directory(label, platform)))
        return [state for path in paths if (state := _read(path))]

    def with_hash(self, prefix: str) -> TargetState | None:
        for path in sorted(Path(self._root).glob(f"*/*/{prefix}*")):
            if state := _read(path):
                return state
        return None

    def fetch(self, ids: Iterable[ConfiguredLabel]) -> None:
        pass

    def _path(self, id_: ConfiguredLabel, keys: KeyTable) -> str:
        return f"{self._directory(str(id_.label), id_.platform)}/{keys.hashes[id_]}"

    def _directory(self, label: str, platform: str) -> str:
        # A string: a build asks for thousands of them.
        name = name_of(self._workspace, label, platform)
        return f"{self._root}/{name[:2]}/{name[2:]}"


class Remembered:
    """Finds the documents of earlier actions: in the states of who declared them, or else by key.

    document: gives the document of a key from the action cache.
    """

    def __init__(self, history: History, document: Callable[[Key], bytes | None]) -> None:
        self._history = history
        self._document = document
        self._known: dict[tuple[str, str], dict[Key, Hashed]] = {}

    def __call__(self, key: Key, maker: Maker | None) -> Hashed | None:
        found = self._of(maker).get(key) if maker else None
        return found or self._by_key(key, maker)

    def _of(self, maker: Maker) -> dict[Key, Hashed]:
        id_ = (maker.label, maker.platform)
        if id_ not in self._known:
            states = self._history.states(*id_)
            self._known[id_] = {each.key: each for state in reversed(states) for each in state.actions}
        return self._known[id_]

    def _by_key(self, key: Key, maker: Maker | None) -> Hashed | None:
        data = self._document(key)
        return read_document(key, data, maker) if data is not None else None


def name_of(workspace: str, label: str, platform: str) -> Key:
    """Returns what the states of one configured target of a workspace are kept under."""
    return key_of("history", [workspace, label, platform])


def read_document(key: Key, data: bytes, maker: Maker | None = None) -> Hashed | None:
    """Returns the document that the action cache holds for `key`, or None if `key` is not its hash."""
    try:
        document = json.loads(data)
        kinds = ("deep", "action") if isinstance(document, dict) else ("target",)
        if key not in [key_of(kind, document) for kind in kinds]:
            return None
        return hashed(key, maker, document)
    except (ValueError, TypeError, RecursionError):
        return None


def closure(graph: ConfiguredGraph, roots: Iterable[ConfiguredLabel]) -> list[ConfiguredLabel]:
    """Returns `roots` and whose outputs they take, directly or not; what takes comes before what is taken."""
    wanted = set(roots)
    found = []
    for id_ in reversed(list(graph.targets)):
        if id_ in wanted:
            found.append(id_)
            wanted |= _taken(graph.targets[id_])
    return found


def _taken(target: ConfiguredTarget) -> set[ConfiguredLabel]:
    """Returns whose outputs `target` takes."""
    taken = (source.action for source in target.inputs() if isinstance(source, ActionOutput))
    return {ConfiguredLabel(action.label, action.platform) for action in taken}


def _read(path: Path) -> TargetState | None:
    try:
        state = from_json(path.read_bytes())
    except OSError:
        return None
    except ValueError:
        path.unlink(missing_ok=True)
        return None
    return state if state.target.key == path.name else None


def _latest_first(directory: Path) -> list[Path]:
    """Returns the files of `directory` by time of writing; of equal times by name."""
    with contextlib.suppress(OSError):
        timed = [(path.stat().st_mtime_ns, path) for path in directory.iterdir()]
        return [path for _, path in sorted(timed, reverse=True)]
    return []


def _prune(directory: Path) -> None:
    for path in _latest_first(directory)[LIMIT:]:
        path.unlink(missing_ok=True)
