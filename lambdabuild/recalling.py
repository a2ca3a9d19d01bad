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
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import PickleError
from typing import Any

from lambdabuild import kept_graph
from lambdabuild.configured import ConfiguredLabel
from lambdabuild.digest import Key
from lambdabuild.evaluation import Evaluation
from lambdabuild.kept_graph import Graph, Index, chunks_of, taken
from lambdabuild.kept_paths import Facts, parts_of
from lambdabuild.keys import KeyTable, Known, Part
from lambdabuild.noop import Doubt
from lambdabuild.oci.digest import OciDigest
from lambdabuild.report import CACHED, BuildReport, TargetReport
from lambdabuild.revising import by_path, revise
from lambdabuild.settings import OUT_DIR
from lambdabuild.sources import WorkingTree
from lambdabuild.sources.seen import EVERYBODY, answers
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
    kept: Graph
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
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, PickleError):
        basis = json.loads(doubt.kept.basis)
        kept = kept_graph.read(graph_place(place), bytes.fromhex(basis["graph"]))
        if kept is None or os.fsencode(workspace.root) != doubt.kept.root:
            return None
        changes = _Changes(workspace, cache, doubt, kept)
        packages = changes.packages()
        if packages is None:
            return None
        edits = {
            int(number): Known(Key(hash_), tuple(map(Key, keys)))
            for number, (hash_, keys) in basis["edits"].items()
        }
        told = basis["told"]
        if not packages:
            return _recalled(doubt, kept, changes.numbers(kept, told), told, edits)
        revised = revise(workspace, kept, packages)
        if revised is not None:
            numbers = changes.numbers(revised, told) | revised.changed
            return _recalled(doubt, revised, numbers, told, edits)
    return None


def _recalled(
    doubt: Doubt, kept: Graph, changed: set[int], told: Sequence[Told], edits: Mapping[int, Known]
) -> Recalled:
    above = kept.above(changed)
    return Recalled(doubt, kept, above, _part(kept, above, edits), told, edits)


def _part(kept: Graph, above: Sequence[int], edits: Mapping[int, Known]) -> Evaluation:
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
        looked_at=kept.looked_at,
        part=Part(tuple(index.ids[number] for number in above), known),
    )


class _Changes:
    """Paths that are not as they were, and what that means."""

    def __init__(self, workspace: Workspace, cache: Path, doubt: Doubt, kept: Graph) -> None:
        self._root = workspace.root
        self._tree = WorkingTree(workspace.root, workspace.ignore)
        self._cache = f"{cache}/"
        self._doubt = doubt
        self._index = kept.index
        self._known = kept.paths
        paths = {os.fsdecode(doubt.paths[number]): number for number in doubt.changed}
        self._outputs = {path for path in paths if path.startswith(f"{OUT_DIR}/")}
        self._stored = {path for path in paths if path.startswith(self._cache)}
        others = paths.keys() - self._outputs - self._stored
        self._sources = {"" if path == "." else path: paths[path] for path in others}

    def packages(self) -> set[str] | None:
        """Returns the packages that have to be loaded again; None where more has changed than these."""
        if not self._plain() or not self._all_held():
            return None
        askers = {
            asker
            for path in self._suspects()
            for what, answer, askers in self._known[path].answers
            if not answers(self._tree, (what, path), answer)
            for asker in askers
        }
        packages = {asker for asker in askers if asker is not None}
        return None if EVERYBODY in askers else packages

    def numbers(self, graph: Graph, told: Sequence[Told]) -> set[int]:
        """Returns the targets that an edited source is in, and those whose outputs are gone."""
        found = {number for path in self._sources for number in graph.paths[path].takers}
        lost = {path.rpartition("/")[0] for path in self._outputs}
        return found | {
            root
            for root, each in zip(graph.index.roots, told, strict=True)
            if len(each) > 1 and each[2] in lost
        }

    def _plain(self) -> bool:
        """Tells whether all of them are, or were, files and directories of the workspace, and no settings."""
        for path, number in self._sources.items():
            if path.startswith("/") or path == FILE_NAME or path in self._index.links:
                return False
            try:
                mode = os.lstat(self._root / path).st_mode
            except FileNotFoundError:
                mode = self._doubt.kept.mode(number)
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                return False
        return True

    def _suspects(self) -> Iterator[str]:
        """Yields the paths of which something else may be answered than it was."""
        if all((self._root / path).is_file() for path in self._sources):
            yield from {*self._sources, *self._index.leads}
        else:
            yield from (path for path in self._known if self._may_differ(path))

    def _may_differ(self, path: str) -> bool:
        """Tells whether what was answered of `path` stands on something that has changed.

        That is itself, where links lead from it, and the directory that it is in. Where nothing was
        found, the directory may have been absent too, and the nearest one that was there is what changes.
        """
        changed = self._sources.keys()
        absent = not all(each.answer for each in self._known[path].answers)
        for place in {path, self._index.leads.get(path, path)}:
            above = {place, place.rpartition("/")[0]}
            if not changed.isdisjoint(above | set(_directories(place)) if absent else above):
                return True
        return False

    def _all_held(self) -> bool:
        """Tells whether the directories of the store that changed still have what the answer needs."""
        if not self._stored:
            return True
        needed: dict[str, set[str]] = {directory: set() for directory in self._stored}
        for name in self._doubt.kept.held.decode().split("\0")[:-1]:
            directory, _, file = f"{self._cache}{name}".rpartition("/")
            if directory in needed:
                needed[directory].add(file)
        return all(names <= set(os.listdir(directory)) for directory, names in needed.items())


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
        found[number] = keys.known(recalled.kept.target(number))
    return found


def encoded_graph(id_: bytes, evaluation: Evaluation, keys: KeyTable, leads: Mapping[str, str]) -> bytes:
    """Returns the bytes of a kept graph; raises UnpicklingError for what could not be read again.

    leads: path of a source -> where links led from it.
    """
    targets = evaluation.graph.targets
    numbers = {each: number for number, each in enumerate(targets)}
    users: list[list[int]] = [[] for _ in numbers]
    dependents: list[list[int]] = [[] for _ in numbers]
    takers: dict[str, list[int]] = {}
    for number, target in enumerate(targets.values()):
        others, sources = taken(target)
        for each in others:
            users[numbers[each]].append(number)
        for each in target.needed:
            dependents[numbers[each]].append(number)
        for path in sources | {leads[path] for path in sources & leads.keys()}:
            takers.setdefault(path, []).append(number)
    seen = by_path(evaluation)
    paths = {
        path: Facts(tuple(takers.get(path, ())), seen.get(path, ())) for path in takers.keys() | seen.keys()
    }
    index = Index(
        ids=tuple(targets),
        ranks=tuple(range(len(targets))),
        roots=tuple(numbers[root] for root in evaluation.roots),
        users=tuple(map(tuple, users)),
        dependents=tuple(map(tuple, dependents)),
        faces=evaluation.faces,
        leads=evaluation.leads,
        links=evaluation.links | frozenset(leads),
        said=evaluation.said,
        notes=tuple(evaluation.notes.get(root, ()) for root in evaluation.roots),
    )
    return kept_graph.encode(id_, index, chunks_of(targets.values(), keys), parts_of(paths))
