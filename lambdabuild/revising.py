"""A kept graph after BUILD files have changed: what stood on them is analysed again, and nothing else.

A package is what its BUILD file and its listings make it, and nobody else looks
at these. So while it looks the same to those who only pass by, all that can
change is what is made of its targets. These are configured anew, with what they
depend on, which gives them what it provides; the rest of the graph stays.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from lambdabuild.configured import ConfiguredGraph, ConfiguredLabel, ConfiguredTarget
from lambdabuild.errors import LambdaBuildError
from lambdabuild.evaluation import Evaluation, Maker, Question, evaluated
from lambdabuild.kept_graph import Answer, Graph, Index, KeptGraph, Place, chunk_of, closure, encode, taken
from lambdabuild.keys import KeyTable, Known
from lambdabuild.label import Label
from lambdabuild.target import Target
from lambdabuild.workspace import Workspace


class RevisedGraph(Graph):
    """A kept graph with some of its targets replaced, and others added.

    news:     the targets that are not as they were.
    old:      for each number, the number in the graph that was kept; None for one that was not in it.
    """

    def __init__(
        self,
        kept: KeptGraph,
        index: Index,
        news: Mapping[ConfiguredLabel, ConfiguredTarget],
        made: Evaluation,
    ) -> None:
        super().__init__(os.urandom(len(kept.id)), index)
        self.news = news
        self.made = made
        self._kept = kept
        self._old = [kept.numbers.get(id_) for id_ in index.ids]

    @property
    def changed(self) -> set[int]:
        """The numbers of `news`."""
        return {self.numbers[id_] for id_ in self.news}

    def renumbered(self, known: Mapping[int, Known]) -> dict[int, Known]:
        """Returns what was known by the numbers of the graph that was kept, but for `news`."""
        ids = self._kept.index.ids
        return {self.numbers[ids[old]]: each for old, each in known.items() if ids[old] not in self.news}

    def target(self, number: int) -> ConfiguredTarget:
        new = self.news.get(self.index.ids[number])
        return new or self._kept.target(self._kept.numbers[self.index.ids[number]])

    def known(self, id_: ConfiguredLabel) -> Known:
        return self._kept.known(id_)

    def encoded(self, keys: KeyTable, leads: Mapping[str, str]) -> bytes:
        """Returns the bytes of a file; raises UnpicklingError for what could not be read again.

        leads: path of a source -> where links led from it.
        """

        def chunks() -> Iterator[bytes]:
            for id_ in self.index.ids:
                new = self.news.get(id_)
                yield chunk_of(new, keys) if new else self._kept.chunk(self._kept.numbers[id_])

        def index_of(places: tuple[Place, ...]) -> Index:
            index = self.index
            sources = dict(index.sources)
            for path, led in leads.items():
                sources[led] = _merged(sources.get(led, ()), sources.get(path, ()))
            return index._replace(places=places, sources=sources, links=index.links | leads.keys())

        return encode(self.id, chunks(), index_of)


def revise(workspace: Workspace, kept: KeptGraph, packages: Collection[str]) -> RevisedGraph | None:
    """Returns the graph after what some packages asked of the files was answered otherwise.

    None if more of it may have changed, or something is wrong, which is better told as always.
    """
    index = kept.index
    dirty = [number for number, id_ in enumerate(index.ids) if id_.label.package in packages]
    above = [index.ids[number] for number in closure(dirty, index.dependents)]

    def work(maker: Maker) -> Evaluation:
        for name in packages:
            maker.loader.package(name)
        configured = _configure(maker, above)
        return Evaluation((), ConfiguredGraph(configured), notes=maker.analyzer.notes)

    if index.said:
        return None
    try:
        made = evaluated(workspace, Question(()), lambda text, at: None, work)
    except LambdaBuildError:
        return None
    parts = made.graph.targets
    same = all(index.faces.get(name, face) == face for name, face in made.faces.items())
    news = {
        id_: target
        for id_, target in parts.items()
        if id_ not in kept.numbers or kept.target(kept.numbers[id_]) != target
    }
    if made.said or made.seen is None or not same or not _known(kept, news).issubset(above):
        return None
    return RevisedGraph(kept, _revised(kept, made, news), news, made)


def _configure(maker: Maker, ids: Sequence[ConfiguredLabel]) -> Mapping[ConfiguredLabel, ConfiguredTarget]:
    """Returns those targets, and all that they depend on, analysed."""
    done: dict[str, dict[Label, Target]] = {}
    for label, platform in ids:
        for below in maker.loader.closure(label, done.setdefault(platform, {})):
            maker.analyzer.configure(below, platform)
    return maker.analyzer.configured


def _known(kept: KeptGraph, ids: Collection[ConfiguredLabel]) -> set[ConfiguredLabel]:
    return {id_ for id_ in ids if id_ in kept.numbers}


def _revised(kept: KeptGraph, made: Evaluation, news: Mapping[ConfiguredLabel, ConfiguredTarget]) -> Index:
    """Returns the index of a graph with `news`, whose dependencies are all in `made`."""
    old = kept.index
    parts = made.graph.targets
    ids = (*parts, *(id_ for id_ in old.ids if id_ not in parts))
    numbers = {id_: number for number, id_ in enumerate(ids)}
    moved = [numbers[id_] for id_ in old.ids]
    gone = {number for number, id_ in enumerate(old.ids) if id_ in news}

    def moved_all(each: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([moved[number] for number in each if number not in gone])

    users: list[tuple[int, ...]] = [()] * len(ids)
    dependents = list(users)
    for number, place in enumerate(moved):
        users[place] = moved_all(old.users[number])
        dependents[place] = moved_all(old.dependents[number])
    sources = {path: moved_all(each) for path, each in old.sources.items()}
    for id_, target in news.items():
        others, paths = taken(target)
        mine = (numbers[id_],)
        for each in others:
            users[numbers[each]] = _merged(users[numbers[each]], mine)
        for label in target.dependencies:
            below = numbers[ConfiguredLabel(label, id_.platform)]
            dependents[below] = _merged(dependents[below], mine)
        for path in paths:
            sources[path] = _merged(sources.get(path, ()), mine)
    notes = [
        made.notes.get(old.ids[root], ()) if old.ids[root] in parts else each
        for root, each in zip(old.roots, old.notes, strict=True)
    ]
    return Index(
        ids=ids,
        roots=tuple(moved[root] for root in old.roots),
        users=tuple(users),
        dependents=tuple(dependents),
        sources=sources,
        seen={**old.seen, **_seen(old, made)},
        faces={**old.faces, **made.faces},
        leads={**old.leads, **made.leads},
        links=old.links | made.links,
        said=(),
        notes=tuple(notes),
        places=(),
    )


def _seen(old: Index, made: Evaluation) -> Mapping[str, tuple[Answer, ...]]:
    """Returns what was asked of the paths that were asked of again, by those who asked before as well."""
    found: dict[str, dict[str, Answer]] = {}
    for path, answers in by_path(made).items():
        found[path] = {each.what: each for each in old.seen.get(path, ())}
        for what, answer, askers in answers:
            before = found[path].get(what)
            found[path][what] = Answer(what, answer, _merged(before.askers, askers) if before else askers)
    return {path: tuple(each.values()) for path, each in found.items()}


def by_path(evaluation: Evaluation) -> Mapping[str, tuple[Answer, ...]]:
    """Returns what an evaluation asked of each path."""
    found: dict[str, list[Answer]] = {}
    for question, answer in (evaluation.seen or {}).items():
        what, path = question
        found.setdefault(path, []).append(Answer(what, answer, evaluation.askers[question]))
    return {path: tuple(each) for path, each in found.items()}


def _merged(one: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*one, *(each for each in other if each not in one))
