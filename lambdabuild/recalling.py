"""What of an earlier answer still holds, after some of the files that it stands on have changed.

An evaluation holds while the files that it looked at answer alike, which is asked
of those that changed. Then only the targets are worked out again that a changed
source is in, those that are made of them, and those whose outputs are gone. All
others are as they were. Whatever is not understood, is worked out from nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lambdabuild import kept_graph
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.evaluation import Evaluation
from lambdabuild.kept_graph import Index, KeptGraph, Place, takers
from lambdabuild.keys import KeyTable, Known, Part
from lambdabuild.noop import Doubt
from lambdabuild.oci.digest import OciDigest
from lambdabuild.report import CACHED, BuildReport, TargetReport
from lambdabuild.settings import OUT_DIR
from lambdabuild.sources import WorkingTree
from lambdabuild.sources.seen import answers_alike
from lambdabuild.workspace import FILE_NAME, Workspace

Told = list[Any]
"""What is known of a root: its hash, and of a build its kind, output, image digest and absent layers."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """An earlier answer, and what has to be worked out of it again.

    numbers:    the targets that may have changed, dependencies first.
    evaluation: of those of them that were asked for, in the graph of all.
    told:       what was known of each root of the earlier answer.
    edits:      hash and keys of targets that changed since the graph was kept, by number.
    """

    doubt: Doubt
    kept: KeptGraph
    numbers: Sequence[int]
    evaluation: Evaluation
    told: Sequence[Told]
    edits: Mapping[int, Known]

    def completed(self, report: BuildReport) -> BuildReport:
        """Returns the report of all roots, given that of those that were worked out again."""
        news = {target.id: target for target in report.targets}
        index = self.kept.index
        targets = []
        for root, told, notes in zip(index.roots, self.told, index.notes, strict=True):
            id_ = index.ids[root]
            targets.append(news.get(id_) or _told_again(id_, told, notes))
        return BuildReport(tuple(targets), report.failures, report.remote, report.steps)

    def changed_paths(self, made: Collection[str]) -> list[str]:
        """Returns the paths that were not as they had been, but for what the answer left behind."""
        paths = (os.fsdecode(self.doubt.paths[number]) for number in self.doubt.changed)
        return [path for path in paths if path not in made]

    def hashes(self, news: Mapping[ConfiguredLabel, Key]) -> list[tuple[ConfiguredLabel, Key]]:
        """Returns the hashes of all roots."""
        ids = [self.kept.index.ids[root] for root in self.kept.index.roots]
        changed = frozenset(self.evaluation.roots)
        return [
            (id_, news[id_] if id_ in changed else told[0]) for id_, told in zip(ids, self.told, strict=True)
        ]


def told_of(report: TargetReport) -> Told:
    """Returns what has to be known to report a target again."""
    return [report.hash, report.kind, report.output, report.image_digest, list(report.absent_layers)]


def _told_again(id_: ConfiguredLabel, told: Told, notes: tuple[str, ...]) -> TargetReport:
    hash_, kind, output, digest, absent = told
    return TargetReport(
        id_,
        kind,
        CACHED,
        Key(hash_),
        output=output,
        notes=notes,
        absent_layers=tuple(map(OciDigest, absent)),
        digest=OciDigest(digest) if digest else None,
    )


def graph_place(place: str) -> str:
    """Returns where the graph lies that belongs to a state."""
    return f"{place}.graph"


def recall(doubt: Doubt, place: str, workspace: Workspace, cache: Path) -> Recalled | None:
    """Returns what holds of an answer; None if it has to be worked out from nothing.

    place: where the state of that answer lies.
    """
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        basis = json.loads(doubt.kept.basis)
        kept = kept_graph.read(graph_place(place), bytes.fromhex(basis["graph"]))
        if kept is None or os.fsencode(workspace.root) != doubt.kept.root:
            return None
        changes = _Changes(workspace, cache, doubt, kept, basis["told"])
        numbers = changes.numbers()
        if numbers is None:
            return None
        edits = {
            int(number): Known(Key(hash_), tuple(map(Key, keys)))
            for number, (hash_, keys) in basis["edits"].items()
        }
        above = kept.above(numbers)
        return Recalled(doubt, kept, above, _part(kept, above, edits), basis["told"], edits)
    return None


def _part(kept: KeptGraph, above: Sequence[int], edits: Mapping[int, Known]) -> Evaluation:
    """Returns the evaluation of those targets that were asked for."""
    index = kept.index
    labels = {index.ids[number].label for number in above}
    # One layout holds an image for all its platforms.
    roots = [root for root in index.roots if index.ids[root].label in labels]

    def known(id_: ConfiguredLabel) -> Known:
        return edits.get(kept.numbers[id_]) or kept.known(id_)

    notes = {index.ids[root]: each for root, each in zip(index.roots, index.notes, strict=True) if each}
    return Evaluation(
        tuple(index.ids[root] for root in roots),
        kept.graph,
        notes=notes,
        part=Part(tuple(index.ids[number] for number in above), known),
    )


class _Changes:
    """Paths that are not as they were, and what that means."""

    def __init__(
        self, workspace: Workspace, cache: Path, doubt: Doubt, kept: KeptGraph, told: Sequence[Told]
    ) -> None:
        self._root = workspace.root
        self._tree = WorkingTree(workspace.root, workspace.ignore)
        self._cache = f"{cache}/"
        self._held = doubt.kept.held
        self._index = kept.index
        self._told = told
        self._paths = [os.fsdecode(doubt.paths[number]) for number in doubt.changed]

    def numbers(self) -> set[int] | None:
        """Returns the targets that a change is in; None where more has changed than their files."""
        outputs = {path for path in self._paths if path.startswith(f"{OUT_DIR}/")}
        stored = {path for path in self._paths if path.startswith(self._cache)}
        sources = [path for path in self._paths if path not in outputs and path not in stored]
        if not self._plain(sources) or not self._alike(sources) or not self._all_held(stored):
            return None
        found = {number for path in sources for number in self._index.sources.get(path, ())}
        return found | self._owners(outputs)

    def _plain(self, paths: Iterable[str]) -> bool:
        """Tells whether all of them are files and directories of the workspace, and no settings."""
        for path in paths:
            if path.startswith("/") or path == FILE_NAME or path in self._index.links:
                return False
            mode = os.lstat(self._root / path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                return False
        return True

    def _alike(self, paths: Iterable[str]) -> bool:
        """Tells whether the evaluation would see what it saw, wherever those paths can have changed that."""
        changed = {"" if path == "." else path for path in paths}
        seen = self._index.seen
        below = [path for path, answers in seen.items() if self._may_differ(path, answers, changed)]
        return answers_alike(
            self._tree, {(what, path): answer for path in below for what, answer in seen[path]}
        )

    def _may_differ(self, path: str, answers: Iterable[tuple[str, Any]], changed: Set[str]) -> bool:
        """Tells whether what was answered of `path` stands on one of the `changed`.

        That is itself, where links lead from it, and the directory that it is in. Where nothing was
        found, the directory may have been absent too, and the nearest one that was there is what changes.
        """
        absent = not all(answer for _, answer in answers)
        for place in {path, self._index.leads.get(path, path)}:
            above = {place, place.rpartition("/")[0]}
            if not changed.isdisjoint(above | set(_directories(place)) if absent else above):
                return True
        return False

    def _all_held(self, directories: set[str]) -> bool:
        """Tells whether those directories of the store still have what the answer needs."""
        if not directories:
            return True
        needed: dict[str, set[str]] = {directory: set() for directory in directories}
        for name in self._held.decode().split("\0")[:-1]:
            directory, _, file = f"{self._cache}{name}".rpartition("/")
            if directory in needed:
                needed[directory].add(file)
        return all(names <= set(os.listdir(directory)) for directory, names in needed.items())

    def _owners(self, outputs: set[str]) -> set[int]:
        """Returns the roots that those outputs are of."""
        lost = {path.rpartition("/")[0] for path in outputs}
        return {
            root
            for root, told in zip(self._index.roots, self._told, strict=True)
            if len(told) > 1 and told[2] in lost
        }


def _directories(path: str) -> Iterator[str]:
    """Yields the directories that `path` lies in, up to "", the root of the workspace."""
    while path:
        path = path.rpartition("/")[0]
        yield path


def encoded_basis(graph: bytes, told: Sequence[Told], edits: Mapping[int, Known]) -> bytes:
    """Returns what the next answer can be made of. graph: the id of the kept graph."""
    known = {str(number): [each.hash, list(each.keys)] for number, each in edits.items()}
    return json.dumps({"graph": graph.hex(), "told": list(told), "edits": known}).encode()


def edited(recalled: Recalled, keys: KeyTable) -> dict[int, Known]:
    """Returns hash and keys of all targets that have changed since the graph was kept."""
    found = dict(recalled.edits)
    for number in recalled.numbers:
        target = recalled.kept.target(number)
        found[number] = Known(
            keys.hashes[target.id], tuple(keys.deep_key(each.id) for each in target.actions)
        )
    return found


def index_of(evaluation: Evaluation, leads: Mapping[str, str], places: tuple[Place, ...]) -> Index:
    """Returns what a kept graph says of itself.

    leads: path of a source -> where links led from it.
    """
    graph = evaluation.graph
    numbers = {id_: number for number, id_ in enumerate(graph.targets)}
    users, sources = takers(graph, leads)
    seen: dict[str, list[tuple[str, Any]]] = {}
    for (what, path), answer in (evaluation.seen or {}).items():
        seen.setdefault(path, []).append((what, answer))
    return Index(
        ids=tuple(graph.targets),
        roots=tuple(numbers[root] for root in evaluation.roots),
        users=tuple(tuple(sorted(each)) for each in users),
        sources={path: tuple(sorted(each)) for path, each in sources.items()},
        seen={path: tuple(each) for path, each in seen.items()},
        leads=evaluation.leads,
        links=evaluation.links | frozenset(leads),
        said=evaluation.said,
        notes=tuple(evaluation.notes.get(root, ()) for root in evaluation.roots),
        places=places,
    )
